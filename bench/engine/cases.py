"""What is measured: the engines, their commands, and the two cases, each a list of whole processes.

Both engines run the same program with a preview before the update, each on a separate backend. The official CLI must
not try to download plugins, which would measure the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("program")
SECONDS = 120
QUIET = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
NOTHING, HUNDRED, FLOOR = "nothing to do, 10 resources", "100 created, then destroyed", "floor"
LIMITS = {NOTHING: 1.5, HUNDRED: 3.0}  # seconds that the embedded engine's median may take


@dataclass
class Engine:
    """One engine with a separate project, backend and home."""

    name: str
    folder: Path
    command: list[str]
    flags: list[str]

    def prepare(self) -> None:
        """Create the two stacks; the one of the first case is updated once."""
        shutil.copytree(PROGRAM, self.folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "backend").mkdir()
        for stack in ("nothing", "hundred"):
            self.call("stack", "init", "--stack", stack)
        self.call("config", "set", "count", "100", "--stack", "hundred")
        self.call("up", "--stack", "nothing", *self.flags)

    def run(self, case: str) -> float:
        """The seconds of one case's processes, from the first's start to the last's end."""
        start = time.monotonic()
        if case == NOTHING:
            self.call("up", "--stack", "nothing", *self.flags)
        else:
            self.call("up", "--stack", "hundred", *self.flags)
            self.call("destroy", "--stack", "hundred", *self.flags)
        return time.monotonic() - start

    def call(self, *arguments: str) -> None:
        """Run one process. RuntimeError with its output if it fails."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")
        } | {
            **QUIET,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/backend",
            "PULUMI_HOME": f"{self.folder}/home",
            "PULUMI_CONFIG_PASSPHRASE": "bench",
        }
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder / "project",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"{self.name} {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}"
            )


def engines(folder: Path) -> list[Engine]:
    """The embedded engine, and the official one where it is on PATH."""
    found = [Engine("embedded", folder / "embedded", [sys.executable, "-m", "engine"], ["--yes"])]
    pulumi = shutil.which("pulumi")
    if pulumi:
        found.append(Engine("official", folder / "official", [pulumi], ["--yes", "--non-interactive"]))
    return found


def floor() -> float:
    """The minimum for any engine with this SDK: a Python process that imports it."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "import pulumi"], check=True, timeout=SECONDS)
    return time.monotonic() - start
