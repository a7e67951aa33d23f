"""How a guest's instructions run: on the CPU itself (KVM), or in an emulator (TCG). Proven by a guest that boots.

That /dev/kvm opens is not a proof: on nested hosts KVM_CREATE_VM works, libvirt reports kvm, and guests hang or QEMU
aborts. So a tiny guest of ours is booted, and has to print its one line. Otherwise guests are emulated, and the reason
is shown with their numbers. The verdict is cached, because a hanging guest costs its whole deadline.
Out of scope: accelerators of other systems, and how a substrate uses the verdict.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from machine import places
from machine.errors import InvalidInput, Unavailable
from machine.files import read_json, write_json
from substrates.vm import guest
from substrates.vm.accelerator import access, prove

VARIABLE = "VMLAB_ACCELERATOR"
CHOICES = ("auto", "kvm", "tcg")
Name = Literal["kvm", "tcg"]


@dataclass(frozen=True)
class Accelerator:
    """What guests run on, and the reason: a clause without a full stop, for messages."""

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

    `tcg` needs no proof. `auto` is KVM where a guest was seen to run and libvirt's user may use it, else TCG.
    `kvm` where it is not usable is InvalidInput with the reason. With `again`, and with `kvm`, a cached verdict against
    KVM is not used: the machine may have been fixed.
    """
    word = chosen(choice)
    if word == "tcg":
        return Accelerator("tcg", "asked for")
    found = _verdict(kernel, again=again or word == "kvm")
    if word == "kvm" and found.name != "kvm":
        raise InvalidInput(f"KVM was asked for and cannot be used: {found.reason}")
    return found


def can_prove() -> bool:
    """Whether QEMU and a compiler for the guest are installed."""
    return all(map(shutil.which, (prove.QEMU, prove.COMPILER)))


def some_kernel() -> Path | None:
    """Any kernel to prove with: that of our guests, else the host's Debian one, a cloud kernel first; None without any."""
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
    """TCG where libvirt's user may not use what was proven as this user. Never cached: a chmod fixes it."""
    note = access.excluded_user() if found.name == "kvm" else ""
    return Accelerator("tcg", f"a guest runs under KVM here, but {note}") if note else found


def _path() -> Path:
    return places.cache() / "accelerator.json"


def _read(key: Mapping[str, str], *, again: bool) -> Accelerator | None:
    """The verdict for exactly this machine and kernel; None for another's, and for a file that is not a verdict."""
    try:
        document = read_json(_path())
        name, reason, known = document["verdict"]["name"], document["verdict"]["reason"], document["key"]
    except (KeyError, TypeError):
        return None
    if known != key or name not in ("kvm", "tcg") or (again and name == "tcg"):
        return None
    return Accelerator(name, str(reason))


def _write(key: Mapping[str, str], found: Accelerator) -> None:
    places.make(_path().parent)
    write_json(_path(), {"key": dict(key), "verdict": asdict(found)})
