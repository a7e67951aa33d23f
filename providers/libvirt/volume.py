"""Volumes. One can grow in place; everything else replaces it, and so the guest that uses it.

`files` may hold secrets. They are an input only, encrypted in the state; the output is a fingerprint.
Out of scope: shrinking, snapshots.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from pulumi.dynamic import DiffResult

from clients.libvirt import content, volumes
from clients.libvirt.description import VolumeSpec, devices, volume
from providers.libvirt.inputs import (
    Input,
    Props,
    changed,
    difference,
    inputs_of,
    known,
    one_of,
    text,
    texts,
    whole,
)
from providers.libvirt.provider import Provider

# A capacity of 0 is what the content needs.
SPEC = inputs_of(VolumeSpec, capacity_bytes=Input(whole, 0), format=Input(one_of(*devices.FORMATS), "raw"))
INPUTS = {**SPEC, "files": Input(texts, None), "copy_of": Input(text, "")}


class VolumeProvider(Provider):
    """One volume. The id is its name."""

    client: ClassVar[Any] = volumes
    kind = VolumeSpec
    inputs, own_outputs = INPUTS, ("path", "sha256", "blank")

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """What differs from the state; content that was changed by hand, or is unfinished, is written again."""
        wanted = self.filled(news)
        differs = changed({**SPEC, "copy_of": INPUTS["copy_of"]}, olds, wanted)
        if wanted["capacity_bytes"] == 0 and "capacity_bytes" in differs:
            differs.remove("capacity_bytes")
        if olds.get("sha256", "") != _digest(wanted) or (wanted["copy_of"] and olds.get("blank")):
            differs.append("files" if olds.get("sha256") or wanted["files"] is not None else "copy_of")
        grows = "capacity_bytes" in differs and _grows(olds, wanted)
        return difference(differs, {"capacity_bytes"} if grows else ())

    def look(self, props: Props) -> None:
        """Not content that does not fit, nor a file that does not exist."""
        if known(props):
            spec, _ = volumes.planned(self.spec(self.filled(props)), props["files"], props["copy_of"])
            volume.to_xml(spec)
            volumes.refuse_foreign(spec)

    def make(self, props: Props) -> volumes.Found:
        """Create it, with its content."""
        return volumes.create(self.spec(props), props["files"], props["copy_of"])

    def found(self, id_: str, props: Props) -> volumes.Found | None:
        """One of the lab's pools."""
        return volumes.find(id_, props.get("pool", ""))

    def change(self, props: Props) -> volumes.Found:
        """Make it larger."""
        return volumes.grow(props["name"], props["pool"], props["capacity_bytes"])

    def outputs(self, props: Props, found: volumes.Found) -> Props:
        """Its spec, its file, and the fingerprint of an archive, which no guest writes to."""
        held = props.get("files") is not None or bool(props.get("sha256"))
        return {
            **asdict(found.spec),
            "copy_of": props.get("copy_of") or "",
            "path": found.path,
            "blank": found.blank and bool(props.get("copy_of")),
            "sha256": volumes.fingerprint(found.spec.name, found.spec.pool) if held else "",
        }

    def delete(self, id_: str, props: Props) -> None:
        """Remove it; one that does not exist counts as deleted."""
        volumes.remove(id_, props.get("pool", ""))

    def filled(self, props: Props) -> Props:
        """A backing file is raw unless it is stated."""
        filled = super().filled(props)
        filled["backing_format"] = filled["backing_format"] or ("raw" if filled["backing"] else "")
        return filled


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
