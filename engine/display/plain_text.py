"""Lines of text, for a pipe, a log file or CI: one for each step that changes something, as it ends."""

from __future__ import annotations

import sys

from engine.deploy.events import Diagnostic, Event, Op, StepDone, StepErred, Summary
from engine.display.lines import diagnostic_line, step_line, summary_lines


class PlainText:
    """Prints events as lines on standard output, diagnostics on standard error."""

    def header(self, text: str) -> None:
        """What comes next."""
        print(text, flush=True)

    def show(self, event: Event) -> None:
        """Print one event."""
        if isinstance(event, StepErred) or (isinstance(event, StepDone) and event.op is not Op.SAME):
            print(step_line(event), flush=True)
        elif isinstance(event, Diagnostic):
            print(diagnostic_line(event), file=sys.stderr, flush=True)
        elif isinstance(event, Summary):
            print("\n".join(summary_lines(event)), flush=True)

    def close(self) -> None:
        """Nothing is held open."""
