"""The launcher by itself: small plans of a few steps, which need no privileges, carried out for real.

Left out: namespaces, mounts and links, which the live tests look at from inside and outside.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from machine import processes
from substrates.rungs import launcher

USER = 54321 if os.geteuid() == 0 else os.geteuid()
OWN_FILES = "ls /proc/$$/fd"  # of the shell that asks


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One with the compiled launcher in it, which another user may pass through."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    path = Path(tempfile.mkdtemp(prefix="vmlab-launcher-"))
    path.chmod(0o755)
    sources = [str(launcher._HERE / name) for name in launcher.SOURCES]
    subprocess.run(["gcc", *launcher.FLAGS, "-o", str(path / launcher.NAME), *sources], check=True)
    os.mkfifo(path / "status")
    (path / "status").chmod(0o666)
    yield path
    shutil.rmtree(path)


@contextmanager
def launched(folder: Path, *steps: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The supervisor of a plan with these steps of the child, and what the launcher said until its program ran."""
    frame = ["clone\t0x0", "release", "release", "inside", "await", "await", *steps, "undo", ""]
    (folder / "plan").write_text("\n".join(frame))
    status = os.open(folder / "status", os.O_RDONLY | os.O_NONBLOCK)
    supervisor = subprocess.Popen(
        [str(folder / launcher.NAME), str(folder / "plan"), str(folder / "status")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        user=USER if os.geteuid() == 0 else None,
    )
    try:
        yield supervisor, _said(status)
    finally:
        os.close(status)
        _end(supervisor)


def _end(supervisor: subprocess.Popen[str]) -> None:
    """With all that it started."""
    try:
        os.killpg(supervisor.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    supervisor.communicate()


def _said(status: int) -> str:
    """Until its program runs and nobody of it can say any more; before it says the first word there is nobody either."""
    said, deadline = b"", time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            piece = os.read(status, 4096)
        except BlockingIOError:
            piece = None  # somebody has it open
        if said and piece == b"":
            return said.decode()
        said += piece or b""
        time.sleep(0.001)
    raise AssertionError(f"it has only said {said!r}")


@pytest.mark.parametrize("step", ["mask", "freeze"])
def test_only_what_is_not_there_is_left_out(folder: Path, step: str) -> None:
    """A path that is not there is nothing to hide; one that cannot be looked at is an error with its name, and nothing runs."""
    with launched(folder, f"{step}\t/nowhere/x", "exec\t/bin/true") as (supervisor, _):
        assert supervisor.wait(10) == 0

    with launched(folder, f"{step}\t/etc/passwd/x", "exec\t/bin/true") as (supervisor, said):
        assert supervisor.wait(10) == 125
        assert f"error {step} /etc/passwd/x: Not a directory" in said
        assert "sandboxed" not in said


@pytest.mark.parametrize("how", ["exec", "init"])
def test_the_service_gets_no_file_of_the_launchers(folder: Path, how: str) -> None:
    """It has its input, its output and its errors open, and nothing else."""
    with launched(folder, f"{how}\t/bin/sh\t-c\t{OWN_FILES}") as (supervisor, said):
        assert "sandboxed" in said
        assert supervisor.communicate(timeout=10) == ("0\n1\n2\n", "")


def test_init_is_closed_to_the_service(folder: Path) -> None:
    """The kernel gives the files of a process in /proc to root when its own user may not trace it: those of init, not of the
    service."""
    with launched(folder, "init\t/bin/sleep\t60") as (supervisor, said):
        init = int(dict(line.split() for line in said.splitlines())["child"])
        (service,) = [pid for pid in processes.tree(init) if pid != init]
        owners = [Path(f"/proc/{pid}/environ").stat().st_uid for pid in (init, service)]

        assert supervisor.poll() is None
        assert owners == [0, USER]
