"""The service on any of the rungs between a process and a container, made by ourselves: `chroot`, `namespaces`.

Which kernel features surround it is a list of rungs (`substrates.rungs`); with none of them it is fork and exec of the bytes
in place. A supervisor of 100 kB on the host starts it and hands signals on; when that is killed the kernel ends the service,
and with its namespaces go mounts and links. Only an empty cgroup can stay behind, which the next start, `remove_copies`
or `remove_labelled` takes away.

What runs is known from one spec file a name under the run directory, so that it is found again without any state. Left out:
images and their layers, volumes, restarts, more than one program: what a container runtime is for.
"""

from __future__ import annotations

import math
import os
import signal
import time
from dataclasses import replace
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

from clients.http_probe import first_answer
from machine import processes
from machine.errors import NeverAnswered, VmlabError
from machine.waiting import answer_seconds
from substrates.contract import MILESTONES, Boot, Footprint, Request, Slot, service_stamps
from substrates.inputs import artifact as artifacts
from substrates.inputs.artifact import Artifact
from substrates.rungs import NAMES, cgroups, network, records, roots
from substrates.rungs.launch import launch, prepare, reap
from substrates.rungs.records import Definition, Handle, find, log_tail, names

STOP_SECONDS = 10.0
__all__ = ["Definition", "Handle", "find", "names"]


def for_ladder(artifact: Artifact, rungs: tuple[str, ...] = NAMES, variant: str = "service") -> Definition:
    """What the ladder boots copies of: the service, or `null`, the static binary that is the floor."""
    is_null = variant == "null"
    return Definition(
        name=f"vmlab-ladder-{variant}",
        command=["{root}/null"] if is_null else artifact.command,
        root=str(roots.of_null(artifact) if is_null else artifact.root),
        loader="" if is_null else artifact.loader,
        library_path=[] if is_null else artifact.library_path,
        port=artifact.port,
        health="/" if is_null else artifact.health,
        cpus=1.0,
        memory_bytes=512 * 1024**2,
        rungs=rungs,
        environment={} if is_null else artifact.environment,
        templates={} if is_null else artifact.templates,
    )


# -- start and stop


def start(definition: Definition) -> Handle:
    """Start a copy; what an interrupted run left under the same name is stopped first. Does not wait for an answer."""
    with records.starting():
        handle = launch(prepare(definition, destroy)).handle
    records.write(handle)
    return handle


def wait(handle: Handle) -> None:
    """Wait until it answers its health path; NeverAnswered with the end of its log."""
    seconds = answer_seconds()
    deadline = time.monotonic_ns() + int(seconds * 1e9)
    step = time.monotonic_ns() + int(0.2e9)
    while time.monotonic_ns() < deadline and handle.supervisor.lives():
        if first_answer(handle.url + handle.definition.health, min(step, deadline)):
            return
        step = time.monotonic_ns() + int(0.2e9)
    milestone = "sandboxed" if handle.supervisor.lives() else "sandboxed, then it ended"
    raise NeverAnswered(handle.definition.name, milestone, seconds, log_tail(handle.log))


def destroy(handle: Handle) -> None:
    """Stop it and everything it started, and forget it. Done when it is gone; its data stay if their folder was given."""
    ended = handle.supervisor.lives() and stop(handle, STOP_SECONDS)
    if handle.supervisor.lives():
        records.send(handle.supervisor, signal.SIGKILL)
        _await_end(handle.supervisor, STOP_SECONDS)
    if handle.supervisor.lives():
        raise VmlabError(f"{handle.definition.name} (pid {handle.supervisor.pid}) does not end")
    records.forget(handle.definition.name, ended=ended)


def stop(handle: Handle, seconds: float) -> bool:
    """Ask it to end by itself, as SIGTERM does; whether it did, in time."""
    records.send(handle.supervisor, signal.SIGTERM)
    _await_end(handle.supervisor, seconds)
    return not handle.supervisor.lives()


# -- fresh copies, as `contract` has them


def definition(instance: dict[str, Any]) -> Definition:
    """The stack's own spec file."""
    return _running(instance).definition


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """Start a copy. `accepted` is when the supervisor exists, `sandboxed` when all rungs are applied, `init` when PID 1 begins.

    Nobody asks before that: an address that is not there yet would be asked for again only after a second."""
    fresh = replace(
        definition, name=slot.name, data="", environment={**definition.environment, "NONCE": request.nonce}
    )
    address = network.copy_address(slot.number) if fresh.networked else ""
    fresh = replace(fresh, address=address, port=fresh.port if fresh.networked else slot.port)
    with records.starting():
        prepared = prepare(fresh, destroy)
        stamps = {"requested": time.monotonic_ns()}
        started = launch(prepared)
    deadline = stamps["requested"] + int(request.seconds * 1e9)
    answer = first_answer(started.handle.url + request.path, deadline, request.expected)
    records.write(started.handle)
    log = log_tail(started.handle.log)
    stamps |= {**started.stamps_ns, **service_stamps("\n".join(log))}
    if answer is None:
        destroy(started.handle)
        raise NeverAnswered(slot.name, max(stamps, key=MILESTONES.index), request.seconds, log)
    return Boot(started.handle, {**stamps, "answered": answer.at_ns}, url=started.handle.url)


def footprint(copy: Handle) -> Footprint:
    """Of the service, everything it started, its init and its supervisor, which live for it. Only root can see what memory
    init takes, because it is closed to its own user."""
    pids = processes.tree(copy.supervisor.pid)
    return Footprint(
        pss_bytes=sum(map(processes.pss_bytes, pids)),
        cgroup_bytes=_cgroup_bytes(copy),
        cpu_seconds=sum(map(processes.cpu_seconds, pids)),
        disk_instance_bytes=sum(f.lstat().st_blocks * 512 for f in Path(copy.directory).rglob("*")),
    )


def limits(instance: dict[str, Any]) -> dict[str, float | int | bool]:
    """What the running copy's cgroups hold it to; without the rung `limits`, CPUs by its affinity and memory not at all.

    The kernel counts memory in whole pages: what was asked, less the part of a page, is what was asked."""
    handle = _running(instance)
    if "limits" in handle.definition.rungs:
        held, asked = cgroups.here().held(handle.definition.name), handle.definition.memory_bytes
        memory_bytes = asked if held.memory_bytes == asked - asked % PAGESIZE else held.memory_bytes
        enforced = bool(held.cpus and held.memory_bytes)
        return {"cpus": held.cpus, "memory_bytes": memory_bytes, "enforced": enforced}
    cpus = min(handle.definition.cpus, len(os.sched_getaffinity(handle.main.pid)))
    return {"cpus": cpus, "memory_bytes": handle.definition.memory_bytes, "enforced": False}


def artifact(instance: dict[str, Any]) -> str:
    """The digest of the tree that is the running service's root, or that its program is from."""
    found = _artifact_of(find(instance["name"]))
    return found.digest if found else ""


def image_bytes(instance: dict[str, Any]) -> int:
    """The tree that it runs in."""
    found = _artifact_of(find(instance["name"]))
    return found.variants["slim"]["tree_bytes"] if found else 0


def shut_down(copy: Handle) -> bool:
    """SIGTERM, handed on to the service by its init; whether all of it ended by itself, in time."""
    return stop(copy, STOP_SECONDS)


def remove_copies() -> None:
    """Stop and forget the copies of a run that was interrupted."""
    _remove_all([name for name in names() if records.is_copy(name)])
    records.sweep()


def everything_labelled() -> list[str]:
    """Every copy on record, cgroups that belong to none, and the bridge when nobody is on it."""
    known = names()
    stray = [f"cgroup {name}" for name in records.orphans() if name not in known]
    bridge = [network.BRIDGE] if not known and network.is_idle() else []
    return [*known, *stray, *bridge]


def remove_labelled() -> None:
    """Stop and forget them all."""
    _remove_all(names())
    records.sweep()
    records.tidy()


# -- changing and reading back


def set_limits(handle: Handle, cpus: float, memory_bytes: int) -> Handle:
    """Change what a running copy may use."""
    changed = replace(handle, definition=replace(handle.definition, cpus=cpus, memory_bytes=memory_bytes))
    if "limits" in changed.definition.rungs:
        found, held = cgroups.here(), cgroups.Held(cpus, memory_bytes, changed.definition.pids)
        found.change(changed.definition.name, held)
    else:
        available = sorted(os.sched_getaffinity(0))
        for pid in processes.tree(handle.supervisor.pid)[1:]:
            os.sched_setaffinity(pid, available[: max(1, math.ceil(cpus))])
    records.write(changed)
    return changed


def _running(instance: dict[str, Any]) -> Handle:
    handle = find(instance["name"])
    if handle is None or not handle.supervisor.lives():
        raise VmlabError(f"{instance['name']} is not running; next: vmlab up of its stack")
    return handle


def _artifact_of(handle: Handle | None) -> Artifact | None:
    """By the identity of the directory that is its `/`: a path says nothing about another mount namespace."""
    if handle is None or not handle.main.pid:
        return None
    process = Path(f"/proc/{handle.main.pid}")
    if "chroot" in handle.definition.rungs:
        root = roots.identity(process / "root")
        return next((a for a in artifacts.everything() if roots.identity(a.root) == root), None)
    program = str((process / "exe").readlink())
    return next((a for a in artifacts.everything() if program.startswith(f"{a.root}/")), None)


def _cgroup_bytes(copy: Handle) -> int | None:
    if "limits" not in copy.definition.rungs:
        return None
    try:
        return int(cgroups.here().memory_file(copy.definition.name).read_text())
    except OSError:
        return None


def _remove_all(found: list[str]) -> None:
    for name in found:
        if handle := find(name):
            destroy(handle)
        else:  # killed while it was made
            records.forget(name)


def _await_end(process: processes.Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.lives() and time.monotonic() < deadline:
        reap(process)
        time.sleep(0.001)
    reap(process)
