"""The real thing: this machine's QEMU, /dev/kvm and a real kernel. What is proven is held against what guests really do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.deploying.engines import ROOT
from machine import places
from substrates.vm import accelerator
from substrates.vm.accelerator import prove
from tests.live.conftest import missing

pytestmark = pytest.mark.live
EMULATED_SECONDS = 60.0


def guests() -> set[str]:
    """Pids of every QEMU."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if prove.QEMU.encode() in (entry / "cmdline").read_bytes().partition(b"\0")[0]:
                found.add(entry.name)
        except OSError:
            continue
    return found


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real kernel, a cache of its own, and no QEMU of this process left afterwards."""
    if not accelerator.can_prove():
        missing("no QEMU or no compiler; install them with: vmlab host up libvirt")
    found = accelerator.some_kernel()
    if found is None:
        missing("no kernel to boot a guest with; vmlab host up guest")
    guests_here = (
        places.cache() / "guest"
    )  # a machine without a kernel of its own has only that of the guests
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path))
    places.make(places.cache())
    (places.cache() / "guest").symlink_to(guests_here)
    monkeypatch.delenv(accelerator.VARIABLE, raising=False)
    yield Path(str(found))
    assert not [pid for pid in guests() if f"{tmp_path}" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_the_probe_itself_works(kernel: Path) -> None:
    """The control: emulated, the same guest says its line. A probe that could never pass would prove nothing."""
    seconds, failure = prove.attempt(kernel, "tcg", EMULATED_SECONDS)

    assert failure == ""
    assert 0 < seconds < EMULATED_SECONDS


def test_the_guest_is_the_same_bytes_each_time(
    kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built twice in two folders, the initramfs is the same."""
    first = prove._initramfs().read_bytes()
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path / "other"))

    assert prove._initramfs().read_bytes() == first


def test_a_guest_that_never_says_it_is_given_up(kernel: Path) -> None:
    """A guest that is too slow for its deadline is no proof, and it is gone afterwards."""
    seconds, failure = prove.attempt(kernel, "tcg", 0.2)

    assert failure.endswith("a guest did not reach its first line in 0.2 s")
    assert seconds < 2


def test_the_verdict_of_this_machine(kernel: Path) -> None:
    """It is what a guest did here, within the deadline, and every reader of it says the same."""
    found = accelerator.proven(kernel)

    seconds, failure = (0.0, prove.obstacle()) if prove.obstacle() else prove.attempt(kernel)
    assert (found.name == "kvm") == (not failure)
    assert found.reason.startswith("a guest reached its first line" if not failure else failure[:40])
    assert seconds < prove.DEADLINE_SECONDS + 2


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command of the lab."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_doctor_says_why(kernel: Path) -> None:
    """The line of /dev/kvm is the verdict with its reason, never that the device is merely there."""
    lines = {line["name"]: line for line in json.loads(run("doctor", "--json").stdout)}
    found = accelerator.proven(kernel)

    assert lines["kvm"]["state"] == ("ok" if found.name == "kvm" else "absent")
    assert lines["kvm"]["detail"].startswith(found.reason[:40])


@pytest.mark.parametrize("verb", ["up", "preview", "measure", "run"])
def test_unusable_kvm_is_refused(kernel: Path, verb: str) -> None:
    """Where KVM does not work here, who insists on it reads why: one line, exit code 2, nothing made."""
    found = accelerator.proven(kernel)
    if found.name == "kvm":
        pytest.skip("KVM works here")

    done = run(verb, "process", "--accelerator", "kvm")

    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: KVM was asked for and cannot be used: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("verb", ["up", "preview", "measure", "run"])
def test_a_wrong_word_is_refused(kernel: Path, verb: str) -> None:
    """A word that is none is exit code 2, from the flag and from the environment."""
    flagged = run(verb, "process", "--accelerator", "xen")
    told = run(verb, "process", VMLAB_ACCELERATOR="xen")

    assert (flagged.returncode, told.returncode) == (2, 2), flagged.stderr + told.stderr
    assert "kvm, tcg" in flagged.stderr.replace("'", "")
    assert "VMLAB_ACCELERATOR is one of auto, kvm, tcg, not 'xen'" in told.stderr
