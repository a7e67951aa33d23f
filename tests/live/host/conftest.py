"""A machine within the machine: own processes, network, mounts, and empty /run, /var/lib/docker and /var/lib/vmlab.

Another Docker may be in use outside; nothing here can reach it. Control groups are shared with the outside, so the
census only says that no new group is left. When the sandbox's first process is killed, all that runs in it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("/run", "/var/lib/docker", "/var/lib/vmlab")
NAMESPACES = ("--mount", "--net", "--pid")
COMMANDS = ("unshare", "nsenter", "dockerd", "docker-registry", "iptables-save", "ip")
FIRST_PROCESS = f"""
import os, subprocess, time
# Copies of the outside's mounts would vanish from the census when the outside removes their folders (a chroot that is
# being built). The namespace is private: detaching them here changes nothing there.
for line in reversed(open("/proc/self/mounts").readlines()):
    if line.split(" ")[1].startswith(tuple(folder + "/" for folder in {FOLDERS!r})):
        subprocess.run(["umount", "--lazy", line.split(" ")[1]], check=True)
for folder in {FOLDERS!r}:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
open("/proc/sys/net/ipv4/ip_forward", "w").write("0")  # as on a fresh machine; Docker turns it on
print("ready", flush=True)
while True:  # an init: reaps what is left to it
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.05)
"""
VERB = """
import sys
from lab.cli import main
verb, force, *parts = sys.argv[1:]
flags = ["--yes"] * (verb == "up") + ["--force"] * (force == "force")
sys.exit(main(["host", verb, *parts, "--json", *flags]))
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    said: str

    @property
    def json(self) -> dict[str, dict[str, Any]]:
        """The answer by part."""
        found: dict[str, dict[str, Any]] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Sandbox:
    first: int

    def run(self, *command: str) -> Done:
        """Run a command inside, to its end."""
        environment = {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C",
        }
        enter = ["nsenter", "--target", str(self.first), *NAMESPACES, "--", *command]
        done = subprocess.run(enter, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def host(self, verb: str, *parts: str, force: bool = False) -> Done:
        """`vmlab host VERB --json` inside."""
        return self.run(sys.executable, "-c", VERB, verb, "force" if force else "", *parts)

    def census(self) -> dict[str, Any]:
        """What is there inside, in a form that can be compared."""
        done = self.run(sys.executable, str(Path(__file__).with_name("census.py")))
        assert done.code == 0, done.said
        found: dict[str, Any] = json.loads(done.out)
        return found


def _required() -> str | None:
    if os.geteuid() != 0:
        return "only root can make a sandbox"
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    absent = [name for name in COMMANDS if not shutil.which(name, path=path)]
    return f"not installed: {', '.join(absent)}" if absent else None


def missing(reason: str) -> None:
    """Skip the test, but fail it in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty machine; skipped where it cannot be made, but not in CI."""
    reason = _required()
    if reason:
        missing(reason)
    made = [Path(folder) for folder in FOLDERS if not Path(folder).exists()]
    for folder in made:
        folder.mkdir(parents=True)
    command = ["unshare", *NAMESPACES, "--fork", "--mount-proc", sys.executable, "-c", FIRST_PROCESS]
    outer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    number = 0
    try:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        first = _only_child(outer.pid)
        number = Path(f"/proc/{first}/ns/pid").stat().st_ino
        _remove_pods(number)  # of a killed test whose number was given out again
        yield Sandbox(first)
    finally:
        containers = _containers(outer.pid)
        _end(outer)
        _remove_groups(containers)
        _remove_pods(number)
        for folder in made:
            _remove(folder)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _containers(outer: int) -> list[str]:
    """The ids of the sandbox's containers; a test that failed may leave some running."""
    try:
        folder = Path("/proc", str(_only_child(outer)), "root", "var/lib/docker/containers")
        return [path.name for path in folder.glob("*")]
    except (OSError, IndexError):
        return []


def _remove_groups(containers: list[str]) -> None:
    """Control groups do not go with the sandbox. Only its own: the outside's Docker has its groups beside them."""
    for name in containers:
        for group in Path("/sys/fs/cgroup").glob(f"*/docker/{name}"):
            deadline = time.monotonic() + 5  # what ran in it is being killed
            while group.exists() and time.monotonic() < deadline:
                try:
                    group.rmdir()
                except OSError:
                    time.sleep(0.05)


def _remove_pods(number: int) -> None:
    """The group above the pods of a cluster that a failed test left, by its name (host/kubernetes/layout.py)."""
    for root in Path("/sys/fs/cgroup").glob(f"*/vmlab-k8s-{number}"):
        deadline = time.monotonic() + 5
        while root.exists() and time.monotonic() < deadline:
            for group in sorted([root, *(path for path in root.rglob("*") if path.is_dir())], reverse=True):
                try:
                    group.rmdir()
                except OSError:
                    time.sleep(0.01)


def _end(outer: subprocess.Popen[str]) -> None:
    try:
        os.kill(_only_child(outer.pid), signal.SIGKILL)
    except (OSError, IndexError):
        outer.kill()
    assert outer.stdout is not None
    outer.stdout.close()
    outer.wait(10)


def _remove(folder: Path) -> None:
    """The mounts go with the last process of the namespace, a moment after the first."""
    deadline = time.monotonic() + 5
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return  # somebody else uses it by now
            time.sleep(0.05)


@pytest.fixture
def container() -> str:
    """A shell line that runs a container called sleeper, of an image with one static binary."""
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    if busybox is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("not installed: busybox-static")
    image = f"tar -C {Path(str(busybox)).parent} -c busybox | docker import - sleeper:1"
    return f"{image} && docker run -d --stop-timeout 1 --name sleeper sleeper:1 /busybox sleep 600"
