"""The artifact's trees as disks: ext4 images that every guest has a layer of its own above.

`slim` is what the container ships, byte for byte. `full` is a whole Debian; its units are trimmed here to those that a
guest with one service needs, because each unit costs: 12.5 s to the first answer with Debian's own set, 6.2 s with ours
(emulated, 1 CPU). Left out: a boot loader and partitions; the kernel comes from outside.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import commands

VARIANTS = ("slim", "full")
# A guest's own writing room above the tree, in the image's size; sparse, so it costs nothing.
ROOM_BYTES = 128 * 1024**2
DATA_BYTES = 64 * 1024**2
USER = 65532
# Nothing is plugged in, nobody logs in, nothing is swapped, encrypted, audited or updated.
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
# The button's listener is the initramfs's own program, which puts itself there (init.c).
_POWER = """[Unit]
Description=vmlab: the power button

[Service]
ExecStart=/run/vmlab/guest power
"""
_JOURNAL = "[Journal]\nStorage=volatile\n"
# Debian's 90 s are longer than whoever pressed the button waits: a deaf service would take the whole guest down with it.
_PATIENCE = "[Manager]\nDefaultTimeoutStopSec=10s\n"


def build(artifact: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Each variant's image in `folder`; its path by variant. An image appears whole or not at all."""
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
        # A layer is thrown away with its guest, so nothing of it needs a journal.
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
