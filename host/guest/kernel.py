"""A Debian kernel as files: the program that QEMU starts, and the few drivers that a virtio guest needs.

It is downloaded and unpacked, never installed: this machine's /boot is not ours. `default` is the release this machine's
apt has; `other` is another Debian release's, from the same mirrors, with separate package lists.
Out of scope: compiling one.
"""

from __future__ import annotations

import lzma
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from host.artifact import apt
from machine import commands
from machine.errors import VmlabError

PACKAGE = "linux-image-cloud-amd64"
_NAMED = re.compile(r"linux-image-\d\S*-cloud-amd64")
# In the order in which they are loaded, each with what it depends on before it.
DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "button", "virtio_rng", "virtio_balloon")
_OTHER = {"bookworm": "trixie", "trixie": "bookworm"}
# Where the unpacked size and place of a bzImage's payload are: Documentation/arch/x86/boot.rst.
_SETUP_SECTORS, _PAYLOAD = 0x1F1, 0x248
_LZ4_LEGACY = b"\x02\x21\x4c\x18"


@dataclass(frozen=True)
class Source:
    """Where a kernel comes from: options of apt that choose the lists. None: this machine's own."""

    name: str
    options: tuple[str, ...] = ()


def own() -> Source:
    """This machine's own package lists."""
    return Source("default")


def other(folder: Path) -> Source:
    """Another Debian release, from the mirrors of this one; its lists are kept in `folder`. VmlabError if it is not there."""
    text = "".join(_moved(path.read_text()) for path in apt.sources())
    if not text:
        raise VmlabError("apt's sources name no Debian release that this knows: no other kernel")
    sources = folder / "etc/sources.list.d"
    for made in (sources, folder / "state/lists/partial", folder / "cache/archives/partial"):
        made.mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    form = "sources" if "Suites:" in text else "list"
    (sources / f"other.{form}").write_text(text)
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(sources),
        "Dir::State": str(folder / "state"),
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache": str(folder / "cache"),
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    found = Source(
        "other", tuple(word for key, value in options.items() for word in ("-o", f"{key}={value}"))
    )
    if not any((folder / "state/lists").glob("*_Packages*")):
        commands.run(["apt-get", "-q", *found.options, "update"], timeout_seconds=300)
    return found


def candidate(source: Source) -> tuple[str, str]:
    """Name and version of the newest kernel package there."""
    text = commands.run(["apt-cache", *source.options, "depends", "--important", PACKAGE], timeout_seconds=60)
    names = _NAMED.findall(text)
    if not names:
        raise VmlabError(f"apt knows no {PACKAGE} ({source.name}); next: apt-get update")
    shown = commands.run(
        ["apt-cache", *source.options, "show", "--no-all-versions", names[0]], timeout_seconds=60
    )
    found = re.search(r"^Version: (\S+)$", shown, re.MULTILINE)
    if found is None:
        raise VmlabError(f"apt knows no version of {names[0]}")
    return names[0], found[1]


def fetch(source: Source, package: tuple[str, str], folder: Path) -> Path:
    """Download and unpack; the folder it is in."""
    folder.mkdir(parents=True)
    name, version = package
    command = ["env", "-C", str(folder), "apt-get", "-q", *source.options, "-o", "APT::Sandbox::User=root"]
    commands.run([*command, "download", f"{name}={version}"], timeout_seconds=600)
    tree = folder / "tree"
    commands.run(["dpkg-deb", "-x", *map(str, folder.glob("*.deb")), str(tree)], timeout_seconds=120)
    return tree


def release(tree: Path) -> str:
    """What `uname -r` prints in the guest."""
    return next((tree / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")


def image(tree: Path, target: Path) -> None:
    """The kernel, unpacked where that is possible: under emulation unpacking itself takes it 0.25 s of 1.9.

    QEMU starts an unpacked one by its PVH note. What is packed otherwise than with LZ4 is left as it is."""
    packed = next((tree / "boot").glob("vmlinuz-*"))
    data = packed.read_bytes()
    start, length = struct.unpack_from("<II", data, _PAYLOAD)
    start += ((data[_SETUP_SECTORS] or 4) + 1) * 512
    payload = data[start : start + length]
    if not payload.startswith(_LZ4_LEGACY):
        target.write_bytes(data)
        return
    cut = target.with_suffix(".lz4")
    cut.write_bytes(payload[:-4])  # the last four bytes are the unpacked size
    commands.run(["lz4", "-d", "-q", "-f", str(cut), str(target)], timeout_seconds=60)
    cut.unlink()


def drivers(tree: Path, names: Sequence[str] = DRIVERS) -> list[tuple[str, bytes]]:
    """Name and content of the modules that these drivers need, in the order in which they are loaded."""
    modules = next(
        (tree / "lib/modules").glob("*") if (tree / "lib").exists() else (tree / "usr/lib/modules").glob("*")
    )
    found = {_plain(path.name): path for path in sorted((modules / "kernel").rglob("*.ko*"))}
    wanted: list[str] = []
    for name in names:
        _add(name, found, wanted)
    return [(name, _content(found[name])) for name in wanted]


def _add(name: str, found: dict[str, Path], wanted: list[str]) -> None:
    """A module after those it names in its own `depends=`; one that is built in has no file."""
    if name in wanted or name not in found:
        return
    depends = re.search(rb"\0depends=([^\0]*)\0", b"\0" + _content(found[name]))
    for other in filter(None, (depends[1] if depends else b"").decode().split(",")):
        _add(_plain(other), found, wanted)
    wanted.append(name)


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _plain(name: str) -> str:
    return name.partition(".ko")[0].replace("-", "_")


def _moved(text: str) -> str:
    """Sources of a Debian release, as those of the other one; the others' are dropped."""
    if "Suites:" in text:
        stanzas = [_moved_stanza(stanza) for stanza in re.split(r"\n\s*\n", text)]
        return "\n\n".join(filter(None, stanzas)) + "\n\n"
    lines = [_moved_line(line) for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines if line)


def _moved_stanza(stanza: str) -> str:
    suites = re.search(r"^Suites:(.*)$", stanza, re.MULTILINE)
    release = next((word for word in (suites[1].split() if suites else []) if word in _OTHER), None)
    if release is None:
        return ""
    return re.sub(r"^Suites:.*$", f"Suites: {_OTHER[release]}", stanza, flags=re.MULTILINE)


def _moved_line(line: str) -> str:
    words = line.split()
    release = next((word for word in words if word in _OTHER), None)
    if not words or words[0] != "deb" or release is None:
        return ""
    return " ".join(_OTHER[word] if word == release else word for word in words)
