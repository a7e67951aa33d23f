"""The rungs about what a process may do: gain privileges, hold capabilities, make system calls, use up what the kernel has.

They hold for one process and its children and need no namespace. Out of scope: AppArmor and SELinux, which are the host's.
"""

from __future__ import annotations

from resource import RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_NPROC

from substrates.rungs import seccomp
from substrates.rungs.rung import Plan, Rung, Setting, Stage

RLIMITS = {RLIMIT_NOFILE: 1024, RLIMIT_NPROC: 256, RLIMIT_CORE: 0}  # the bare process has the same


class NoNewPrivileges(Rung):
    """PR_SET_NO_NEW_PRIVS, 2012."""

    name = "no_new_privs"
    privileged = False
    provides = "no_new_privs: a setuid program grants nothing"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """It is inherited and cannot be unset."""
        plan.add(Stage.HOLD, "no_new_privs")


class Capabilities(Rung):
    """capset(2) and the bounding set, 1999 and 2008."""

    name = "capabilities"
    provides = "no capabilities: root's powers are gone from every set, the bounding set too"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """The bounding set while there still is the capability to lower it."""
        plan.add(Stage.HOLD, "bounding")
        plan.add(Stage.LAST, "capset")


class Seccomp(Rung):
    """PR_SET_SECCOMP with a filter, 2012."""

    name = "seccomp"
    needs = ("no_new_privs",)  # else it takes CAP_SYS_ADMIN, which is gone by then
    privileged = False

    def describe(self) -> str:
        """What it gives."""
        return (
            f"a seccomp filter: {len(seccomp.allowed())} system calls are let through, the others are refused"
        )

    def apply(self, plan: Plan, setting: Setting) -> None:
        """The very last, because it would refuse what the other rungs do."""
        plan.add(Stage.LAST, "seccomp", seccomp.program().hex())


class ResourceLimits(Rung):
    """setrlimit(2)."""

    name = "rlimits"
    privileged = False
    provides = "rlimits: at most 1024 open files and 256 processes of its user, and no core dumps"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """Only ever lowered: to raise one would take CAP_SYS_RESOURCE, which root in a container may lack."""
        for resource, limit in RLIMITS.items():
            plan.add(Stage.HOLD, "rlimit", resource, limit)
