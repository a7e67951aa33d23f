"""Limits are those of the running thing: one that is changed in the copy's own cgroup from outside is reported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from machine import cgroups
from machine.errors import Unavailable
from substrates import namespaces, oci
from substrates.contract import Limits, Request, Slot
from substrates.docker import plain
from substrates.docker import substrate as docker
from substrates.inputs import artifact

MIB = 1024**2
SLOT, REQUEST = Slot(96, 18296), Request("/", "n0nce", echoed=True)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="cgroups belong to root")


@dataclass(frozen=True)
class Copy:
    """A running copy: its service's pid, and how its limits are read."""

    pid: int
    limits: Callable[[], Limits]


@pytest.fixture
def copy(request: pytest.FixtureRequest) -> Iterator[Copy]:
    """One on this substrate, of the lab's own service with 1 CPU and 512 MiB."""
    module, definition = _definition(request.param)
    boot = module.boot(definition, SLOT, REQUEST)
    try:
        yield _copy(module, boot.copy)
    finally:
        module.destroy(boot.copy)


def _definition(name: str) -> tuple[Any, Any]:
    service = artifact.load()
    try:
        if name == "docker":
            plain.fetch_image(service, "service")
            return docker, plain.definition(service, "service", "host", SLOT.port, 1.0, 512 * MIB)
        if name == "oci":
            return oci, oci.definition("runc", service, "service", 1.0, 512 * MIB)
        return namespaces, namespaces.for_ladder(service)
    except Unavailable as error:
        pytest.skip(str(error))


def _copy(module: Any, handle: Any) -> Copy:
    if module is docker:
        pid = docker._inspect(handle.id)["State"]["Pid"]
        return Copy(pid, lambda: docker.limits({"id": handle.id}))
    if module is oci:
        return Copy(oci._processes(handle)[0].pid, lambda: oci.limits(handle))
    return Copy(handle.main.pid, lambda: namespaces.limits({"name": handle.definition.name}))


@pytest.mark.parametrize("copy", ["namespaces", "oci", "docker"], indirect=True)
def test_a_limit_changed_from_outside_is_reported(copy: Copy) -> None:
    """What was asked for at first, then what the kernel was given since."""
    assert copy.limits() == Limits(1.0, 512 * MIB, enforced=True)

    groups = cgroups.folders(copy.pid)
    for folder, file in ((groups.get("memory"), "memory.limit_in_bytes"), (groups.get(""), "memory.max")):
        if folder and (folder / file).exists():
            (folder / file).write_text(str(300 * MIB))

    assert copy.limits() == Limits(1.0, 300 * MIB, enforced=True)
