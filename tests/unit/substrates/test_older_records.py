"""What a version of the lab at commit 5814460 (November 2026) started is found, refreshed, booted from and destroyed.

The specs are those that its `substrates.process` and `substrates.rungs.records` wrote, but for names and paths.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machine import processes
from providers.namespaces import NamespacesProvider
from providers.process import ProcessProvider
from substrates import namespaces, process
from substrates.contract import Request, Slot
from tests.unit.substrates.test_process import FORKING, SERVER, free_port

NAME = "vmlab-old"
HELPERS = [
    "prlimit",
    "--nofile=1024:1024",
    "--nproc=256:256",
    "--core=0:0",
    "setpriv",
    "--no-new-privs",
    "--",
]


@pytest.fixture
def inputs(home: Path) -> Iterator[dict[str, Any]]:
    """A state's inputs of a process that the older version has started with its two helpers, and that runs."""
    folder = home / "run" / "process" / NAME
    (folder / "data").mkdir(parents=True)
    port = free_port()
    command = ["/usr/bin/python3", "-I", "-S", "-c", SERVER.format(extra=FORKING), "{port}"]
    definition = {
        "name": NAME, "command": command, "port": port, "health": "/", "cpus": 1.0, "memory_bytes": 512 * 1024**2,
        "environment": {}, "secret_file": "", "data": str(folder / "data"), "templates": {},
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [*HELPERS, *command[:-1], str(port)],
            env={"PATH": "/usr/bin:/bin", "VMLAB_COPY": str(folder)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = processes.find(child.pid)
    assert running
    spec = {"definition": definition, "process": {"pid": running.pid, "start_ticks": running.start_ticks}}
    (folder / "spec.json").write_text(json.dumps(spec))
    found = process.find(NAME)
    assert found
    process.wait(found)
    yield {**definition, "data": ""}
    process.remove_labelled()
    child.wait()


def test_an_older_process_is_refreshed(inputs: dict[str, Any]) -> None:
    """It reads as the state has it, so that no input changes and nothing is replaced; its outputs are those it had."""
    read = ProcessProvider().read(NAME, inputs)

    assert read.id == NAME
    assert read.outs
    assert ProcessProvider().diff(NAME, inputs, read.inputs or {}).changes is False
    found = process.find(NAME)
    assert found
    assert read.outs["pid"] == found.process.pid == found.main.pid
    assert read.outs["start_ticks"] == found.process.start_ticks
    assert read.outs["limits"] == {"cpus": 1.0, "memory_bytes": 512 * 1024**2, "enforced": False}


def test_an_older_process_is_destroyed(inputs: dict[str, Any]) -> None:
    """With what it started, by the provider's delete; nothing of it is left."""
    found = process.find(NAME)
    assert found
    family = [processes.find(pid) for pid in processes.tree(found.process.pid)]
    assert len(family) == 2

    ProcessProvider().delete(NAME, inputs)

    assert [one for one in family if one and one.lives()] == []
    assert process.names() == []


def test_copies_of_an_older_process_have_its_privileges(inputs: dict[str, Any]) -> None:
    """A copy that is booted from its record gives up the same privileges as every bare process."""
    definition = process.definition({"name": NAME})
    boot = process.boot(definition, Slot(5, free_port()), Request("/", "n0nce", echoed=True))
    try:
        status = Path(f"/proc/{boot.copy.main.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "CapEff:\t0000000000000000" in status or os.geteuid() != 0
    finally:
        process.destroy(boot.copy)


def test_an_older_record_of_rungs_is_read(home: Path) -> None:
    """Its supervisor is the copy's first process, and its rungs are those it was started with."""
    folder = home / "run" / "namespaces" / NAME
    folder.mkdir(parents=True)
    own = processes.find(os.getpid())
    assert own
    definition = {
        "name": NAME, "command": ["{root}/x"], "root": "/tree", "loader": "", "library_path": [], "port": 1, "health": "/",
        "cpus": 1.0, "memory_bytes": 512 * 1024**2, "rungs": ["mount", "chroot"], "pids": 256, "address": "",
        "environment": {}, "secret_file": "", "data": str(folder / "data"), "templates": {},
    }  # fmt: skip
    spec = {"definition": definition, "supervisor": {"pid": own.pid, "start_ticks": own.start_ticks}}
    (folder / "spec.json").write_text(json.dumps(spec))

    found = namespaces.find(NAME)

    assert found
    assert found.process == own
    assert found.definition.rungs == ("mount", "chroot")
    assert found.definition.supervised
    same = NamespacesProvider().definition({**definition})
    assert same == found.definition
