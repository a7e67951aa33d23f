"""`vmlab gc`: removes everything that carries the lab's labels, with or without a state.

First the copies, because they use the stacks' networks; then every stack that has a state is destroyed by the engine, which
also resolves what an interrupted run left pending; then whatever remains by its label or name is removed. Nothing without our
label is touched.
"""

from __future__ import annotations

import argparse
import json
import sys

from catalogue import substrates
from lab.deploying import stacks
from machine.errors import Unavailable, VmlabError


def run(options: argparse.Namespace) -> int:
    """Remove, or with --dry-run list, what the lab left."""
    found = _found()
    if options.json:
        sys.stdout.write(json.dumps({"found": found, "removed": not options.dry_run}) + "\n")
    elif not any(found.values()):
        sys.stdout.write("nothing of the lab's is left\n")
    for kind, names in found.items():
        for name in names if not options.json else []:
            sys.stdout.write(f"{'would remove' if options.dry_run else 'removing'} {kind}: {name}\n")
    if options.dry_run:
        return 0
    return _remove(found)


def _found() -> dict[str, list[str]]:
    from substrates.inputs import secret

    found = {"stack": stacks.with_state(), "lock": stacks.only_locked(), "secret": secret.names()}
    for name, module in substrates.modules().items():
        try:
            found[name] = module.everything_labelled()
        except Unavailable:
            found[name] = []
    return found


def _remove(found: dict[str, list[str]]) -> int:
    from substrates.inputs import secret

    failed = not remove_copies()
    for stack in [*found["stack"], *found["lock"]]:
        try:
            if stack in found["lock"]:
                stacks.make_empty(stack)
            stacks.destroy(stack, "--skip-preview", "--remove")
        except VmlabError as error:
            sys.stderr.write(f"error: {error}\n")
            failed = True
    failed |= not _on_each("remove_labelled")
    for name in secret.names():
        secret.remove(name)
    return 1 if failed else 0


def remove_copies() -> bool:
    """Remove the copies that an interrupted measurement left; whether all could be removed."""
    return _on_each("remove_copies")


def _on_each(function: str) -> bool:
    """Call it on every substrate; whether none failed. One that cannot run here has nothing to remove."""
    well = True
    for module in substrates.modules().values():
        try:
            getattr(module, function)()
        except Unavailable:
            continue
        except VmlabError as error:
            sys.stderr.write(f"error: {error}\n")
            well = False
    return well
