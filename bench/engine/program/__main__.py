"""The benchmark's program."""

import pulumi
from things import Thing  # type: ignore[import-not-found]  # the program's own folder is on its path

for number in range(pulumi.Config().require_int("count") if pulumi.Config().get("count") else 10):
    Thing(f"thing-{number}")
