"""Image: `docker:index/image:Image`.

Built from a directory by Docker's classic builder, and pushed when a registry is named. The digest of the
directory is an input that Check adds (`build.contextDigest`), so an unchanged directory is not a change and is
not built again. Other than in the official provider the image is owned: labelled, looked at by Read, and
removed on destroy unless a container still uses it; a new `imageName` is a new object.
Out of scope: BuildKit, `cacheFrom`, `network`, `addHosts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import grpc
from docker.errors import APIError, NotFound

from engine.providers.docker import image_build, ownership
from engine.providers.docker.build_context import BuildContext
from engine.providers.docker.docker_daemon import RefusalError
from engine.providers.docker.forms import Applied, Fault, Flag, Input, Mapped, Record, Text
from engine.providers.docker.kind import Call, Kind, Made, Plain
from engine.values import UNKNOWN, contains_unknown

TYPE = "docker:index/image:Image"
REFERENCE = Text(
    r"[a-z0-9][a-z0-9._:/-]*(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})?",
    says="repository[:tag] such as 127.0.0.1:5000/service:1",
)
BUILD = Record(
    {
        "context": Text(),
        "dockerfile": Text(),
        "args": Mapped(),
        "target": Text(),
        "platform": Text(),
        "builderVersion": Text(words=("BuilderV1",)),
    },
    unchecked=("contextDigest",),
)
INPUTS: Mapping[str, Input] = {
    "imageName": Input(REFERENCE, Applied.REPLACE, required=True),
    "build": Input(BUILD, Applied.UPDATE),
    "registry": Input(Record({"server": Text(), "username": Text(), "password": Text()}), Applied.UPDATE),
    "skipPush": Input(Flag(), Applied.UPDATE, default=False),
    "buildOnPreview": Input(Flag(), Applied.STORED, default=False),
}
COMPUTED = ("baseImageName", "context", "dockerfile", "imageId", "registryServer", "repoDigest")


def check(inputs: Plain, directory: Path) -> tuple[Plain, list[Fault]]:
    """The digest of the context, when the context is known."""
    build = inputs.get("build") or {}
    if contains_unknown(build.get("context")) or contains_unknown(build.get("dockerfile")):
        return {}, []
    context = context_of(inputs, directory)
    if not context.directory.is_dir():
        return {}, [Fault("build.context", f"is not a directory: {context.directory}")]
    if not context.dockerfile.is_file():
        hint = context.directory / context.dockerfile.name
        more = (
            f"; there is {hint}: paths start at the program's directory, not at the context"
            if hint.is_file()
            else ""
        )
        return {}, [Fault("build.dockerfile", f"is not a file: {context.dockerfile}{more}")]
    return {"build": {"contextDigest": context.digest()}}, []


def how(key: str, olds: Plain, news: Plain) -> Applied:
    """By the table; new credentials alone are only remembered."""
    if key == "registry" and _server(olds) == _server(news):
        return Applied.STORED
    return INPUTS[key].applied


def preview(call: Call) -> Plain:
    """Another digest gives another image; with `buildOnPreview` it is built to know, and not pushed."""
    if call.outputs and not _rebuilds(call):
        return {**call.outputs, **_outputs_of_inputs(call)}
    known = {**_outputs_of_inputs(call), "imageId": UNKNOWN, "repoDigest": UNKNOWN}
    if call.inputs.get("buildOnPreview") and not contains_unknown(call.inputs):
        _refuse_foreign(call)
        known["imageId"] = image_build.build(call, context_of(call.inputs, call.directory))
    return known


def create(call: Call) -> Made:
    """Build and push it; an image of the same name must be our own leftover."""
    _refuse_foreign(call)
    return _made(call)


def read(call: Call) -> Made | None:
    """Look at it by name. Only a local image can be gone; a pushed one lives on in its registry."""
    name = call.outputs.get("imageName") or call.inputs.get("imageName") or call.id
    found = call.daemon.image(name)
    if call.recovers and found is None:
        _remove_dangling(call)  # the steps of a build that was interrupted
    ours = found is not None and ownership.is_ours(found["Config"].get("Labels"), call.urn)
    if found is None or (call.urn and not ours):
        pushed = call.outputs and not call.inputs.get("skipPush")
        return Made(call.id, call.outputs, inputs=call.inputs) if pushed else None
    outputs = {**call.outputs, **_outputs_of_inputs(call), "imageName": name, "imageId": found["Id"]}
    if call.inputs.get("skipPush"):
        outputs["repoDigest"] = found["Id"]
    half = [] if outputs.get("repoDigest") else [f"{name} was built, and whether it was pushed is not known"]
    return Made(name, outputs, half, call.inputs or {"imageName": name})


def update(call: Call) -> Made:
    """Build it again under the same name; the old image is removed when it is not in use."""
    if (
        not _rebuilds(call)
        and call.daemon.image(call.inputs["imageName"]) is not None
        and call.outputs.get("repoDigest")
    ):
        return Made(call.id, {**call.outputs, **_outputs_of_inputs(call)})
    _refuse_foreign(call)
    made = _made(call)
    _remove_dangling(call)
    return made


def delete(call: Call) -> None:
    """Untag it and what older builds left; a tag that is not ours any more and an image in use stay."""
    name = call.outputs.get("imageName") or call.inputs.get("imageName") or call.id
    found = call.daemon.image(name)
    if found is not None and ownership.is_ours(found["Config"].get("Labels"), call.urn):
        _remove(call, name)
    _remove_dangling(call)


def context_of(inputs: Plain, directory: Path) -> BuildContext:
    """The defaults are the official ones: this directory, and `Dockerfile` in the context."""
    build = inputs.get("build") or {}
    context = directory / (build.get("context") or ".")
    dockerfile = build.get("dockerfile")
    return BuildContext(context, directory / dockerfile if dockerfile else context / "Dockerfile")


def _made(call: Call) -> Made:
    """Build, then push; from the build on it exists, so a failed push is not a plain error."""
    name = call.inputs["imageName"]
    try:
        id_ = image_build.build(call, context_of(call.inputs, call.directory))
    except RefusalError:
        _remove_dangling(call)  # the steps before the one that failed
        raise
    outputs = {**_outputs_of_inputs(call), "imageId": id_, "repoDigest": id_}
    if call.inputs.get("skipPush"):
        return Made(name, outputs)
    try:
        return Made(name, outputs | {"repoDigest": image_build.push(call)})
    except (RefusalError, APIError) as error:
        return Made(name, outputs | {"repoDigest": ""}, [f"{name} was built and not pushed: {error}"])


def _rebuilds(call: Call) -> bool:
    olds, news = call.old_inputs, call.inputs
    if (olds.get("build") or {}) != (news.get("build") or {}) or olds.get("imageName") != news.get(
        "imageName"
    ):
        return True
    return bool(olds.get("skipPush")) != bool(news.get("skipPush")) or _server(olds) != _server(news)


def _server(inputs: Plain) -> object:
    return (inputs.get("registry") or {}).get("server")


def _refuse_foreign(call: Call) -> None:
    name = call.inputs["imageName"]
    found = call.daemon.image(name)
    if found is not None and not ownership.is_ours(found["Config"].get("Labels"), call.urn):
        message = f"an image named {name} exists and is not ours; it keeps it. Choose another or untag it"
        raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, message)


def _remove_dangling(call: Call) -> None:
    label = f"{ownership.URN_LABEL}={ownership.urn_hash(call.urn)}"
    for old in call.daemon.client.images(filters={"dangling": True, "label": label}):
        _remove(call, old["Id"])


def _remove(call: Call, name: str) -> None:
    try:
        call.daemon.client.remove_image(name)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # 409: a container uses it
            raise


def _outputs_of_inputs(call: Call) -> Plain:
    build = call.inputs.get("build") or {}
    name = call.inputs.get("imageName") or call.id
    outputs = {
        "baseImageName": name,
        "imageName": name,
        "context": build.get("context") or ".",
        "dockerfile": build.get("dockerfile")
        or f"{build.get('context') or '.'}/Dockerfile".removeprefix("./"),
        "registryServer": _server(call.inputs) or "",
    }
    return outputs | ({"platform": build["platform"]} if build.get("platform") else {})


KIND = Kind(
    TYPE, INPUTS, COMPUTED, create, read, delete, update=update, preview=preview, check=check, changes=how
)
