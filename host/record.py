"""Remembers what `up` started, so that `down` stops just that: one JSON file, one entry a part.

It lies in the run folder and is gone after a reboot, as is everything it describes. Out of scope: locking (`machine/locks.py`).
"""

from __future__ import annotations

import json
from typing import Any

from machine import files, places
from machine.errors import VmlabError

Entry = dict[str, Any]


def load() -> dict[str, Entry]:
    """All entries; none if nothing is up."""
    path = places.run() / "host.json"
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise VmlabError(f"{path}: not JSON ({error}); inspect it, then remove it") from error
    if not isinstance(found, dict):
        raise VmlabError(f"{path}: not a JSON object; inspect it, then remove it")
    return found


def entry(part: str) -> Entry | None:
    """What was recorded of the part, or None if `up` did not start it."""
    return load().get(part)


def keep(part: str, value: Entry) -> None:
    """Record the part, in place of what was recorded of it."""
    _write({**load(), part: value})


def forget(part: str) -> None:
    """The part is down."""
    _write({name: value for name, value in load().items() if name != part})


def _write(entries: dict[str, Entry]) -> None:
    """Replace the file; an empty record has no file."""
    path = places.run() / "host.json"
    if not entries:
        path.unlink(missing_ok=True)
        return
    files.write_json(path, entries)
