"""Setting up what the chosen stacks need of this machine, and the user's own service. Says which stacks cannot run here.

What is missing for one substrate does not keep the others from being measured; with CI=true it ends the run. Left out: what
`vmlab host` does, which this only asks for.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from lab import cluster, stacks
from lab.progress import say
from machine.errors import Unavailable, VmlabError

# By substrate. The artifact's images are pushed when it is built, so it needs the registry.
PARTS = {
    "process": ("registry", "artifact"),
    "chroot": ("registry", "artifact"),
    "namespaces": ("registry", "artifact"),
    "docker": ("docker", "registry", "artifact"),
    "vm": ("registry", "artifact", "libvirt", "guest"),
    "kubernetes": ("registry", "artifact", "kubernetes"),
}


def set_up(names: list[str], *, yes: bool) -> dict[str, VmlabError]:
    """Bring up every part that these stacks need; the stacks that cannot run here, and why.

    VmlabError when none of them can, or, with CI=true, when one of them cannot."""
    from host import parts

    wanted = {name: _parts_of(name) for name in names}
    failed: dict[str, VmlabError] = {}
    needed = [part for part in parts.KNOWN if any(part in of_stack for of_stack in wanted.values())]
    if error := _up(needed, yes=yes):
        if os.environ.get("CI") or len(names) == 1:
            raise error
        failed = {part: error for part in needed if (error := _up([part], yes=yes))}
    missing = {name: failed[part] for name in names for part in wanted[name] if part in failed}
    if len(missing) == len(names) and failed:
        raise next(iter(missing.values()))
    for name, reason in missing.items():
        say(f"{name}: left out: {reason}")
    return missing


def _parts_of(stack: str) -> tuple[str, ...]:
    """The lab's own cluster is not needed where the user named another."""
    parts = PARTS[stacks.substrate_of(stack)]
    return tuple(part for part in parts if not (part == "kubernetes" and cluster.is_named()))


def facts_of(error: VmlabError) -> dict[str, object]:
    """A stack that could not be set up, as a run's facts have it."""
    fix = error.fix if isinstance(error, Unavailable) else "vmlab doctor"
    reason = error.reason if isinstance(error, Unavailable) else str(error)
    return {"available": False, "reason": reason, "fix": fix}


def build_service(path: Path, names: list[str]) -> None:
    """Build the user's own service, and its guest disks if a guest shall run it; the components find it by VMLAB_SERVICE."""
    from host.artifact.build import build

    index = build(path, say)
    os.environ["VMLAB_SERVICE"] = index["name"]
    if any(stacks.substrate_of(name) == "vm" for name in names):
        from host.guest.build import disks

        disks(say, index)


def _up(names: list[str], *, yes: bool) -> VmlabError | None:
    from host import commands

    with contextlib.redirect_stdout(sys.stderr):  # the result alone goes to standard output
        try:
            commands.run("up", names, as_json=False, yes=yes)
        except VmlabError as error:
            return error
    return None
