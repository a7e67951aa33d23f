"""outputs: what the stack exports, from the state alone."""

from __future__ import annotations

import argparse
import json
from contextlib import closing

from engine.commands.opening import open_session
from engine.errors import WrongUse
from engine.urn import STACK_TYPE
from engine.values import Properties, Value, masked, without_secrets


def run(options: argparse.Namespace) -> int:
    """Print all outputs, or one bare."""
    with closing(open_session(options, must_exist=True)) as session:
        session.read()
    root = next((r for r in session.snapshot.resources if r.type == STACK_TYPE and not r.delete), None)
    outputs: Properties = root.outputs if root else {}
    if options.name and options.name not in outputs:
        known = ", ".join(sorted(outputs)) or "none"
        raise WrongUse(f"stack {session.name!r} has no output {options.name!r}; it has: {known}")
    shown: dict[str, Value] = {
        key: without_secrets(value) if options.show_secrets else masked(value)
        for key, value in outputs.items()
    }
    if options.name:
        value = shown[options.name]
        print(value if isinstance(value, str) and not options.json else json.dumps(value))
    elif options.json:
        print(json.dumps(shown, indent=2))
    else:
        width = max(map(len, shown), default=0)
        for key, value in sorted(shown.items()):
            print(f"{key:<{width}}  {value if isinstance(value, str) else json.dumps(value)}")
    return 0
