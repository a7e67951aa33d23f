"""The rungs that are one namespace each: processes, host name, System V objects, users, and the names of cgroups.

Out of scope: the time namespace, which would only shift the clocks that the lab takes its stamps from.
"""

from __future__ import annotations

from substrates.rungs.linux import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_PLAIN,
)
from substrates.rungs.rung import Plan, Rung, Setting, Stage


class Pid(Rung):
    """CLONE_NEWPID, 2008."""

    name = "pid"
    needs = ("mount",)  # a /proc of the host's would show the wrong processes
    provides = "a PID namespace with an init that reaps and forwards signals: it sees no other process, and ends as a whole"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """Its own /proc, mounted while the host's is still mounted: the kernel requires that in a user namespace."""
        plan.flags |= CLONE_NEWPID
        plan.is_init = True
        plan.add(Stage.MOUNT, "mount", "proc", setting.inside("/proc"), MS_PLAIN, "")


class Uts(Rung):
    """CLONE_NEWUTS, 2006."""

    name = "uts"
    provides = "a UTS namespace: its own host name"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """It is called like the copy."""
        plan.flags |= CLONE_NEWUTS
        plan.add(Stage.MOUNT, "hostname", setting.name[:64])


class Ipc(Rung):
    """CLONE_NEWIPC, 2006."""

    name = "ipc"
    provides = "an IPC namespace: its own System V objects and message queues"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """Nothing has to be set up in it."""
        plan.flags |= CLONE_NEWIPC


class User(Rung):
    """CLONE_NEWUSER, 2013."""

    name = "user"
    privileged = False
    provides = "a user namespace with one user: no root exists inside, and outside an escaped process has no privileges"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """As root the map is the identity. A user may only map itself, and has to give up setgroups for it.

        The child is this user from the start: a file that root made in a tmpfs of the namespace would have no owner there."""
        plan.flags |= CLONE_NEWUSER
        outside = setting.user if setting.own == 0 else setting.own
        if setting.own != 0:
            plan.add(Stage.IDENTITY, "write", "/proc/%p/setgroups", "deny")
        for kind in ("uid", "gid"):
            plan.add(Stage.IDENTITY, "write", f"/proc/%p/{kind}_map", f"{setting.user} {outside} 1")
        plan.add(Stage.BECOME_EARLY, "become", setting.user, int(setting.own == 0))


class Cgroup(Rung):
    """CLONE_NEWCGROUP, 2016."""

    name = "cgroup"
    provides = "a cgroup namespace: it sees its own cgroup as the root of all of them"

    def apply(self, plan: Plan, setting: Setting) -> None:
        """Not in the clone: the root is the cgroup in which a process is when it asks, so it has to be in its own by then."""
        plan.add(Stage.JOINED, "unshare", hex(CLONE_NEWCGROUP))
