"""What this machine's own apt would put into an empty tree, in which versions. Names no mirror.

The versions are part of the cache's key, so that a mirror that moved on is seen. mmdebstrap is given the same lists (see
`rootfs`), so what is resolved here is what is unpacked there. Asking apt takes a second, so answers are kept until the
lists change. Out of scope: pinning, which mmdebstrap does not take over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from machine import commands
from machine.errors import InvalidInput, VmlabError

LISTS = Path("/var/lib/apt/lists")
ETC = Path("/etc/apt")
# Dependencies of maintainer scripts alone. A tree that is only unpacked runs none; who needs one names it in `packages`.
ASSUMED = ("adduser", "debconf", "dpkg", "init-system-helpers", "lsb-base", "sysvinit-utils", "ucf")
_PROVIDES = {"debconf": "debconf-2.0"}


def sources() -> list[Path]:
    """The files that say where packages come from."""
    return [path for path in (ETC / "sources.list", *_listed()) if path.is_file() and path.stat().st_size]


def versions(packages: Sequence[str], status: Path, keep: Path, named_by: Path) -> dict[str, str]:
    """Name and version of everything that would be unpacked; InvalidInput for a package that Debian has not."""
    asked = hashlib.sha256(repr((sorted(packages), status.read_text(), _lists())).encode()).hexdigest()[:16]
    answer = keep / f"{asked}.json"
    if answer.exists():
        return dict(json.loads(answer.read_text()))
    found = _resolved(packages, status, named_by)
    keep.mkdir(parents=True, exist_ok=True)
    for old in sorted(keep.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-20]:
        old.unlink()
    answer.write_text(json.dumps(found))
    return found


def have_lists() -> bool:
    """Whether this machine has ever fetched package lists, and kept them."""
    return any(LISTS.glob("*_Packages*"))


def fetch_lists() -> None:
    """Ask the mirrors what there is now."""
    commands.run(["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "update"], timeout_seconds=600)


def write_status(path: Path, packages: Sequence[str], without: Sequence[str]) -> None:
    """A dpkg status in which the packages that need not be there are there already."""
    stanzas = []
    for name in sorted({*ASSUMED, *without} - set(packages)):
        provides = f"Provides: {_PROVIDES[name]}\n" if name in _PROVIDES else ""
        stanzas.append(
            f"Package: {name}\nStatus: install ok installed\nArchitecture: all\nMulti-Arch: foreign\n"
            f"Version: 9999\n{provides}Maintainer: nobody\nDescription: not needed\n"
        )
    path.write_text("\n".join([*stanzas, ""]))


def _resolved(packages: Sequence[str], status: Path, named_by: Path) -> dict[str, str]:
    quiet = ["-o", f"Dir::State::status={status}", "-o", "Debug::NoLocking=1", "--no-install-recommends"]
    try:
        text = commands.run(["apt-get", "-s", *quiet, "install", "--", *packages], timeout_seconds=60)
    except VmlabError as error:
        names = re.findall(
            r"^ *E: (?:Unable to locate package |Package ')([a-z0-9+.-]+)", str(error), re.MULTILINE
        )
        if names and have_lists():
            raise InvalidInput(
                f"{named_by}: 'packages': Debian has no package {', '.join(dict.fromkeys(names))}"
            ) from None
        raise
    rows = re.findall(r"^Inst (\S+) \((\S+)", text, re.MULTILINE)
    return dict(sorted(rows))


def _listed() -> Iterator[Path]:
    yield from sorted(p for p in (ETC / "sources.list.d").glob("*") if p.suffix in (".list", ".sources"))


def _lists() -> list[tuple[str, int, int]]:
    """What changes when the lists or the sources do."""
    files = [*sources(), *sorted(LISTS.glob("*_Packages*"))]
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
