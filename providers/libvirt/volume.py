"""Volumes. One can grow in place; everything else replaces it, and so the guest that uses it.

`files` may hold secrets. They are an input only, encrypted in the state; the output is a fingerprint.
Out of scope: shrinking, snapshots.
"""

from __future__ import annotations

from dataclasses import asdict

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from clients.libvirt import content, volumes
from clients.libvirt.description import VolumeSpec, devices, volume
from providers.libvirt.inputs import (
    ABSENT,
    Input,
    Props,
    changed,
    difference,
    fill,
    known,
    one_of,
    result,
    text,
    texts,
    whole,
)

SPEC = {
    "name": Input(text),
    "pool": Input(text),
    "capacity_bytes": Input(whole, 0),  # 0: what the content needs
    "format": Input(one_of(*devices.FORMATS), "raw"),
    "backing": Input(text, ""),
    "backing_format": Input(text, ""),
    "mode": Input(text, "0600"),
}
INPUTS = {**SPEC, "files": Input(texts, None), "copy_of": Input(text, "")}
OUTPUTS = ("path", "sha256", "blank")


class VolumeProvider(ResourceProvider):
    """One volume. The id is its name."""

    serialize_as_secret_always = False

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Inputs that cannot work: content that does not fit, a file that does not exist."""
        return result(INPUTS, OUTPUTS, news, _look)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """What differs from the state; content that was changed by hand, or is unfinished, is written again."""
        wanted = _filled(news)
        differs = changed({**SPEC, "copy_of": INPUTS["copy_of"]}, olds, wanted)
        if wanted["capacity_bytes"] == 0 and "capacity_bytes" in differs:
            differs.remove("capacity_bytes")
        if olds.get("sha256", "") != _digest(wanted) or (wanted["copy_of"] and olds.get("blank")):
            differs.append("files" if olds.get("sha256") or wanted["files"] is not None else "copy_of")
        grows = "capacity_bytes" in differs and _grows(olds, wanted)
        return difference(differs, {"capacity_bytes"} if grows else ())

    def create(self, props: Props) -> CreateResult:
        """Create it, with its content."""
        made = volumes.create(_spec(props), props.get("files"), props.get("copy_of") or "")
        return CreateResult(props["name"], _outputs(props, made))

    def read(self, id_: str, props: Props) -> ReadResult:
        """The volume as it is; its content only where no guest writes to it."""
        there = volumes.find(id_, props.get("pool", "")) if id_ else None
        return ABSENT if there is None else ReadResult(id_, _outputs(props, there))

    def update(self, id_: str, _olds: Props, news: Props) -> UpdateResult:
        """Make it larger."""
        spec = _spec(news)
        return UpdateResult(_outputs(news, volumes.grow(id_, spec.pool, spec.capacity_bytes)))

    def delete(self, id_: str, props: Props) -> None:
        """Remove it; one that does not exist counts as deleted."""
        volumes.remove(id_, props.get("pool", ""))


def _look(props: Props) -> None:
    if known(props):
        spec, _ = volumes.planned(_spec(props), props["files"], props["copy_of"])
        volume.to_xml(spec)
        volumes.refuse_foreign(spec)


def _filled(props: Props) -> Props:
    filled, _ = fill(INPUTS, props)
    if filled["backing"] and not filled["backing_format"]:
        filled["backing_format"] = "raw"
    return filled


def _spec(props: Props) -> VolumeSpec:
    filled = _filled(props)
    return VolumeSpec(**{key: filled[key] for key in SPEC})


def _digest(props: Props) -> str:
    """The fingerprint of the content; "" where the volume has none of ours."""
    files = props["files"]
    if files is None:
        return ""
    return content.fingerprint(content.archive(files), props["capacity_bytes"]) if known(files) else "unknown"


def _grows(olds: Props, news: Props) -> bool:
    """Whether it only becomes larger, and has no content that its size is part of."""
    return (
        known(news["capacity_bytes"])
        and news["files"] is None
        and news["capacity_bytes"] > olds["capacity_bytes"]
    )


def _outputs(props: Props, found: volumes.Found) -> Props:
    held = props.get("files") is not None or bool(props.get("sha256"))
    return {
        **asdict(found.spec),
        "copy_of": props.get("copy_of") or "",
        "path": found.path,
        "blank": found.blank and bool(props.get("copy_of")),
        "sha256": volumes.fingerprint(found.spec.name, found.spec.pool) if held else "",
    }
