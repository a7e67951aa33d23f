"""Where the two engines' states differ on purpose. Any other difference fails the comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """One intended difference: a pattern that the whole line of `normal_form.differences` matches, and why."""

    id: str
    pattern: str
    reason: str

    def covers(self, line: str) -> bool:
        """Whether this is the difference."""
        return re.fullmatch(self.pattern, line, re.DOTALL) is not None


KNOWN = [
    Known(
        "positions",
        r".* > (sourcePosition|stackTrace > .*): ours \"<missing>\", theirs .*",
        "where in the program a resource was registered: only for messages, and it puts the machine's paths into the state",
    ),
    Known(
        "internal-marker",
        r".*::default > inputs > __internal: ours {}, theirs \"<missing>\"",
        "an empty marker that the official engine gives only to providers with a CheckConfig; nobody reads it when empty",
    ),
    Known(
        "no-dependencies",
        r"refresh .* > propertyDependencies > \w+: ours \[\], theirs \"<missing>\"",
        "after a refresh the official engine leaves out inputs that depend on nothing; the next up writes them again",
    ),
]
