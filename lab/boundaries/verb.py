"""`vmlab boundaries [STACK ...]`: look at what is up from inside; without a stack, our own rungs are looked at all the same."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from lab import results, stacks
from lab.boundaries import show
from lab.boundaries.look import PLAIN, Place, everywhere, place_of, rungs_place
from lab.compare import compare
from lab.progress import say
from machine import places as places_
from machine.errors import VmlabError

ALL = "all rungs"
COSTS = ("boot_seconds", "memory_pss_bytes")


def run(options: argparse.Namespace) -> int:
    """Look, print, and keep it beside the newest run; VmlabError, or 1, when a stack that was named could not be looked at."""
    named = stacks.chosen(options.stack) if options.stack else []
    places, failed = _places(named)
    try:
        found, more = everywhere(places, say)
    finally:
        _remove_copies([*places, rungs_place(PLAIN, ())])
    shown = show.table(found, {**failed, **more}, costs())
    if folder := _newest():
        say(f"kept in {show.keep(shown, folder)}; `vmlab report` shows it")
    sys.stdout.write(_form(shown, options))
    return 1 if set(named) & {*more} else 0


def costs() -> dict[str, dict[str, Any]]:
    """What a copy of each stack costs, by the newest run; of our own rungs, by the newest ladder."""
    from lab.ladder.figures import newest_costs

    folder = _newest()
    if folder is None:
        return newest_costs(ALL)
    found = compare([results.load(folder)])["substrates"]
    measured = {name: dict(substrate.get("metrics", {})) for name, substrate in found.items()}
    of_stacks = {
        name: {key: metrics[key] for key in COSTS if key in metrics} for name, metrics in measured.items()
    }
    return {**newest_costs(ALL), **of_stacks}


def _places(named: list[str]) -> tuple[list[Place], dict[str, Exception]]:
    """The stacks that are up, or those that were named; with none named, every rung of ours as well."""
    from substrates import rungs

    places, failed = [], {}
    for name in named or stacks.known():
        try:
            places.append(place_of(name, stacks.outputs(name)))
        except (VmlabError, KeyError, ImportError) as error:
            if named:
                raise _plainly(name, error) from error
            failed[name] = _plainly(name, error)
    if not named and not any(place.name == "namespaces" for place in places):
        places.insert(0, rungs_place(ALL, rungs.NAMES))
    return places, failed


def _plainly(name: str, error: Exception) -> Exception:
    """A stack whose substrate this version has no module for is one that cannot be looked at, not a crash."""
    if isinstance(error, KeyError | ImportError):
        return VmlabError(f"there is no module for what stack {name!r} runs on ({error})")
    return error


def _newest() -> Any:
    runs = results.list_runs()
    return places_.runs() / runs[0] if runs else None


def _form(shown: show.Table, options: argparse.Namespace) -> str:
    if options.json:
        return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
    return show.markdown(shown) if options.markdown else show.text(shown)


def _remove_copies(places: list[Place]) -> None:
    """One that Ctrl-C interrupted would hold on to its stack's network."""
    for module in {place.module.__name__: place.module for place in places}.values():
        try:
            module.remove_copies()
        except VmlabError as error:
            say(f"error: {error}")
