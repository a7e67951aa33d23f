"""The rungs about files: a separate mount table, the change of root in its two forms, and a root that cannot be written.

The artifact's tree is shared, so it is mounted read-only from the first change of root on; what a copy may write is
its data and its scratch folder. Out of scope: overlays, and its own device nodes (five of the host's are visible).
"""

from __future__ import annotations

from substrates.rungs.linux import CLONE_NEWNS, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PLAIN, MS_RDONLY
from substrates.rungs.rung import Plan, Rung, Setting, Stage

DEVICES = ("null", "zero", "full", "random", "urandom")
STANDARD = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
SECRET_PATH = "/run/secrets/service"
# What Docker hides of /proc and what it makes read-only there; there is no /sys at all.
MASKED = (
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
)
FROZEN = ("bus", "fs", "irq", "sys", "sysrq-trigger")
SCRATCH_BYTES = 16 * 1024**2


class Mount(Rung):
    """CLONE_NEWNS, 2002."""

    name = "mount"
    provides = "a mount namespace: its own table of mounts, which ends with its last process"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """Nothing that is mounted from here on is seen by the host."""
        plan.flags |= CLONE_NEWNS
        plan.add(Stage.MOUNT, "private")


class Chroot(Rung):
    """chroot(2), 1979."""

    name = "chroot"
    needs = ("mount",)
    provides = "chroot: `/` is the artifact's tree, read-only, with the copy's data, scratch folder and five devices in it"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """The tree is bound onto itself, because only a mount can be made read-only."""
        plan.add(Stage.MOUNT, "bind", setting.root, setting.root)
        plan.add(Stage.MOUNT, "attributes", setting.root, MS_RDONLY | MS_NOSUID | MS_NODEV)
        plan.add(Stage.MOUNT, "chdir", setting.root)
        self._bind(plan, setting.data, "data")
        self._bind(plan, setting.directory / "tmp", "tmp")
        _devices(plan)
        for target, path in setting.rendered.items():
            plan.add(Stage.MOUNT, "bind", path, target.lstrip("/"))
        if setting.secret_file:
            _secret(plan, setting.secret_file)
        plan.add(Stage.ROOT, "chroot")
        plan.add(Stage.ROOT, "chdir", "/data")

    @staticmethod
    def _bind(plan: Plan, source: object, target: str) -> None:
        plan.add(Stage.MOUNT, "bind", source, target)
        plan.add(Stage.MOUNT, "attributes", target, MS_PLAIN)


class PivotRoot(Rung):
    """pivot_root(2), 2000."""

    name = "pivot_root"
    needs = ("chroot",)
    provides = "pivot_root in chroot's place: the host's tree is unmounted, so there is no way back to it"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """The same mounts; only the last step differs."""
        plan.steps[Stage.ROOT] = [("pivot",), ("chdir", "/data")]


class ReadOnly(Rung):
    """Remounts and masks, as container runtimes do them."""

    name = "read_only"
    needs = ("pivot_root", "pid")
    provides = "nothing but the data and a tmpfs of 16 MiB can be written: /dev and /proc/sys are frozen, parts of /proc hidden"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """The tmpfs hides the scratch folder on disk."""
        plan.add(Stage.MOUNT, "mount", "tmpfs", "tmp", MS_PLAIN, f"size={SCRATCH_BYTES},mode=1777")
        plan.add(Stage.MOUNT, "attributes", "dev", MS_RDONLY)
        for name in MASKED:
            plan.add(Stage.MOUNT, "mask", f"proc/{name}")
        for name in FROZEN:
            plan.add(Stage.MOUNT, "freeze", f"proc/{name}")


def _devices(plan: Plan) -> None:
    plan.add(Stage.MOUNT, "mount", "tmpfs", "dev", MS_NOSUID | MS_NOEXEC, "size=64k,mode=755")
    for name in DEVICES:
        plan.add(Stage.MOUNT, "file", f"dev/{name}")
        plan.add(Stage.MOUNT, "bind", f"/dev/{name}", f"dev/{name}")
    for name, target in STANDARD.items():
        plan.add(Stage.MOUNT, "link", target, f"dev/{name}")


def _secret(plan: Plan, file: str) -> None:
    """The tree's /run is empty and read-only: a tmpfs of one page has room for the place to mount at.

    Then it is read-only too: in a user namespace the service's own user has made it, and could write into it."""
    plan.add(Stage.MOUNT, "mount", "tmpfs", "run", MS_PLAIN, "size=4k,mode=755")
    plan.add(Stage.MOUNT, "dir", "run/secrets", "0755")
    plan.add(Stage.MOUNT, "file", SECRET_PATH.lstrip("/"))
    plan.add(Stage.MOUNT, "bind", file, SECRET_PATH.lstrip("/"))
    for path in (SECRET_PATH.lstrip("/"), "run"):
        plan.add(Stage.MOUNT, "attributes", path, MS_PLAIN | MS_RDONLY)
