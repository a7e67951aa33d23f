"""How a guest's instructions run: by the CPU itself (KVM), or by an emulator (TCG). Proven, not believed.

/dev/kvm that opens is no proof: on nested hosts KVM_CREATE_VM works, libvirt reports kvm, and guests hang for ever or QEMU
aborts. So a tiny guest of ours is booted, and has to say its one line. Else guests are emulated, and the reason is kept
wherever their numbers are shown. The verdict is cached, because a hanging guest costs its whole deadline.
Left out: accelerators of other systems, and how a substrate uses the verdict.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from machine import places
from machine.errors import InvalidInput, Unavailable
from substrates.vm import guest
from substrates.vm.accelerator import prove

VARIABLE = "VMLAB_ACCELERATOR"
CHOICES = ("auto", "kvm", "tcg")
Name = Literal["kvm", "tcg"]


@dataclass(frozen=True)
class Accelerator:
    """What guests run on, and why: a clause without a full stop, for people."""

    name: Name
    reason: str


def chosen(word: str | None = None) -> str:
    """`kvm`, `tcg` or `auto`: the word, else VMLAB_ACCELERATOR's, else auto; InvalidInput for any other."""
    text = os.environ.get(VARIABLE) or "auto" if word is None else word
    if text not in CHOICES:
        origin = VARIABLE if word is None else "the accelerator"
        raise InvalidInput(f"{origin} is one of {', '.join(CHOICES)}, not {text!r}")
    return text


def proven(kernel: Path, choice: str | None = None, *, again: bool = False) -> Accelerator:
    """What guests with this kernel file (bzImage or ELF) run on.

    `tcg` is taken without a look. `auto` is KVM where a guest was seen to run and libvirt's user may use it, else TCG.
    `kvm` where it is not usable is InvalidInput with the reason. `again`, and whoever asks for KVM, does not believe a cached
    verdict against it: the machine may have been mended.
    """
    word = chosen(choice)
    if word == "tcg":
        return Accelerator("tcg", "asked for")
    found = _verdict(kernel, again=again or word == "kvm")
    if word == "kvm" and found.name != "kvm":
        raise InvalidInput(f"KVM was asked for and cannot be used: {found.reason}")
    return found


def can_prove() -> bool:
    """Whether what it takes is installed: QEMU, and a compiler for the guest."""
    return all(map(shutil.which, (prove.QEMU, prove.COMPILER)))


def some_kernel() -> Path | None:
    """A kernel to prove with where it does not matter which: our guests', else the host's own Debian one, a cloud kernel
    first; None without any."""
    try:
        return guest.kernel().image
    except Unavailable:
        found = [path for path in Path("/boot").glob("vmlinuz-*-amd64") if os.access(path, os.R_OK)]
    return max(found, key=lambda path: ("-cloud-" in path.name, path.stat().st_mtime), default=None)


def _verdict(kernel: Path, *, again: bool) -> Accelerator:
    if obstacle := prove.obstacle():
        return Accelerator("tcg", obstacle)
    key = prove.key(kernel)
    if cached := _read(key, again=again):
        return _for_libvirt(cached)
    seconds, failure = prove.attempt(kernel)
    if failure:
        found = Accelerator("tcg", failure)
    else:
        found = Accelerator("kvm", f"a guest reached its first line under KVM in {seconds:.2g} s")
    _write(key, found)
    return _for_libvirt(found)


def _for_libvirt(found: Accelerator) -> Accelerator:
    """TCG where libvirt's guests are shut out of what was proven as this user. Never cached: a chmod mends it."""
    note = prove.excluded_user() if found.name == "kvm" else ""
    return Accelerator("tcg", f"a guest runs under KVM here, but {note}") if note else found


def _path() -> Path:
    return places.cache() / "accelerator.json"


def _read(key: Mapping[str, str], *, again: bool) -> Accelerator | None:
    """The verdict for just this machine and kernel; None for another's, and for a file that is torn."""
    try:
        document = json.loads(_path().read_text(encoding="utf-8"))
        name, reason = document["verdict"]["name"], document["verdict"]["reason"]
        known = document["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if known != key or name not in ("kvm", "tcg") or (again and name == "tcg"):
        return None
    return Accelerator(name, str(reason))


def _write(key: Mapping[str, str], found: Accelerator) -> None:
    """In one step, so that two at once leave the whole of one of them."""
    path = _path()
    places.make(path.parent)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(
        json.dumps({"key": dict(key), "verdict": asdict(found)}, indent=2) + "\n", encoding="utf-8"
    )
    fresh.replace(path)
