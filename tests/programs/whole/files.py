"""A dynamic resource that is a file: the smallest real thing that can be created, changed, lost and found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)


class FileProvider(ResourceProvider):
    """Creates `<directory>/<name>`; the id is that path, so that a lost create is found again."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        return CheckResult(news, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        path = Path(props["name"])
        path.write_text(props["text"])
        return CreateResult(str(path), {**props, "size": len(props["text"])})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = [key for key in ("name", "text") if olds.get(key) != news.get(key)]
        return DiffResult(changes=bool(changed), replaces=["name"] if "name" in changed else [])

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        Path(news["name"]).write_text(news["text"])
        return UpdateResult({**news, "size": len(news["text"])})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        path = Path(id_)
        if not id_ or not path.is_file():
            return ReadResult("", {})
        text = path.read_text()
        return ReadResult(
            id_, {**props, "name": id_, "text": text, "size": len(text)}, {**props, "text": text}
        )

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        Path(id_).unlink(missing_ok=True)


class File(Resource, module="files", name="File"):
    """A file with a text."""

    size: pulumi.Output[int]

    def __init__(
        self, name: str, path: str, text: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__(FileProvider(), name, {"name": path, "text": text, "size": None}, opts)
