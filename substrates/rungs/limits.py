"""The cgroup limits: CPU time, memory and processes, held for the copy as a whole by whichever cgroups the kernel has."""

from __future__ import annotations

from machine.errors import Unavailable
from substrates.rungs import cgroups
from substrates.rungs.rung import Plan, Rung, Setting, Stage


class Limits(Rung):
    """Cgroups, 2008, and their second version, 2016."""

    name = "limits"
    root = True
    provides = (
        "cgroup limits: a share of CPU time, a memory limit that kills inside it, and a number of processes"
    )

    def apply(self, plan: Plan, setting: Setting) -> None:
        """The groups are made before the child is, and it is in them before it does anything; the supervisor stays outside."""
        found = setting.cgroups or cgroups.here()
        held = cgroups.Held(setting.cpus, setting.memory_bytes, setting.pids)
        for folder in [*found.bases(), *found.folders(setting.name)]:
            plan.add(Stage.PREPARE, "dir", folder, "0755")
            for path, text in found.opening(folder):
                plan.add(Stage.PREPARE, "write", path, text)
        for path, text in found.settings(setting.name, held):
            plan.add(Stage.PREPARE, "write", path, text)
        for path, text in found.extras(setting.name, held):
            plan.add(Stage.PREPARE, "offer", path, text)
        for path in found.entrances(setting.name):
            plan.add(Stage.PREPARE, "enter", path)
        plan.group = found.birthplace(setting.name)
        for folder in found.folders(setting.name):
            plan.add(Stage.UNDO, "rmdir", folder)

    def undo(self, name: str) -> None:
        """A supervisor that was killed leaves its groups behind, and without a PID namespace the service's children in them."""
        try:
            found = cgroups.here()
        except Unavailable:
            return  # then there are none
        found.remove(name)
