"""The provider of bare processes, thin over `substrates.process`. Everything but `cpus` is changed by replacing it."""

from __future__ import annotations

from typing import Any, ClassVar

from providers.copies import CopyProvider, whole
from substrates import process

INPUTS = (
    "name", "command", "port", "health", "cpus", "memory_bytes", "environment", "secret_file", "data", "templates",
)  # fmt: skip


class ProcessProvider(CopyProvider):
    """One bare process. The id is its name."""

    kind: ClassVar[str] = process.KIND
    inputs: ClassVar[tuple[str, ...]] = INPUTS
    in_place: ClassVar[frozenset[str]] = frozenset({"cpus"})

    def definition(self, props: dict[str, Any]) -> process.Definition:
        """What these inputs define."""
        return process.define(**whole(props, INPUTS))

    def own_outputs(self, handle: process.Handle) -> dict[str, Any]:
        """The process itself."""
        return {"pid": handle.process.pid, "start_ticks": handle.process.start_ticks}
