"""`vmlab boundaries [STACK ...]`: look at what is up from inside; without a stack our own rungs are looked at as well."""

from __future__ import annotations

import argparse
import sys

from lab.analysis.comparison import compare
from lab.boundaries import table
from lab.boundaries.look import PLAIN, Place, everywhere, place_of, rungs_place
from lab.boundaries.table import COSTS, Costs
from lab.deploying import stacks
from lab.ladder.figures import newest_costs
from lab.measuring import runs
from lab.measuring.plan import say
from machine.errors import VmlabError

ALL = "all rungs"


def run(options: argparse.Namespace) -> int:
    """Look, print, and keep it beside the newest run; VmlabError, or 1, when a stack that was named could not be looked at."""
    named = stacks.chosen(options.stack) if options.stack else []
    places, failed = _places(named)
    try:
        found, more = everywhere(places)
    finally:
        _remove_copies([*places, rungs_place(PLAIN, ())])
    shown = table.table(found, {**failed, **more}, costs())
    if folder := runs.newest():
        say(f"kept in {table.keep(shown, folder)}; `vmlab report` shows it")
    form = table.as_json if options.json else table.markdown if options.markdown else table.text
    sys.stdout.write(form(shown))
    return 1 if set(named) & {*more} else 0


def costs() -> dict[str, Costs]:
    """What a copy of each stack costs, by the newest run; of our own rungs, by the newest ladder."""
    folder = runs.newest()
    found = compare([runs.load(folder)])["substrates"] if folder else {}
    names = {metric.name for metric in COSTS}
    of_stacks = {
        stack: {name: metric for name, metric in one.get("metrics", {}).items() if name in names}
        for stack, one in found.items()
    }
    return {**newest_costs(ALL), **of_stacks}


def _places(named: list[str]) -> tuple[list[Place], dict[str, VmlabError]]:
    """The stacks that are up, or those that were named; with none named, every rung of ours as well."""
    from substrates import rungs

    places, failed = [], {}
    for name in named or stacks.known():
        try:
            places.append(place_of(name, stacks.outputs(name)))
        except VmlabError as error:
            if named:
                raise
            failed[name] = error
    if not named and not any(place.name == "namespaces" for place in places):
        places.insert(0, rungs_place(ALL, rungs.NAMES))
    return places, failed


def _remove_copies(places: list[Place]) -> None:
    """One that Ctrl-C interrupted would still use its stack's network."""
    for module in {place.module.__name__: place.module for place in places}.values():
        try:
            module.remove_copies()
        except VmlabError as error:
            say(f"error: {error}")
