"""One copy of the whole program with everything of its own, and the embedded engine run on it as a user would.

A site has a project, a backend, a build context, a folder for the dynamic resources, a folder for temporary files and a
stack name that nobody else has. Every process that it starts carries a mark in its environment, so that the census finds
the ones that stayed behind. What the official engine does with the same site is in `official/`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError

from tests.live import census

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "programs" / "whole"
PROJECT = "whole"
MARK = "VMLAB_TEST_RUN"
PASSPHRASE = "correct horse"
RUN_SECONDS = 60.0


@dataclass
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a run with --json."""
        return parsed(self.out)

    @property
    def changes(self) -> dict[str, int]:
        """What the last summary counts."""
        found: dict[str, int] = [
            e["summaryEvent"]["resourceChanges"] for e in self.events if "summaryEvent" in e
        ][-1]
        return found

    def good(self) -> Run:
        """This run, if it went well."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self


@dataclass
class Site:
    """Where one test works."""

    root: Path
    stack: str
    more: dict[str, str] = field(default_factory=dict)  # additions to the environment of every command

    @classmethod
    def make(cls, busybox: Path) -> Site:
        """A new one. The path is short: a unix socket's has at most 107 bytes."""
        site = cls(Path(tempfile.mkdtemp(prefix="vmlab-live-")), f"t{uuid.uuid4().hex[:10]}")
        for folder in (site.files, site.context, site.temporary, site.backend):
            folder.mkdir()
        shutil.copytree(PROGRAM, site.project, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(busybox, site.context / "busybox")
        (site.context / "Dockerfile").write_text("FROM scratch\nCOPY busybox /busybox\n")
        lines = [f"  {PROJECT}:directory: {site.files}", f"  {PROJECT}:context: {site.context}"]
        site.stack_file.write_text("\n".join(["config:", *lines, ""]))
        return site

    @property
    def project(self) -> Path:
        """The program."""
        return self.root / "project"

    @property
    def stack_file(self) -> Path:
        """The stack's configuration, as a user would have it in git."""
        return self.project / f"Pulumi.{self.stack}.yaml"

    @property
    def backend(self) -> Path:
        """The states."""
        return self.root / "backend"

    @property
    def state_file(self) -> Path:
        """The stack's state."""
        return self.backend / ".pulumi" / "stacks" / PROJECT / f"{self.stack}.json"

    @property
    def files(self) -> Path:
        """Where the dynamic resources are."""
        return self.root / "files"

    @property
    def context(self) -> Path:
        """What the image is built from."""
        return self.root / "context"

    @property
    def temporary(self) -> Path:
        """The engine's temporary directory."""
        return self.root / "t"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",  # the program's interpreter, for any engine
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "TMPDIR": str(self.temporary),
            MARK: self.stack,
            **self.more,
        }

    def container(self, name: str) -> str:
        """The name that Docker knows one of the two containers by."""
        return f"vmlab-test-{self.stack}-site-{name}"

    def file(self, name: object) -> Path:
        """One of the dynamic resources' files."""
        return self.files / f"{self.stack}-{name}.txt"

    # -- the embedded engine

    def engine(self, verb: str, *arguments: str) -> Run:
        """Run the embedded engine to its end."""
        return self.call([sys.executable, "-m", "engine", verb, "--stack", self.stack, *arguments])

    def start(self, verb: str, *arguments: str) -> Running:
        """Start the embedded engine; its events can be read while it runs."""
        command = [sys.executable, "-m", "engine", verb, "--stack", self.stack, "--json", *arguments]
        return Running(self, command)

    def call(self, command: list[str]) -> Run:
        """Run any command in the project."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def set(self, key: str, value: object, *flags: str) -> None:
        """Edit the configuration."""
        self.engine("config", "set", key, str(value), *flags).good()

    def state(self) -> dict[str, Any]:
        """The state on disk: resources and pending operations."""
        document: dict[str, Any] = json.loads(self.state_file.read_bytes())
        latest: dict[str, Any] = document["checkpoint"].get("latest") or {}
        return latest

    def pending(self) -> list[str]:
        """The types of the operations that are under way, by what the disk says."""
        return [operation["type"] for operation in self.state().get("pending_operations", [])]

    def processes(self) -> dict[int, str]:
        """Living processes that descend from this site's runs: pid and command line."""
        mark = f"{MARK}={self.stack}".encode()
        return {pid: command for pid, command, environment in census.living() if mark in environment}

    # -- what it may leave behind

    def rows(self, docker: APIClient) -> census.Rows:
        """Everything of this site's. What has another stack's label, or another test's tag, is another's; pulled images
        are others' too, which this program has none of."""
        folders = census.of_folders(
            resources=(self.files, "**/*"),
            private_directories=(self.temporary, "**/*"),
            project=(self.project, "**/*"),
        )
        return {
            **census.of_docker(
                docker, self._counts, lambda image: self._counts(image) and self._tagged(image)
            ),
            **census.of_processes(self.processes),
            **census.of_states(self.backend),
            **folders,
        }

    def _counts(self, thing: dict[str, Any]) -> bool:
        return (thing.get("Labels") or {}).get(census.LABEL, "") in ("", f"{PROJECT}/{self.stack}")

    def _tagged(self, image: dict[str, Any]) -> bool:
        names = [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]
        tags = [name for name in names if name not in ("<none>:<none>", "<none>@<none>")]
        return not tags or any(self.stack in tag for tag in tags)

    def clear(self, docker: APIClient) -> None:
        """Remove what the stack made in Docker and the folder, and end its processes, whatever the state says."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        mine: dict[str, Any] = {"label": f"{census.LABEL}={PROJECT}/{self.stack}"}
        for container in docker.containers(all=True, filters=mine):
            _quietly(docker.remove_container, container["Id"], v=True, force=True)
        for network in docker.networks(filters=mine):
            _quietly(docker.remove_network, network["Id"])
        for volume in docker.volumes(filters=mine)["Volumes"] or []:
            _quietly(docker.remove_volume, volume["Name"], force=True)
        for image in docker.images(filters=mine):
            _quietly(docker.remove_image, image["Id"], force=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def gone(self, seconds: float) -> bool:
        """Wait until no process of this site is left."""
        deadline = time.monotonic() + seconds
        while self.processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


class Running:
    """An engine that is under way."""

    def __init__(self, site: Site, command: list[str]) -> None:
        self._output = site.root / "output.jsonl"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=site.project,
                env=site.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def events(self) -> list[dict[str, Any]]:
        """What it has said so far."""
        return parsed(self._output.read_text(errors="replace"))

    def until(self, happened: Any, seconds: float = 20.0) -> None:
        """Wait until `happened()` is true while it runs."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, f"it ended before: {self._output.read_text()}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {self._output.read_text()}"
            time.sleep(0.005)

    def kill(self) -> None:
        """kill -9 of this one process."""
        self.process.kill()
        self.process.wait(5)

    def wait(self, seconds: float = RUN_SECONDS) -> Run:
        """Its end."""
        return Run(self.process.wait(seconds), self._output.read_text(), "")


def parsed(text: str) -> list[dict[str, Any]]:
    """Events from JSON lines; a torn last line is left out."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [event for event in found if isinstance(event, dict)]


def _quietly(remove: Any, *arguments: Any, **options: Any) -> None:
    try:
        remove(*arguments, **options)
    except APIError:
        pass
