"""The provider of data folders, thin over `substrates.inputs.folder`."""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider

from substrates.inputs import folder


class FolderProvider(ResourceProvider):
    """One folder. The id is its name; another name is another folder."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make it."""
        return CreateResult(props["name"], {"name": props["name"], "path": str(folder.make(props["name"]))})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Only its name can change."""
        renamed = olds.get("name") != news.get("name")
        return DiffResult(changes=renamed, replaces=["name"] if renamed else [])

    def read(self, id_: str, _props: dict[str, Any]) -> ReadResult:
        """Whether it exists."""
        found = folder.find(id_) if id_ else None
        return (
            ReadResult(id_, {"name": id_, "path": str(found)}, {"name": id_}) if found else ReadResult("", {})
        )

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Remove it with its data."""
        folder.remove(id_)
