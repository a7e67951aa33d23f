"""What virsh says, and what is made of it."""

from __future__ import annotations

import pytest

from host.libvirt import virsh
from machine.errors import VmlabError
from tests.unit.host.conftest import Runner

VIRSH = "virsh --quiet --connect qemu:///system"


def test_versions(runner: Runner) -> None:
    """Both are told; without an emulator virsh fails half way, and that is told too."""
    text = "Using API: QEMU 9.0.0\nRunning hypervisor: QEMU 7.2.22\nRunning against daemon: 9.0.0\n"
    runner.answers[f"{VIRSH} version"] = text
    assert virsh.versions() == "libvirt 9.0.0, QEMU 7.2.22"

    runner.answers[f"{VIRSH} version"] = VmlabError("error: failed to get the hypervisor version")
    assert virsh.versions() == "libvirt, no emulator"


def test_a_daemon_that_is_not_there_does_not_answer(runner: Runner) -> None:
    """A failure is a no; so is another libvirt than the system's."""
    runner.answers[f"{VIRSH} uri"] = "qemu:///session\n"
    assert not virsh.answers()
    runner.answers[f"{VIRSH} uri"] = VmlabError("failed to connect")
    assert not virsh.answers()
    runner.answers[f"{VIRSH} uri"] = "qemu:///system\n"
    assert virsh.answers()


def test_what_ended_meanwhile_has_ended(runner: Runner) -> None:
    """A failure to end a domain that no longer runs is none; one that runs on is told."""
    runner.answers[f"{VIRSH} destroy"] = VmlabError("Domain not found")
    runner.answers[f"{VIRSH} list"] = "other\n\n"
    virsh.end_domain("guest")

    runner.answers[f"{VIRSH} list"] = "other\nguest\n\n"
    with pytest.raises(VmlabError, match="not found"):
        virsh.end_domain("guest")
