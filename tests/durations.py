"""Where the time of a run goes, as Markdown: `python -m tests.durations junit.xml`, from pytest's `--junitxml`.

A test's time is that of its set-up, itself and its tear-down. With groups side by side the sum is more than what passed.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from xml.etree import ElementTree

SLOWEST = 25


def read(path: str) -> list[tuple[str, str, float]]:
    """Folder, name and seconds of each test."""
    found = []
    for case in ElementTree.parse(path).iter("testcase"):
        module = case.get("classname", "").split(".")
        deep = 3 if module[1:2] in (["live"], ["unit"]) else 2
        folder = "/".join(module[:deep]) if len(module) > 2 else f"{'/'.join(module)}.py"
        found.append((folder, f"{'/'.join(module[1:])}::{case.get('name')}", float(case.get("time", 0))))
    return found


def table(rows: list[tuple[str, str, float]]) -> str:
    """By folder, the slowest first; then the slowest tests."""
    times = defaultdict[str, list[float]](list)
    for folder, _, seconds in rows:
        times[folder].append(seconds)
    lines = ["| folder | tests | seconds |", "| --- | ---: | ---: |"]
    for folder, own in sorted(times.items(), key=lambda item: -sum(item[1])):
        lines.append(f"| {folder} | {len(own)} | {sum(own):.0f} |")
    lines.append(f"| all | {len(rows)} | {sum(row[2] for row in rows):.0f} |")
    lines += ["", "| slowest tests | seconds |", "| --- | ---: |"]
    for _, name, seconds in sorted(rows, key=lambda row: -row[2])[:SLOWEST]:
        lines.append(f"| `{name}` | {seconds:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(read(sys.argv[1])) + "\n")
