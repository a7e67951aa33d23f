"""One JSON object a line, in the form of the official engine's events, for programs that read along."""

from __future__ import annotations

import json
import sys

from engine.deploy.events import Diagnostic, Event, as_json


class JsonLines:
    """Prints events as JSON lines on standard output."""

    def __init__(self) -> None:
        self._sequence = 0

    def header(self, text: str) -> None:
        """What comes next, as a diagnostic."""
        self.show(Diagnostic("info", text))

    def show(self, event: Event) -> None:
        """Print one event."""
        print(json.dumps(as_json(event, self._sequence)), flush=True)
        self._sequence += 1

    def close(self) -> None:
        """The stream ends with the last line."""
        sys.stdout.flush()
