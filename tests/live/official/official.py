"""The official engine on a site: the same verbs as the embedded engine's, in the official CLI's words.

It is found on PATH only; nothing of it is kept here. The docker provider is ours, attached: the official plugin is a
download. The CLI must not try that download (it waits for the network), nor ask for updates.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.live.site import Run, Running, Site

QUIET = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
}


@dataclass
class Engine:
    """One of the two, on one site."""

    name: str
    site: Site
    command: Callable[[str], list[str]]

    def run(self, verb: str, *arguments: str) -> Run:
        """Run it to its end; it must go well."""
        return self.try_(verb, *arguments).good()

    def try_(self, verb: str, *arguments: str) -> Run:
        """Run it to its end."""
        return self.site.call([*self.command(verb), *arguments])

    def start(self, verb: str, *arguments: str) -> Running:
        """Start it."""
        return Running(self.site, [*self.command(verb), *arguments])

    def export(self) -> dict[str, Any]:
        """The state with its secrets in the clear."""
        deployment: dict[str, Any] = json.loads(self.run("export", "--show-secrets").out)["deployment"]
        return deployment


def embedded(site: Site) -> Engine:
    """Ours."""
    return Engine("embedded", site, lambda verb: ["python", "-m", "engine", verb, "--stack", site.stack])


def official(site: Site) -> Engine:
    """Pulumi's. `preview`, `up`, ... never ask; `export` and `config` are what they are called there."""
    pulumi = str(shutil.which("pulumi"))
    runs = ("preview", "up", "refresh", "destroy")

    def command(verb: str) -> list[str]:
        words = ["stack", "export"] if verb == "export" else ["stack", "init"] if verb == "init" else [verb]
        yes = ["--non-interactive"] + (["--yes"] if verb != "preview" else []) if verb in runs else []
        return [pulumi, *words, "--stack", site.stack, *yes]

    return Engine("official", site, command)
