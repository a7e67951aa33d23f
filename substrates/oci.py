"""A container without Docker: the artifact's tree under an OCI runtime alone (runc, crun), on the host's network.

It shows which part of a container's start is the kernel's and the runtime's, and what Docker adds. It has the same limits
and the same system call filter as the rungs; the configuration is written for each copy. No stack has it: the ladder
boots copies and removes them.

A runtime that is killed halfway has no record yet, so a copy is known by more than its state: by its folder, which is in
the environment of the runtime and of the container, and by its cgroup, in which the runtime's own first process is too. The
runtime is killed with the lab, else it would complete a copy that is not looked for any more. Out of scope: networks, images,
hooks.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from machine import addresses, files, places, ports, processes
from machine.cgroups import FOLDER as CGROUPS
from machine.cgroups import held
from machine.commands import launch, run
from machine.errors import Unavailable, VmlabError
from machine.waiting import Deadline
from substrates.contract import BOOT_PREFIX, Boot, Limits, Request, Slot, destroyed_on_failure, first_boot
from substrates.copies import records, removal
from substrates.inputs.artifact import Artifact
from substrates.rungs import cgroups, roots, seccomp
from substrates.rungs.cgroups import PERIOD_MICROSECONDS as PERIOD

RUNTIMES = ("crun", "runc")
PIDS = 256
START_SECONDS = 30.0
END_SECONDS = 5.0
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")  # it becomes the runtime; that takes 1 to 3 ms


@dataclass(frozen=True)
class Definition:
    """All that is needed to start one copy."""

    runtime: str
    root: str
    command: list[str]
    environment: dict[str, str]
    cpus: float
    memory_bytes: int


@dataclass(frozen=True)
class Handle:
    """A container and the runtime that runs it."""

    runtime: str
    name: str


def definition(runtime: str, artifact: Artifact, variant: str, cpus: float, memory_bytes: int) -> Definition:
    """The service or `null` under this runtime; Unavailable where it cannot run."""
    _require(runtime)
    is_null = variant == "null"
    root = roots.of_null(artifact) if is_null else artifact.root
    command = ["/null"] if is_null else artifact.command_inside()
    environment = {} if is_null else artifact.environment
    return Definition(runtime, str(root), command, environment, cpus, memory_bytes)


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """`runtime run --detach`: `accepted` is when the runtime was started, `sandboxed` when it has returned."""
    copy, folder = Handle(definition.runtime, slot.name), _folder(definition.runtime, slot.name)
    destroy(copy)
    ports.refuse_taken(slot.port)
    _lay_out(folder, configuration(definition, slot, request, folder))
    stamps = {"requested": time.monotonic_ns()}
    command = [definition.runtime, "--root", str(_state(copy.runtime)), "run", "--detach", copy.name]
    environment = {"PATH": os.environ["PATH"], records.MARK: str(folder)}
    with destroyed_on_failure(destroy, copy):
        pid = launch([*DIES_WITH_US, *command], environment=environment, directory=folder, log=folder / "log")
        stamps["accepted"] = time.monotonic_ns()
        code = _code(pid)
        stamps["sandboxed"] = time.monotonic_ns()
        url = f"http://{addresses.LOOPBACK}:{slot.port}"
        log = partial((folder / "log").read_text, errors="replace")
        return first_boot(copy, url, slot, request, stamps, log, failed=f"exit code {code}" if code else "")


def limits(copy: Handle) -> Limits:
    """What the running copy's own cgroup limits."""
    own = next((process.pid for process in _processes(copy)), 0)
    found = held(own) if own else None
    if found is None:
        raise VmlabError(f"{copy.name} is not running under {copy.runtime}")
    return Limits(found.cpus, found.memory_bytes, enforced=bool(found.cpus and found.memory_bytes))


def destroy(copy: Handle) -> None:
    """Kill it, and remove its cgroup and its folder; returns when it is gone, at once when it does not exist.

    Its processes end first: a runtime that still works would make again what is removed."""
    folder, state = _folder(copy.runtime, copy.name), _state(copy.runtime)
    if not folder.exists() and not (state / copy.name).exists() and not _groups(copy):
        return
    _end(copy)
    if (state / copy.name).exists():
        run([copy.runtime, "--root", str(state), "delete", "--force", copy.name])
    _remove_groups(copy)
    if folder.exists():
        shutil.rmtree(folder)


def remove_copies() -> None:
    """Remove the copies of an interrupted run."""
    for runtime in RUNTIMES:
        for name in _names(runtime):
            destroy(Handle(runtime, name))
        for folder in (_state(runtime), _root(runtime), _root(runtime).parent):
            files.remove_empty(folder)  # what still has anything in it stays, else `gc` would not find that


def everything_labelled() -> list[str]:
    """Every copy that has left anything; all of them are the ladder's."""
    return [f"{runtime} {name}" for runtime in RUNTIMES for name in _names(runtime)]


remove_labelled = remove_copies


# -- inside


def configuration(definition: Definition, slot: Slot, request: Request, folder: Path) -> dict[str, Any]:
    """The bundle's config.json (OCI runtime specification 1.0)."""
    given = {"PORT": str(slot.port), "BIND": addresses.LOOPBACK, "DATA_DIR": "/data", "NONCE": request.nonce}
    mark = {records.MARK: str(folder)}
    environment = {"PATH": "/usr/bin:/bin", **definition.environment, **given, **mark}
    nothing: dict[str, list[str]] = {
        kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")
    }
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": addresses.USER, "gid": addresses.USER},
            "args": definition.command,
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": "/",
            "capabilities": nothing,
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": definition.root, "readonly": True},
        "hostname": slot.name,
        "mounts": _mounts(folder),
        "linux": {
            "cgroupsPath": f"/{_group(Handle(definition.runtime, slot.name))}",
            "resources": _resources(definition),
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")],
            "seccomp": _filter(),
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


def _mounts(folder: Path) -> list[dict[str, Any]]:
    own = ["nosuid", "nodev", "noexec"]
    tmpfs = {"type": "tmpfs", "source": "tmpfs"}
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": own},
        {"destination": "/dev", **tmpfs, "options": ["nosuid", "strictatime", "mode=755", "size=64k"]},
        {"destination": "/tmp", **tmpfs, "options": [*own, "mode=1777", "size=16m"]},
        {"destination": "/data", "type": "bind", "source": str(folder / "data"), "options": ["rbind", *own]},
    ]


def _resources(definition: Definition) -> dict[str, Any]:
    return {
        "memory": {"limit": definition.memory_bytes},
        "cpu": {"quota": int(definition.cpus * PERIOD), "period": PERIOD},
        "pids": {"limit": PIDS},
    }


def _filter() -> dict[str, Any]:
    """The calls of the rung's filter; those it decides by their arguments are allowed."""
    names = [*seccomp.allowed(), "clone", "personality", "socket"]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    }


def _lay_out(folder: Path, config: dict[str, Any]) -> None:
    (folder / "data").mkdir(parents=True)
    for path in (folder.parent.parent, folder.parent, folder):
        path.chmod(0o755)
    os.chown(folder / "data", addresses.USER, addresses.USER)
    (folder / "config.json").write_text(json.dumps(config))


def _code(pid: int) -> int:
    """The exit code of the runtime's command, which is killed when it takes too long."""
    deadline = Deadline(START_SECONDS)
    while deadline.pause(0.0002):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
    os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _require(runtime: str) -> None:
    if runtime not in RUNTIMES:
        raise VmlabError(f"{runtime!r} is not one of {', '.join(RUNTIMES)}")
    if os.geteuid() != 0:
        raise Unavailable(f"{runtime} alone needs root here", "run it as root")
    if runtime == "crun" and (CGROUPS / "unified").is_dir():
        raise Unavailable(
            "crun refuses hybrid cgroups (version 1 with version 2 beside it)",
            "start this machine with systemd.unified_cgroup_hierarchy=1",
        )
    if shutil.which(runtime) is None:
        raise Unavailable(f"{runtime} is not installed", f"apt-get install {runtime}")


def _end(copy: Handle) -> None:
    """Kill the runtime, the container and what is in its cgroup; VmlabError with what does not end."""
    if not Deadline(END_SECONDS).until(lambda: removal.end(_processes(copy)), 0.001):
        left = [process.pid for process in _processes(copy)]
        raise VmlabError(f"{copy.name}: the processes {left} do not end")


def _processes(copy: Handle) -> list[processes.Process]:
    """Its living processes: by its mark, and by its cgroup, because the runtime's process inside does not inherit the mark."""
    marked = processes.by_environment(records.MARK, str(_folder(copy.runtime, copy.name)))
    pids = [int(pid) for group in _groups(copy) for pid in files.read_text(group / "cgroup.procs").split()]
    return [*marked, *(process for pid in pids if (process := processes.find(pid)))]


def _remove_groups(copy: Handle) -> None:
    """Those that the runtime did not remove; a process that has just ended may hold one for a moment."""

    def removed() -> bool:
        for group in _groups(copy):
            files.remove_empty(group)
        return not _groups(copy)

    if not Deadline(END_SECONDS).until(removed, 0.001):
        raise VmlabError(f"the cgroup {', '.join(map(str, _groups(copy)))} cannot be removed")


def _names(runtime: str) -> list[str]:
    """Every copy that has a folder, a state or a cgroup."""
    found = [
        path.name for folder in (_root(runtime), _state(runtime)) for path in folder.glob(f"{BOOT_PREFIX}*")
    ]
    prefix = _group(Handle(runtime, ""))
    if os.geteuid() == 0:  # else they are another user's
        groups = [path for folder in _hierarchies() for path in folder.glob(f"{prefix}{BOOT_PREFIX}*")]
        found += [path.name.removeprefix(prefix) for path in groups]
    return sorted({*found})


def _group(copy: Handle) -> str:
    """The name of its cgroup, which all homes of this machine share; beside the lab's own level, which the rungs sweep."""
    return f"{cgroups.base()}-{copy.runtime}-{copy.name}"


def _groups(copy: Handle) -> list[Path]:
    """Its folders that are there: one in each hierarchy of version 1, or one in all of version 2."""
    return [path for folder in _hierarchies() if (path := folder / _group(copy)).is_dir()]


def _hierarchies() -> list[Path]:
    return [CGROUPS, *CGROUPS.glob("*/")]


def _root(runtime: str) -> Path:
    return places.run() / "oci" / runtime


def _state(runtime: str) -> Path:
    return _root(runtime) / "state"


def _folder(runtime: str, name: str) -> Path:
    return _root(runtime) / name
