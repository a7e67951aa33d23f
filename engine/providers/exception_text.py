"""A provider's message, without the Python traceback around it.

The SDK's dynamic provider sends a whole traceback for every exception. An exception of a module's own class (NeverAnswered,
requests' ConnectionError) was raised to be read: its message stays. A built-in one (KeyError) is a mistake in the
provider, and its traceback stays, because it is the only trace of it. Out of scope: providers in other languages.
"""

from __future__ import annotations

import re

_OWN = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+: ")


def message_of(details: str) -> str:
    """The message of the last exception in a traceback; anything else as it is."""
    if not details.startswith("Traceback (most recent call last):"):
        return details
    lines = details.splitlines()
    last_frame = max((n for n, line in enumerate(lines) if line.startswith('  File "')), default=0)
    start = next((n for n in range(last_frame + 1, len(lines)) if not lines[n].startswith(" ")), None)
    if start is None or not (own := _OWN.match(lines[start])):
        return details
    return "\n".join([lines[start][own.end() :], *lines[start + 1 :]]).rstrip()
