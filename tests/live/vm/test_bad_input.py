"""What no guest can be made from: one clear line, exit code 2, nothing left; one that never answers says how far it came."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.libvirt import connection
from lab.deploying.engines import ROOT
from substrates.vm import accelerator, guest
from tests.live.lab.laboratory import Laboratory
from tests.live.vm import machine

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
STACK = "vm-slim"
NAME = f"vmlab-{STACK}-{hashlib.sha256(f'vmlab/{STACK}/service/domain'.encode()).hexdigest()[:10]}"
THEIRS = f"""
<domain type='qemu'>
  <name>{NAME}</name>
  <description>somebody else's</description>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64'>hvm</type></os>
</domain>
"""
MUTE = """name = "mute"
packages = ["python3.11-minimal"]
command = ["{root}/usr/bin/python3.11", "-I", "-S", "{root}/srv/mute.py"]
port = 8080
[files]
"/srv/mute.py" = "mute.py"
"""


@pytest.fixture
def nothing(fresh: Laboratory) -> Iterator[Laboratory]:
    """A lab in which nothing may have been made at all when the test is over, not even by a failed command."""
    before = machine.take(fresh)
    yield fresh
    assert machine.settled(fresh, before) == []


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line with these words, exit code 2, no stack trace."""
    assert done.returncode == 2, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(errors) == 1, done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_little_memory(nothing: Laboratory) -> None:
    """Less memory than a guest boots with is refused with how much it takes."""
    machine.configure(nothing, STACK, memory="64MiB")

    refused(nothing.run("up", STACK), "memory must be at least", "MiB")


@pytest.mark.parametrize("stack", ["vm-slim", "vm"])
def test_least_memory(nothing: Laboratory, stack: str) -> None:
    """One MiB less than the least is refused; with the least the guest boots and answers."""
    machine.configure(nothing, stack, memory="127MiB")
    refused(nothing.run("up", stack), "memory must be at least 128 MiB")

    machine.configure(nothing, stack, memory="128MiB")
    machine.good(nothing.run("up", stack, "--skip-preview"))
    said = machine.answer(machine.outputs(nothing, stack)["url"])
    machine.good(nothing.run("destroy", stack, "--skip-preview"))

    assert said["host"] == stack


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("network", "198.18.1.300/26", ["network", "198.18.1.300"]),
        ("network", "198.18.1.64/30", ["network", "62 addresses"]),
        ("variant", "tiny", ["variant", "full or slim", "tiny"]),
        ("kernel", "mine", ["kernel", "default or other", "mine"]),
        ("environment", '{"COLOUR": "blue\\nPORT=1"}', ["environment", "control characters", "COLOUR"]),
    ],
    ids=["address", "room", "variant", "kernel", "line"],
)
def test_wrong_words(nothing: Laboratory, key: str, value: str, words: list[str]) -> None:
    """A network, variant, kernel or setting that cannot be is refused with its key and what is wrong."""
    machine.configure(nothing, STACK, **{key: value})

    refused(nothing.run("up", STACK), *words)


def test_without_libvirtd(nothing: Laboratory) -> None:
    """Where nobody answers, the line says that, and the command that starts it."""
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run/libvirt && exec "$@"', "hide"]
    done = subprocess.run(
        [*hide, sys.executable, "-m", "lab", "up", STACK],
        cwd=nothing.project, env=nothing.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    refused(done, "libvirtd does not answer", "vmlab host up libvirt")


def test_directory_that_qemu_cannot_enter(nothing: Laboratory) -> None:
    """A pool below a folder that is closed to QEMU's user is refused with that folder and what to do."""
    nothing.home.chmod(0o700)

    refused(nothing.run("up", STACK), str(nothing.home), "chmod o+x")


def test_taken_name(nothing: Laboratory) -> None:
    """A domain of this name that is not ours is named in the refusal, and stays as it is."""
    theirs = connection.open().defineXML(THEIRS)
    try:
        theirs.create()
        before = theirs.XMLDesc(0)

        done = nothing.run("up", STACK)
        gone = nothing.run("gc")

        refused(done, NAME, "another user")
        assert gone.returncode == 0, gone.stderr
        assert connection.open().lookupByName(NAME).XMLDesc(0) == before
        assert theirs.isActive()
    finally:
        theirs.destroy()
        theirs.undefine()
        Path(f"/var/log/libvirt/qemu/{NAME}.log").unlink(missing_ok=True)


def test_kvm_that_does_not_work(nothing: Laboratory) -> None:
    """KVM asked for where no guest runs under it is refused with the reason, and nothing is made."""
    if accelerator.proven(guest.kernel().image, "auto").name == "kvm":
        pytest.skip("KVM works here")

    refused(nothing.run("up", STACK, VMLAB_ACCELERATOR="kvm"), "KVM was asked for and cannot be used")


def test_service_that_never_answers(fresh: Laboratory, tmp_path: Path) -> None:
    """`vmlab run` of a service that listens to nobody: exit code 1, the last milestone, the console's end, nothing left."""
    (tmp_path / "service.toml").write_text(MUTE)
    (tmp_path / "mute.py").write_text(
        'import time\nprint("I shall not speak", flush=True)\ntime.sleep(600)\n'
    )
    before = machine.take(fresh)

    own = Laboratory(fresh.home, ROOT)  # sets the machine up, which takes more than a copy has
    done = own.run("run", "--quick", "--service", str(tmp_path / "service.toml"), STACK, VMLAB_TIMEOUT="8")

    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "did not answer within 8 s; the last milestone it reached was 'init'" in said, said
    assert "I shall not speak" in said, said
    assert machine.settled(fresh, before) == []
