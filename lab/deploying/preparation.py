"""Setting up what the chosen stacks need of this machine, and the user's own service; which stacks cannot run here, and why.

What is missing for one substrate does not keep the others from being measured; with CI=true it ends the run. Out of scope: what
`vmlab host` does, which is only called here.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from catalogue import substrates
from lab.deploying import stacks
from machine.errors import VmlabError


def set_up(names: list[str], *, yes: bool, own_cluster: bool) -> dict[str, VmlabError]:
    """Bring up every part that these stacks need; the stacks that cannot run here, and why.

    `own_cluster` is False where the user named another. VmlabError when no stack can run, or, with CI=true, when one of
    them cannot."""
    from host import parts

    left_out = set() if own_cluster else {"kubernetes"}
    wanted = {name: set(_parts_of(name)) - left_out for name in names}
    failed: dict[str, VmlabError] = {}
    needed = [part for part in parts.KNOWN if any(part in of_stack for of_stack in wanted.values())]
    if error := _up(needed, yes=yes):
        if os.environ.get("CI") or len(names) == 1:
            raise error
        failed = {part: error for part in needed if (error := _up([part], yes=yes))}
    missing = {
        name: failed[part] for name in names for part in needed if part in wanted[name] & failed.keys()
    }
    if len(missing) == len(names) and failed:
        raise next(iter(missing.values()))
    return missing


def build_service(path: Path, names: list[str], say: Callable[[str], None]) -> None:
    """Build the user's own service, and its guest disks if a guest is to run it; the components find it by VMLAB_SERVICE."""
    from host.artifact.build import build

    index = build(path, say)
    os.environ["VMLAB_SERVICE"] = index["name"]
    if any("guest" in _parts_of(name) for name in names):
        from host.guest.build import disks

        disks(say, index)


def _parts_of(stack: str) -> tuple[str, ...]:
    row = substrates.known().get(stacks.substrate_of(stack))
    return row.parts if row else ()  # the program refuses by name a substrate that does not exist


def _up(names: list[str], *, yes: bool) -> VmlabError | None:
    from host.commands import verbs

    with contextlib.redirect_stdout(sys.stderr):  # the result alone goes to standard output
        try:
            verbs.run("up", names, as_json=False, yes=yes)
        except VmlabError as error:
            return error
    return None
