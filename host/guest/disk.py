"""The artifact's trees as disks: ext4 images, the shared base of each guest's overlay.

`slim` is what the container ships, byte for byte. `full` is a complete Debian; its units are trimmed here to those that a
guest with one service needs, because each unit costs: 12.5 s to the first answer with Debian's own set, 6.2 s with ours
(emulated, 1 CPU). Out of scope: a boot loader and partitions; QEMU loads the kernel.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import commands
from machine.addresses import USER

VARIANTS = ("slim", "full")
# Free space for a guest's writes, included in the image's size; sparse, so it costs nothing.
ROOM_BYTES = 128 * 1024**2
DATA_BYTES = 64 * 1024**2
# No hotplug, no logins, no swap, no encryption, no auditing, no updates.
MASKED = (
    "cryptsetup.target", "dev-hugepages.mount", "dev-mqueue.mount", "getty.target", "integritysetup.target",
    "kmod-static-nodes.service", "modprobe@.service", "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path", "systemd-ask-password-wall.path", "systemd-binfmt.service",
    "systemd-firstboot.service", "systemd-initctl.socket", "systemd-journal-flush.service",
    "systemd-journald-audit.socket", "systemd-logind.service", "systemd-machine-id-commit.service",
    "systemd-modules-load.service", "systemd-pcrphase-sysinit.service", "systemd-pcrphase.service",
    "systemd-random-seed.service", "systemd-repart.service", "systemd-sysusers.service",
    "systemd-tmpfiles-clean.timer", "systemd-tmpfiles-setup-dev.service", "systemd-udev-trigger.service",
    "systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "systemd-udevd.service",
    "systemd-update-utmp-runlevel.service", "systemd-update-utmp.service", "systemd-user-sessions.service",
    "veritysetup.target",
)  # fmt: skip
_UNWANTED = ("getty.target.wants", "sysinit.target.wants", "timers.target.wants")
# The listener for the ACPI power button is the initramfs's program, which copies itself there (init.c).
_POWER = """[Unit]
Description=vmlab: the power button

[Service]
ExecStart=/run/vmlab/guest power
"""
_JOURNAL = "[Journal]\nStorage=volatile\n"
# Debian's 90 s are longer than a shutdown request waits: a service that ignores SIGTERM would force the guest's termination.
_PATIENCE = "[Manager]\nDefaultTimeoutStopSec=10s\n"
# Part of the cache's key, `host.guest.build.recipe`.
SETTINGS = [VARIANTS, ROOM_BYTES, DATA_BYTES, USER, MASKED, _UNWANTED, _POWER, _JOURNAL, _PATIENCE]


def build(artifact: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Each variant's image in `folder`; its path by variant. An image appears when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for variant in VARIANTS:
        image = folder / f"{variant}.raw"
        if not image.exists():
            _make(artifact["variants"][variant], image, trimmed=variant == "full")
        made[variant] = str(image)
    return made


def empty(image: Path) -> None:
    """A formatted disk without a file, for data; it belongs to the service's user. With a journal, unlike the trees."""
    options = ["-E", f"root_owner={USER}:{USER},lazy_itable_init=1", "-m", "0"]
    _format(image, DATA_BYTES, options)


def _make(variant: Mapping[str, Any], image: Path, *, trimmed: bool) -> None:
    tree = image.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    try:
        commands.run(["tar", "-xpf", variant["tar"], "--numeric-owner", "-C", str(tree)], timeout_seconds=300)
        if trimmed:
            trim(tree)
        # An overlay is discarded with its guest, so it needs no journal.
        options = ["-O", "^has_journal", "-E", "lazy_itable_init=1", "-m", "0", "-d", str(tree)]
        _format(image, variant["tree_bytes"] * 5 // 4 + ROOM_BYTES, options)
    finally:
        shutil.rmtree(tree)


def trim(tree: Path) -> None:
    """Leave what the service needs: mounts, sysctl, tmpfiles, the journal, the power button."""
    units = tree / "etc/systemd/system"
    for name in _UNWANTED:
        shutil.rmtree(units / name, ignore_errors=True)
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    (units / "vmlab-power.service").write_text(_POWER)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "vmlab-power.service").symlink_to("../vmlab-power.service")
    for name, text in (("journald", _JOURNAL), ("system", _PATIENCE)):
        folder = tree / f"etc/systemd/{name}.conf.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vmlab.conf").write_text(text)


def _format(image: Path, size_bytes: int, options: list[str]) -> None:
    fresh = image.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    kilobytes = f"{-(-size_bytes // 1024)}k"
    commands.run(["mke2fs", "-q", "-t", "ext4", *options, str(fresh), kilobytes], timeout_seconds=300)
    fresh.chmod(0o444)
    fresh.rename(image)
