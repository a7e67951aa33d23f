"""The filter against Docker's, by asking for every system call under both."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker import APIClient

from substrates import namespaces
from tests.live.namespaces.conftest import Starter
from tests.live.namespaces.test_tree import until
from tests.live.namespaces.traces import settled

IMAGE = "vmlab-try/refused"
EPERM, ENOSYS = 1, 38
LEAST_COMPARED = 200


@pytest.fixture
def asking(tmp_path: Path) -> bytes:
    """The program that asks for them all, static."""
    target = tmp_path / "refused"
    source = Path(__file__).with_name("refused.c")
    subprocess.run(["gcc", "-static", "-Os", "-s", "-o", str(target), str(source)], check=True)
    return target.read_bytes()


@pytest.fixture
def image(docker: APIClient, asking: bytes) -> Iterator[str]:
    """An image with nothing else in it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo("refused")
        entry.mode, entry.size = 0o755, len(asking)
        tar.addfile(entry, io.BytesIO(asking))
    docker.import_image_from_data(file.getvalue(), repository=IMAGE, tag="1")
    yield f"{IMAGE}:1"
    docker.remove_image(f"{IMAGE}:1", force=True)


def answers(text: str) -> dict[int, int]:
    """Errno by number of the call."""
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    return {int(number): int(errno) for number, errno in rows}


def under_docker(docker: APIClient, image: str) -> dict[int, int]:
    """Under Docker's default profile, as the same user without capabilities."""
    host = docker.create_host_config(cap_drop=["ALL"], network_mode="none")
    made = docker.create_container(image, ["/refused"], user="65532:65532", host_config=host)
    try:
        docker.start(made["Id"])
        settled(lambda: [] if b"done" in docker.logs(made["Id"]) else ["asking"])
        return answers(docker.logs(made["Id"]).decode())
    finally:
        docker.remove_container(made["Id"], force=True)


def test_it_refuses_all_that_dockers_default_refuses(
    running: Starter,
    definition: namespaces.Definition,
    docker: APIClient,
    image: str,
    asking: bytes,
    home: Path,
) -> None:
    """Each call that Docker's default profile refuses to the same user, and the kernel alone does not, our filter refuses."""
    program = home / "refused"
    program.write_bytes(asking)
    program.chmod(0o755)
    found = {}
    for name, rungs in (("nothing", ()), ("filter", ("no_new_privs", "seccomp"))):
        base = replace(definition, command=[str(program)], loader="", port=18996)
        handle = namespaces.start(replace(base, rungs=rungs))
        found[name] = answers(until(handle, "done"))
        namespaces.destroy(handle)
    theirs = under_docker(docker, image)

    def refused(answered: dict[int, int]) -> set[int]:
        return {number for number, errno in answered.items() if errno in (EPERM, ENOSYS)}

    by_docker, by_us = (
        refused(theirs) - refused(found["nothing"]),
        refused(found["filter"]) - refused(found["nothing"]),
    )
    compared = set(theirs) & set(found["filter"]) - refused(found["nothing"])
    assert len(compared) >= LEAST_COMPARED
    assert len(by_docker) >= 10
    assert sorted(by_docker - by_us) == []
    assert len(by_us) > len(by_docker)
