"""The provider of secret files, thin over `substrates.inputs.secret`. The value is kept encrypted in the state."""

from __future__ import annotations

import hashlib
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from substrates.inputs import secret


class SecretFileProvider(ResourceProvider):
    """One secret file. The id is its name."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write the file."""
        return CreateResult(props["name"], _outputs(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """A new name is another file; a new value, or one changed by hand, is written again."""
        renamed = olds.get("name") != news.get("name")
        changed = renamed or olds.get("sha256") != _digest(news)
        return DiffResult(changes=changed, replaces=["name"] if renamed else [])

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Write the file again."""
        return UpdateResult(_outputs(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What the file holds now, by its fingerprint."""
        found = secret.fingerprint(id_) if id_ else ""
        if not found:
            return ReadResult("", {})
        outputs = {**props, "path": str(secret.path_of(id_)), "sha256": found}
        return ReadResult(id_, outputs, {"name": id_, "value": props.get("value")})

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        """Remove the file."""
        secret.remove(id_)


def _outputs(props: dict[str, Any]) -> dict[str, Any]:
    path = secret.write(props["name"], props["value"])
    return {"name": props["name"], "value": props["value"], "path": str(path), "sha256": _digest(props)}


def _digest(props: dict[str, Any]) -> str:
    return hashlib.sha256(str(props.get("value")).encode()).hexdigest()
