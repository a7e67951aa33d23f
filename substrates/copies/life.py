"""The life of a copy, as `substrates.contract` has it: start, boot, read back, change, destroy.

A bare process and a copy on rungs differ in their plans and in who supervises them, not in any of this.
"""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from clients.http_probe import first_answer
from machine import processes
from machine.cgroups import held, memory_bytes
from machine.errors import NeverAnswered, VmlabError
from machine.waiting import answer_seconds
from substrates.boundaries.program import environment as probe_environment
from substrates.boundaries.program import instead_of
from substrates.contract import (
    BOOT_PREFIX,
    Boot,
    Footprint,
    Limits,
    Request,
    Slot,
    destroyed_on_failure,
    first_boot,
)
from substrates.copies import records, removal
from substrates.copies.launch import launch, prepare
from substrates.copies.records import Definition, Handle, log_tail
from substrates.inputs import artifact as artifacts
from substrates.inputs.artifact import Artifact
from substrates.rungs import cgroups, network, roots

STOP_SECONDS = 10.0

# -- start and stop


def start(definition: Definition) -> Handle:
    """Start a copy; what an interrupted run left under the same name is stopped first. Does not wait for an answer."""
    with removal.starting():
        handle, _ = launch(prepare(definition, destroy))
    records.write(handle)
    return handle


def wait(handle: Handle) -> None:
    """Wait until it answers its health path; NeverAnswered with the end of its log."""
    seconds = answer_seconds()
    deadline = time.monotonic_ns() + int(seconds * 1e9)
    if first_answer(handle.url + handle.definition.health, deadline, alive=handle.process.lives):
        return
    milestone = "sandboxed" if handle.definition.supervised else "accepted"
    if not handle.process.lives():
        milestone += ", then it ended"
    raise NeverAnswered(handle.definition.name, milestone, seconds, log_tail(handle.log))


def stop(handle: Handle, seconds: float) -> bool:
    """Ask it to end by itself, with SIGTERM; whether it did, in time."""
    removal.send(handle.process, signal.SIGTERM)
    return removal.await_end(handle.process, seconds)


def destroy(handle: Handle) -> None:
    """Stop it and everything it started, and forget it; returns when it is gone. Its data stay if their folder was given."""
    definition, lived = handle.definition, handle.process.lives()
    ended = lived and stop(handle, STOP_SECONDS)
    if lived and not ended:
        removal.send(handle.process, signal.SIGKILL)
        if not removal.await_end(handle.process, STOP_SECONDS):
            raise VmlabError(f"{definition.name} (pid {handle.process.pid}) does not end")
    if lived:
        removal.end_session(handle.process)
    removal.forget(definition.kind, definition.name, ended=ended)


def remove_copies(kind: str) -> None:
    """Stop and forget the copies of an interrupted run."""
    remove_all(kind, [name for name in records.names(kind) if name.startswith(BOOT_PREFIX)])


def remove_all(kind: str, found: list[str] | None = None) -> None:
    """Stop and forget these copies; without a list every copy of the kind."""
    for name in records.names(kind) if found is None else found:
        if handle := records.find(kind, name):
            destroy(handle)
        else:  # killed while it was made
            removal.forget(kind, name)


# -- fresh copies


def running(kind: str, instance: dict[str, Any]) -> Handle:
    """A stack's own copy; VmlabError when it is not running."""
    handle = records.find(kind, instance["name"])
    if handle is None or not handle.process.lives():
        raise VmlabError(f"{instance['name']} is not running; next: vmlab up of its stack")
    return handle


def definition_of(kind: str, instance: dict[str, Any]) -> Definition:
    """That of a stack's own copy, from its record."""
    return running(kind, instance).definition


def boot(definition: Definition, slot: Slot, request: Request) -> Boot:
    """Start a copy. `accepted` is when its first process exists, `sandboxed` when all rungs are applied, `init` when PID 1
    begins; a bare process has neither of these two.

    It is not asked earlier: the kernel repeats a request to an address that does not exist yet only after a second."""
    fresh = replace(
        definition, name=slot.name, data="", environment={**definition.environment, "NONCE": request.nonce}
    )
    address = network.copy_address(slot.number) if fresh.networked else ""
    fresh = replace(fresh, address=address, port=fresh.port if fresh.networked else slot.port)
    with removal.starting():
        prepared = prepare(fresh, destroy)
        stamps = {"requested": time.monotonic_ns()}
        handle, reached = launch(prepared)
    stamps |= reached
    with destroyed_on_failure(destroy, handle):
        alive = handle.process.lives
        found = first_boot(handle, handle.url, slot, request, stamps, handle.printed, alive=alive)
        records.write(handle)
    return found


def with_probe(definition: Definition, settings: dict[str, str]) -> Definition:
    """The same copy with the probe in the service's place."""
    given = {**definition.environment, **probe_environment(settings)}
    return replace(definition, command=instead_of(definition.command), environment=given)


# -- read back and change


def footprint(copy: Handle) -> Footprint:
    """Of the service, everything it started, and its init and supervisor if it has them. Only root can see what memory init
    uses, because it is closed to its own user."""
    pids = processes.tree(copy.process.pid)
    return Footprint(
        pss_bytes=sum(map(processes.pss_bytes, pids)),
        cgroup_bytes=memory_bytes(copy.main.pid) if "limits" in copy.definition.rungs else None,
        cpu_seconds=sum(map(processes.cpu_seconds, pids)),
        disk_instance_bytes=sum(f.lstat().st_blocks * 512 for f in copy.directory.rglob("*")),
    )


def limits(handle: Handle) -> Limits:
    """What its cgroups limit; without the rung `limits` the CPUs are those of its affinity, and memory is not limited."""
    pid = handle.main.pid
    if pid and "limits" not in handle.definition.rungs:
        return Limits(float(len(os.sched_getaffinity(pid))), None, enforced=False)
    found = held(pid) if pid else None
    if found is None:
        raise VmlabError(f"{handle.definition.name} has just ended; next: vmlab up of its stack")
    return Limits(found.cpus, found.memory_bytes, enforced=bool(found.cpus and found.memory_bytes))


def limits_of(kind: str, instance: dict[str, Any]) -> Limits:
    """What limits a stack's own copy."""
    return limits(running(kind, instance))


def set_limits(handle: Handle, cpus: float, memory_bytes: int) -> Handle:
    """Change what a running copy may use. An affinity is set on every thread that exists; new ones inherit it."""
    definition = replace(handle.definition, cpus=cpus, memory_bytes=memory_bytes)
    if "limits" in definition.rungs:
        cgroups.here().change(definition.name, cgroups.Held(cpus, memory_bytes, definition.pids))
    else:
        allowed = sorted(os.sched_getaffinity(0))[: max(1, math.ceil(cpus))]
        for pid in processes.tree(handle.main.pid):
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), allowed)
    changed = replace(handle, definition=definition)
    records.write(changed)
    return changed


def artifact_of(handle: Handle | None) -> Artifact | None:
    """The artifact it runs, by the identity of the directory that is its `/`, because a path means something else in another
    mount namespace; without a change of root by its program's path."""
    if handle is None or not handle.main.pid:
        return None
    process = Path(f"/proc/{handle.main.pid}")
    if "chroot" in handle.definition.rungs:
        root = roots.identity(process / "root")
        return next((a for a in artifacts.everything() if roots.identity(a.root) == root), None)
    program = str((process / "exe").readlink())
    return next((a for a in artifacts.everything() if program.startswith(f"{a.root}/")), None)


def tree_bytes(kind: str, instance: dict[str, Any]) -> int:
    """The size of the tree that a stack's own copy runs from; 0 when it is not one of the lab's."""
    found = artifact_of(records.find(kind, instance["name"]))
    return int(found.variants["slim"]["tree_bytes"]) if found else 0


def digest(kind: str, instance: dict[str, Any]) -> str:
    """The digest of that tree; "" when it is not one of the lab's."""
    found = artifact_of(records.find(kind, instance["name"]))
    return found.digest if found else ""
