"""The file that a guest's serial console goes to, as virtlogd writes it."""

from __future__ import annotations

from pathlib import Path

from machine import places

LINES = 20


def make_room(path: str) -> None:
    """The directory that the file will be in. virtlogd makes the file, and empties it at each start."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)


def text(path: str) -> str:
    """What the guest has said so far; "" when it has said nothing."""
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def last_lines(path: str, count: int = LINES) -> list[str]:
    """The last lines, without the carriage returns of a terminal."""
    return [line.rstrip("\r") for line in text(path).split("\n") if line.strip()][-count:]


def remove(path: str) -> None:
    """Remove the file, the ones that virtlogd put aside when it grew past 2 MiB, and our directory when it is empty."""
    file = Path(path)
    for one in [file, *(file.with_name(f"{file.name}.{number}") for number in range(10))]:
        one.unlink(missing_ok=True)
    if file.is_relative_to(places.run()) and file.parent != places.run():
        try:
            file.parent.rmdir()
        except OSError:
            pass
