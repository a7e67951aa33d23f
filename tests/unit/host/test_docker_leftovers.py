"""Leftovers of a killed Docker, in a tree of the test's own."""

from __future__ import annotations

import socket
from pathlib import Path

from host.docker import leftovers
from tests.unit.host.conftest import Proc


def dead_socket(path: Path) -> None:
    """A socket file that nobody listens on, as a killed daemon leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_stale_files_are_removed_and_said(tmp_path: Path, proc: Proc) -> None:
    """A gone pid, a pid that is another program's now, and sockets that refuse are cleared, each with a reason."""
    folder = tmp_path / "r"
    said: list[str] = []
    (folder / "docker/containerd").mkdir(parents=True)
    (folder / "docker.pid").write_text("50")
    (folder / "docker/containerd/containerd.pid").write_text("51")
    dead_socket(folder / "docker.sock")
    dead_socket(folder / "containerd/containerd.sock")
    proc.add(51, "postgres")

    leftovers.clear(said.append, folder, proc.root)

    assert [path for path in folder.rglob("*") if not path.is_dir()] == []
    assert len(said) == 4
    assert "pid 50 is gone" in said[0]
    assert "pid 51 is postgres now" in said[1]


def test_what_lives_stays(tmp_path: Path, proc: Proc) -> None:
    """A pid file of a living dockerd and a socket that accepts are left, and its pid is told."""
    folder = tmp_path / "r"
    said: list[str] = []
    folder.mkdir()
    (folder / "docker.pid").write_text("50")
    proc.add(50, "dockerd")
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(folder / "docker.sock"))
        alive.listen()
        leftovers.clear(said.append, folder, proc.root)

    assert said == []
    assert (folder / "docker.pid").exists()
    assert (folder / "docker.sock").exists()
    assert leftovers.holder(folder, proc.root) == 50


def test_survivors_are_only_this_dockers(tmp_path: Path, proc: Proc) -> None:
    """Our containerd, our shims and their children; the system's containerd and its shims are others'."""
    folder = tmp_path / "r"
    (folder / "docker/containerd").mkdir(parents=True)
    own = f"{folder}/docker/containerd/containerd"
    (folder / "docker/containerd/containerd.pid").write_text("60")
    proc.add(60, "containerd", command=f"containerd --config {own}.toml")
    proc.add(61, "containerd-shim", command=f"/usr/bin/containerd-shim-runc-v2 -address {own}.sock")
    proc.add(62, "sleep", parent=61)
    proc.add(70, "containerd", command="/usr/bin/containerd")
    proc.add(
        71,
        "containerd-shim",
        command="/usr/bin/containerd-shim-runc-v2 -address /run/containerd/containerd.sock",
    )

    assert sorted(leftovers.survivors(folder, proc.root)) == [60, 61, 62]

    (folder / "docker/containerd/containerd.pid").write_text("70")
    assert sorted(leftovers.survivors(folder, proc.root)) == [61, 62]
