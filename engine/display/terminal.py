"""A terminal: coloured lines for what is done, and below them a live line for what is under way (rich)."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from engine import urn as urns
from engine.deploy.events import Diagnostic, Event, Op, StepDone, StepErred, StepStarted, Summary
from engine.display.lines import COLOURS, SIGNS, diagnostic_line, step_line, summary_lines

_TONES = {"info": "dim", "warning": "yellow", "error": "bold red"}


class Terminal:
    """Prints events on a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._under_way: dict[str, str] = {}
        self._status: Status = self._console.status("")

    def header(self, text: str) -> None:
        """What comes next."""
        self._console.print(f"[bold]{escape(text)}[/bold]")
        self._status.start()

    def show(self, event: Event) -> None:
        """Print one event."""
        if isinstance(event, StepStarted):
            self._under_way[event.urn] = f"{event.op.value} {urns.name_of(event.urn)}"
        elif isinstance(event, StepDone | StepErred):
            self._under_way.pop(event.urn, None)
            self._step(event)
        elif isinstance(event, Diagnostic):
            self._diagnostic(event)
        else:
            self._summary(event)
        self._status.update(escape(", ".join(list(self._under_way.values())[:4])))

    def close(self) -> None:
        """Take the live line away."""
        self._status.stop()

    def _step(self, event: StepDone | StepErred) -> None:
        if isinstance(event, StepDone) and event.op is Op.SAME:
            return
        colour = "bold red" if isinstance(event, StepErred) else COLOURS.get(SIGNS[event.op], "default")
        self._console.print(f"[{colour}]{escape(step_line(event))}[/]")

    def _diagnostic(self, event: Diagnostic) -> None:
        self._console.print(f"[{_TONES[event.severity]}]{escape(diagnostic_line(event))}[/]")

    def _summary(self, event: Summary) -> None:
        self._status.stop()
        for line in summary_lines(event):
            self._console.print(escape(line))
