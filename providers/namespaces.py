"""The provider of services on rungs, thin over `substrates.namespaces`. `cpus` and `memory_bytes` are changed in place,
everything else by replacing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from providers.copies import Checks, CopyProvider, whole
from substrates import namespaces, rungs
from substrates.copies import launch
from substrates.rungs import network, roots

INPUTS = (
    "name", "command", "root", "loader", "library_path", "port", "address", "health", "rungs", "cpus", "memory_bytes",
    "pids", "environment", "secret_file", "data", "templates",
)  # fmt: skip


class NamespacesProvider(CopyProvider):
    """One service with the rungs around it. The id is its name."""

    kind: ClassVar[str] = namespaces.KIND
    inputs: ClassVar[tuple[str, ...]] = INPUTS
    in_place: ClassVar[frozenset[str]] = frozenset({"cpus", "memory_bytes"})

    def checks(self) -> Checks:
        """The rungs, the root file system, an address that is wrong or taken, a port that is taken."""
        return {
            "rungs": lambda props: rungs.check(props["rungs"]),
            "root": lambda props: roots.check(Path(props["root"])),
            "address": self._check_address,
            "port": self._check_port,
        }

    def definition(self, props: dict[str, Any]) -> namespaces.Definition:
        """What these inputs define."""
        return namespaces.Definition(**{**whole(props, INPUTS), "rungs": tuple(props["rungs"])})

    def own_outputs(self, handle: namespaces.Handle) -> dict[str, Any]:
        """The service, and its supervisor on the host."""
        return {"pid": handle.main.pid, "supervisor": handle.process.pid}

    def _check_address(self, props: dict[str, Any]) -> None:
        if "network" in props["rungs"]:
            network.check_address(props["address"])
            launch.refuse_taken(self.definition(props))

    def _check_port(self, props: dict[str, Any]) -> None:
        if "network" not in props["rungs"]:
            launch.refuse_taken(self.definition(props))
