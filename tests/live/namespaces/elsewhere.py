"""The rungs for a machine that has nothing of ours, a guest with cgroup version 2 for instance: a folder with all of it.

In it are the launcher, a plan, a root with one static program (`bites.c`, which tries its limits), and the copy's folders.
There it is started with `<at>/vmlab-rungs <at>/plan <at>/status`, as root; what the program prints goes to its output. Left
out: the network, whose bridge such a machine does not have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from machine.addresses import USER
from substrates import rungs
from substrates.rungs import launcher, roots
from substrates.rungs.cgroups import Cgroups
from substrates.rungs.rung import Plan, Setting

NAME = "vmlab-elsewhere"
CPUS, MEMORY_BYTES, PIDS = 0.2, 32 * 1024**2, 16
NAMES = tuple(name for name in rungs.NAMES if name != "network")


def pack(folder: Path, at: Path, found: Cgroups) -> list[str]:
    """Fill the folder, which will be `at` there, for a machine with these cgroups; the command that starts it there."""
    root, copy = folder / "root", folder / "copy"
    for path in [*(root / name for name in roots.PLACES), copy / "data", copy / "tmp"]:
        path.mkdir(parents=True)
    for path in (copy / "data", copy / "tmp"):
        os.chown(path, USER, USER)
    source = Path(__file__).with_name("bites.c")
    subprocess.run(["gcc", "-static", "-Os", "-s", "-o", str(root / "bites"), str(source)], check=True)
    shutil.copy2(launcher.program(), folder / launcher.NAME)
    plan = Plan()
    for rung in rungs.RUNGS:
        if rung.name in NAMES:
            rung.apply(plan, _setting(at, found))
    (folder / "plan").write_text(plan.text(["/bites"]))
    return [str(at / launcher.NAME), str(at / "plan"), str(at / "status")]


def _setting(at: Path, found: Cgroups) -> Setting:
    return Setting(
        name=NAME,
        directory=at / "copy",
        root=at / "root",
        data=at / "copy" / "data",
        rungs=frozenset(NAMES),
        user=USER,
        own=0,
        cpus=CPUS,
        memory_bytes=MEMORY_BYTES,
        pids=PIDS,
        cgroups=found,
    )


def judge(text: str) -> list[str]:
    """What is wrong with what the program printed; nothing when every limit bit."""
    rows = [line.split() for line in text.splitlines() if line.split()[:1]]
    said = {row[0]: row[1:] for row in rows if row[0] in ("processes", "memory", "cpu", "done")}
    wrong = [f"not said: {word}" for word in ("processes", "memory", "cpu", "done") if word not in said]
    if wrong:
        return wrong
    if said["processes"] != [str(PIDS - 2), "11"]:  # init and the program itself count
        wrong.append(f"processes: {said['processes']}, not {PIDS - 2} and EAGAIN")
    if said["memory"] != ["9"]:
        wrong.append(f"memory: {said['memory']}, not killed")
    if not 0.5 * CPUS <= float(said["cpu"][0]) <= 1.05 * CPUS:
        wrong.append(f"cpu: {said['cpu'][0]} of {CPUS}")
    return wrong
