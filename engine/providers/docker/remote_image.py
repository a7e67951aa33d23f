"""RemoteImage: `docker:index/remoteImage:RemoteImage`.

An image that comes from a registry. As in the official provider one that is here already is not pulled
again; other than there, a change of `pullTriggers` or `triggers` pulls on the same resource instead of
replacing it (a replacement finds the old image here, does not pull, and then removes it). An image carries
no mark of ours, so its removal on destroy is an untagging by name, and one that a container still uses
stays.
Out of scope: `build` (use Image) and `platform`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from docker import APIClient
from docker.utils import parse_repository_tag

from engine.providers.docker.docker_daemon import BUILD_SECONDS, RefusalError
from engine.providers.docker.forms import Applied, Flag, Input, Many, Mapped, Text
from engine.providers.docker.kind import Call, Kind, Made, Plain
from engine.values import UNKNOWN

TYPE = "docker:index/remoteImage:RemoteImage"
REFERENCE = Text(
    r"[a-z0-9]+[a-zA-Z0-9._:/@-]*[a-zA-Z0-9]|[a-z0-9]",
    says="an image reference such as 127.0.0.1:5000/service:1",
)
INPUTS: Mapping[str, Input] = {
    "name": Input(REFERENCE, Applied.REPLACE, required=True),
    "keepLocally": Input(Flag(), Applied.STORED, default=False),
    "forceRemove": Input(Flag(), Applied.STORED, default=False),
    "pullTriggers": Input(Many(Text()), Applied.UPDATE),
    "triggers": Input(Mapped(), Applied.UPDATE),
}
COMPUTED = ("imageId", "repoDigest")


def preview(call: Call) -> Plain:
    """A pull may bring another image."""
    if call.outputs and not _pulls(call):
        return {**call.outputs, **call.inputs}
    return {**call.inputs, **dict.fromkeys(COMPUTED, UNKNOWN)}


def create(call: Call) -> Made:
    """Take what is here, else pull."""
    name = call.inputs["name"]
    found = call.daemon.image(name) or pull(call, name)
    return Made(found["Id"] + name, _outputs(call, found))


def read(call: Call) -> Made | None:
    """Look at it by its name; a lost create is found the same way, for pulling twice does no harm."""
    name = call.inputs.get("name") or call.outputs.get("name") or _name_in(call.id)
    found = call.daemon.image(name)
    if found is None:
        return None
    inputs = call.inputs or {"name": name}
    return Made(
        call.id if call.outputs else found["Id"] + name, _outputs(call, found) | {"name": name}, inputs=inputs
    )


def update(call: Call) -> Made:
    """Pull when a trigger changed or the image is gone; else only remember."""
    name = call.inputs["name"]
    found = None if _pulls(call) else call.daemon.image(name)
    return Made(call.id, _outputs(call, found or pull(call, name)))


def delete(call: Call) -> None:
    """Untag it, and so remove it when no other container needs it; with `keepLocally` not even that."""
    if call.inputs.get("keepLocally"):
        return
    name = call.inputs.get("name") or call.outputs.get("name") or _name_in(call.id)
    call.daemon.remove_image(name, force=bool(call.inputs.get("forceRemove")))


def _pulls(call: Call) -> bool:
    """Whether a trigger changed."""
    return any(call.inputs.get(key) != call.old_inputs.get(key) for key in ("pullTriggers", "triggers"))


def pull(call: Call, name: str) -> Plain:
    """Pull it, and what Docker then knows of it."""
    repository, tag = parse_repository_tag(name)

    def start(client: APIClient) -> list[Any]:
        lines = []
        for line in client.pull(repository, tag=tag or "latest", stream=True, decode=True):
            lines.append(line)
            if call.daemon.cancelled.is_set():
                break
        return lines

    for line in call.daemon.run(start, call.deadline(BUILD_SECONDS)):
        if "error" in line:
            raise RefusalError(grpc.StatusCode.UNAVAILABLE, f"cannot pull {name}: {line['error']}")
    found = call.daemon.image(name)
    if found is None:
        raise RefusalError(grpc.StatusCode.NOT_FOUND, f"{name} was pulled, yet Docker does not know it")
    return found


def _name_in(id_: str) -> str:
    """The id is the image's id with the name behind it, as in the official provider."""
    return id_[len("sha256:") + 64 :] if id_.startswith("sha256:") else id_


def _outputs(call: Call, found: Plain) -> Plain:
    digests = found.get("RepoDigests") or [""]
    repository = parse_repository_tag(call.inputs.get("name", ""))[0]
    mine = [digest for digest in digests if digest.startswith(repository + "@")]
    return {**call.inputs, "imageId": found["Id"], "repoDigest": (mine or digests)[0]}


KIND = Kind(TYPE, INPUTS, COMPUTED, create, read, delete, update=update, preview=preview)
