"""A lab of its own for a test: `python -m lab` with state, runs and what is running in a folder that nobody else has.

The cache is this machine's, because a tree is expensive to make. The census counts what a run may leave behind: Docker's
things that no other program has labelled, processes that work in the lab's folder or carry its name or that of a copy in
their environment, cgroups and links of its copies, and files of copies, secrets, locks and half-written state. Left out:
what the user keeps on purpose (results, states); the private directory of a killed engine, which the next engine removes
(tests/live/whole).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from docker import APIClient

from lab.deploying.engines import ROOT
from machine import places
from machine.cgroups import FOLDER as CGROUPS
from substrates.rungs import cgroups, network
from tests.live import census
from tests.live.namespaces import traces

PROGRAM = (
    *("catalogue", "clients", "components", "docs", "engine", "host", "lab", "machine"),
    *("providers", "service", "stacks", "substrates"),
)
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Laboratory:
    """Where a test's lab keeps its things, and which checkout it runs."""

    home: Path
    project: Path

    @classmethod
    def make(cls, project: Path = ROOT) -> Laboratory:
        """A folder that the service's user can traverse, with this machine's cache in it."""
        home = Path(tempfile.mkdtemp(prefix="vmlab-lab-"))
        home.chmod(0o755)
        (home / "tmp").mkdir()
        (home / "owner").write_text(str(os.getpid()))
        (home / "cache").symlink_to(places.cache())
        return cls(home, project)

    def with_copy(self) -> Laboratory:
        """The same lab with a copy of the program, whose stacks may be changed."""
        copy = self.home / "project"
        for name in PROGRAM:
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(ROOT / name, copy / name)
        (copy / ".venv").symlink_to(ROOT / ".venv")
        return Laboratory(self.home, copy)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of every command of this lab."""
        own = {
            "VMLAB_HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "PYTHONPATH": str(self.project),
        }
        return {**os.environ, **own, "CI": "", "PYTHONSAFEPATH": "1", **more}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start a command; its standard error goes to the lab's log, because children keep it open after a kill."""
        with (self.home / "log").open("a") as log:
            return subprocess.Popen(
                # A suite that runs in the background has SIGINT ignored, and its children inherit that.
                ["env", "--default-signal=INT", sys.executable, "-m", "lab", *arguments],
                cwd=self.project,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments],
            cwd=self.project,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def processes(self) -> dict[int, str]:
        """Living processes of this lab: by their working directory, or by its folder in their environment."""
        mark, found = f"VMLAB_HOME={self.home}".encode(), {}
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdigit() or int(entry.name) == os.getpid():
                    continue
                inside = str((entry / "cwd").readlink()).startswith(str(self.home))
                if inside or mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    def remove(self) -> None:
        """End what runs, and remove the folder."""
        for pid in self.processes():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.home, ignore_errors=True)


def sweep() -> None:
    """Remove the labs of sessions that were killed: the names of their pools follow from the stack, and are in our way."""
    for home in Path(tempfile.gettempdir()).glob("vmlab-lab-*"):
        lab = Laboratory(home, ROOT)
        if not _has_owner(home):
            lab.run("gc")
            lab.remove()


def _has_owner(home: Path) -> bool:
    try:
        os.kill(int((home / "owner").read_text()), 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    return True


def rows(docker: APIClient, lab: Laboratory) -> census.Rows:
    """Everything of the lab's that may be left behind; other tests' labs are beside it."""
    run = lab.home / "run"
    return {
        **census.of_docker(docker, _counts, _is_of_the_lab),
        **census.of_processes(lab.processes),
        "processes of copies": lambda: traces.processes(lab.home),
        "copies": lambda: (
            str(path) for kind in ("process/*", "namespaces/*", "oci/*/*") for path in run.glob(kind)
        ),
        "cgroups": lambda: (
            str(path) for at in ("", "*/") for path in CGROUPS.glob(f"{at}{_level(lab)}*/**/")
        ),
        "links": lambda: _links(lab),
        **census.of_folders(secrets=(run / "secret", "*")),
        **census.of_states(lab.home / "state"),
    }


def take(docker: APIClient, lab: Laboratory) -> census.Census:
    """Everything of the lab's that there is now."""
    return census.take(rows(docker, lab))


def settled(docker: APIClient, lab: Laboratory, before: census.Census) -> list[str]:
    """What differs from `before`, in words, once things have come to rest."""
    return census.settled(rows(docker, lab), before, SETTLE_SECONDS)


def _level(lab: Laboratory) -> str:
    with mock.patch.dict(os.environ, VMLAB_HOME=str(lab.home)):  # by it the lab's own are called
        return cgroups.base()


def _links(lab: Laboratory) -> set[str]:
    names = {*traces.COPIES, *(path.name for path in (lab.home / "run" / "namespaces").glob("*"))}
    with mock.patch.dict(os.environ, VMLAB_HOME=str(lab.home)):
        return {link for name in names for link in network.links_of(name)}


def _counts(thing: dict[str, Any]) -> bool:
    """Ours by its label or its name: what has neither is of another test's build, for a moment."""
    owner = str((thing.get("Labels") or {}).get(census.LABEL, ""))
    return owner.startswith(("vmlab/", "boot/")) or (not owner and "vmlab-" in _name(thing))


def _name(thing: dict[str, Any]) -> str:
    return str(thing.get("Names") or thing.get("Name"))


def _is_of_the_lab(image: dict[str, Any]) -> bool:
    names = [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]
    return any(name.startswith("127.0.0.1:5000/vmlab/") for name in names)
