"""The artifact in use: cached, run in place, pulled and run by Docker, put into a guest, and a service of somebody else's."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from host.artifact import build, image, index, tree
from host.artifact.definition import read
from machine.errors import InvalidInput
from tests.live.artifact.conftest import NGINX, SECONDS, USER, Start, free_port, get, running

pytestmark = pytest.mark.live
Index = dict[str, Any]
UNITS = "etc/systemd/system/multi-user.target.wants/"
MAY_DIFFER = {"/etc/passwd", "/etc/group"}  # a guest has Debian's accounts too


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A new folder on the cache's file system."""
    folder = build._base() / f"test-{time.monotonic_ns()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_the_second_call_is_fast(ours: Index, registry: str) -> None:
    """Nothing changed: the same index in less than a second."""
    said: list[str] = []
    started = time.monotonic()
    again = build.build(build.OURS, said.append, registry)

    assert time.monotonic() - started < 1
    assert said == ["artifact: service is cached"]
    assert again == ours


def test_a_guest_runs_the_same_bytes(ours: Index) -> None:
    """Every file of `slim` is in `full` with the same content."""
    rows = map(json.loads, (Path(ours["root"]).parent / "manifest.jsonl").read_text().splitlines())
    wanted = {r["path"]: r["sha256"] for r in rows if r["type"] == "file" and r["path"] not in MAY_DIFFER}
    with tarfile.open(ours["variants"]["full"]["tar"]) as full:
        for entry in full:
            name = f"/{entry.name}"
            if name in wanted and (file := full.extractfile(entry)):
                assert hashlib.sha256(file.read()).hexdigest() == wanted.pop(name), name

    assert list(wanted) == []


def test_slim_is_small_and_has_no_privileges(ours: Index) -> None:
    """No logs, no package manager, nothing setuid, below 40 MB; the data directory is the service's."""
    root = Path(ours["root"])

    assert not [name for name in ("var/lib/dpkg", "usr/bin/dpkg", "usr/bin/sh") if (root / name).exists()]
    assert not list((root / "var/log").glob("*"))
    assert not [path for path in root.rglob("*") if path.lstat().st_mode & 0o6000 and path.is_file()]
    assert ours["variants"]["slim"]["tree_bytes"] < 40_000_000
    assert (root / "data").stat().st_uid == USER


def test_it_runs_in_place_from_its_own_bytes(ours: Index, in_place: Start) -> None:
    """As the service's user; not one file of this machine's is mapped."""
    with in_place("service") as (child, port):
        answer = json.loads(get(port))
        maps = Path(f"/proc/{child.pid}/maps").read_text()

    files = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "/" in line}
    assert answer["nonce"] == "n1"
    assert [file for file in files if not file.startswith(ours["root"])] == []


def test_the_interpreters_prefix_is_in_the_tree(ours: Index) -> None:
    """Started through the loader, Python still finds its own library."""
    root = Path(ours["root"])
    command = [
        *tree.in_place(root, root / "usr/bin/python3.11"),
        "-I",
        "-S",
        "-c",
        "import sys; print(sys.prefix)",
    ]

    assert subprocess.check_output(command, text=True).strip() == str(root / "usr")


def test_null_answers_with_the_same_keys(ours: Index, in_place: Start, tmp_path: Path) -> None:
    """The floor says what the service says, and ends on SIGTERM."""
    with in_place("service") as (_, port):
        wanted = list(json.loads(get(port)))
    with tarfile.open(ours["variants"]["null"]["tar"]) as tar:
        tar.extract("null", tmp_path, filter="tar")
    port = free_port()
    with running([str(tmp_path / "null")], env={"PORT": str(port), "NONCE": "n2"}):
        answer = json.loads(get(port))

    assert list(answer) == wanted
    assert answer["nonce"] == "n2"


@pytest.mark.parametrize("variant", ["slim", "null"])
def test_docker_pulls_and_runs_it(ours: Index, registry: str, docker: APIClient, variant: str) -> None:
    """From the registry by digest, with the id that the index says, read-only and without privileges."""
    one = index.images(read(build.OURS), ours)[variant]
    answer = json.loads(_run_in_docker(docker, f"{registry}/{one.repository}@{one.digest}", one.id))

    assert ours["variants"][variant]["image_id"] == one.id
    assert answer["nonce"] == "n3"
    assert not image.push(one, registry)


def test_a_service_of_somebody_elses_in_place(nginx: Index, in_place: Start) -> None:
    """Debian's nginx as the service's user, with its port from a template."""
    with in_place("nginx") as (child, port):
        body = get(port, nginx["health"])
        program = str(Path(f"/proc/{child.pid}/exe").readlink())

    assert b"nginx" in body
    assert program.startswith(nginx["root"])


def test_a_service_of_somebody_elses_in_docker(nginx: Index, registry: str, docker: APIClient) -> None:
    """The same bytes as an image."""
    one = index.images(read(NGINX), nginx)["slim"]

    assert b"nginx" in _run_in_docker(docker, f"{registry}/{one.repository}@{one.digest}", one.id)


def test_a_guest_does_not_start_it_twice(nginx: Index) -> None:
    """The package's own unit is off, ours is on."""
    with tarfile.open(nginx["variants"]["full"]["tar"]) as full:
        wanted = {Path(name).name for name in full.getnames() if name.startswith(UNITS)}

    assert "vmlab-service.service" in wanted
    assert "nginx.service" not in wanted


@pytest.mark.parametrize(
    ("packages", "command", "said"),
    [
        ('["no-such-package"]', '["{root}/x"]', "'packages': Debian has no package no-such-package"),
        ('["dash"]', '["{root}/usr/bin/nope"]', "'command': no program /usr/bin/nope in dash"),
    ],
)
def test_no_such_package_or_command(
    made: Callable[[Path], Index], tmp_path: Path, packages: str, command: str, said: str
) -> None:
    """One line with file and key, and nothing is left."""
    path = tmp_path / "service.toml"
    path.write_text(f'name = "wrong"\npackages = {packages}\ncommand = {command}\nport = 80\n')

    with pytest.raises(InvalidInput) as caught:
        made(path)

    assert str(caught.value).startswith(f"{path}: {said}")
    assert not (build._base() / "wrong.json").exists()


def test_a_killed_build_leaves_no_process(made: Callable[[Path], Index], elsewhere: Path) -> None:
    """kill -9 while dpkg runs: what it started ends with it, no mount is left."""
    code = (
        "import sys; from pathlib import Path; from host.artifact import build, rootfs; from host.artifact.definition "
        "import read; rootfs.build_full(read(build.OURS), Path(sys.argv[1]), [])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(elsewhere / "full")], cwd=build.OURS.parents[1])
    _until(lambda: (elsewhere / "full/usr").exists())
    child.send_signal(signal.SIGKILL)
    child.wait()

    _until(lambda: not _mentioning(str(elsewhere)))
    assert str(elsewhere) not in Path("/proc/mounts").read_text()


def _run_in_docker(docker: APIClient, name: str, wanted_id: str) -> bytes:
    """Pull, run hardened, ask `/`, remove."""
    port, container = free_port(), ""
    there = {one["Id"] for one in docker.images()}
    docker.pull(name)
    try:
        assert docker.inspect_image(name)["Id"] == wanted_id  # type: ignore[no-untyped-call]
        host = docker.create_host_config(
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            port_bindings={8080: ("127.0.0.1", port)},
            tmpfs={"/data": f"uid={USER}"},
        )
        environment = {"NONCE": "n3", "DATA_DIR": "/data"}
        container = docker.create_container(name, environment=environment, ports=[8080], host_config=host)[
            "Id"
        ]
        docker.start(container)
        return get(port)
    finally:
        if container:
            docker.remove_container(container, force=True, v=True)
        docker.remove_image(name if wanted_id in there else wanted_id, force=wanted_id not in there)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _mentioning(word: str) -> list[int]:
    """Processes with the word in their command line or that stand in such a folder; the dead do not count."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            where = f"{(folder / 'root').readlink()} {(folder / 'cwd').readlink()}"
            if word in where or word in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
