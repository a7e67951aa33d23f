"""What the files of a run must contain: the JSON Schemas in docs/schema, for readers and for tests of what is written.

Members that a schema does not have are ignored, so that an older reader reads what a newer writer added; a version it does
not know is refused. Out of scope: sample lines, of which a run has thousands (`lab/measuring/samples.py` checks each).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from machine.errors import InvalidInput

VERSION = 1  # of run.json, of samples.jsonl and of the comparison; a file without a version is from before there were any
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schema"


@functools.cache
def load(name: str) -> dict[str, Any]:
    """A schema by its name (`run`, `sample`, `comparison`)."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    return found


def check(found: object, name: str, path: Path) -> None:
    """InvalidInput naming the file and what is missing in it or of another kind, or its version when that is unknown."""
    import jsonschema  # takes 0.1 s

    version = found.get("schema", VERSION) if isinstance(found, dict) else VERSION
    if version != VERSION:
        raise InvalidInput(f"{path} has schema version {version!r}; this version of vmlab reads {VERSION}")
    problems = jsonschema.Draft202012Validator(load(name)).iter_errors(found)
    if texts := sorted(f"{error.json_path}: {error.message[:200]}" for error in problems):
        raise InvalidInput(f"{path} is broken: {'; '.join(texts[:3])}")
