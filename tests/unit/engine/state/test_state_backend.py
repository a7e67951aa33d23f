"""The directory of states: layout, damage, and what a crash at any moment leaves."""

from __future__ import annotations

import errno
import gzip
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WrongUse
from engine.state import durable_files
from engine.state.backend import Backend, check_name, open_backend, root_of
from engine.state.history import add_history

OLD, NEW = b'{"version":3,"checkpoint":{"stack":"old"}}', b'{"version":3,"checkpoint":{"stack":"new"}}'


def test_layout_and_modes(backend: Backend) -> None:
    """Files are where Pulumi has them, private, with the state before in .bak."""
    backend.write("demo", "dev", OLD)
    backend.write("demo", "dev", NEW)
    root = backend.root / ".pulumi"
    assert (root / "meta.yaml").read_text() == "version: 1\n"
    assert (root / "stacks/demo/dev.json").read_bytes() == backend.read("demo", "dev") == NEW
    assert (root / "stacks/demo/dev.json.bak").read_bytes() == OLD
    for path in (backend.root, *backend.root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_reading_creates_nothing(backend: Backend) -> None:
    """Looking for a stack in an empty backend leaves no directory behind."""
    assert backend.stacks() == []
    assert not backend.exists("demo", "dev")
    with pytest.raises(WrongUse, match="there is no stack 'dev'"):
        backend.read("demo", "dev")
    assert not backend.root.exists()


def test_stacks_are_listed(backend: Backend) -> None:
    """All stacks or those of one project, also compressed ones, but no backups and no attributes."""
    for project, stack in (("a", "one"), ("a", "two.x"), ("b", "one")):
        backend.write(project, stack, OLD)
        backend.write(project, stack, OLD)
    directory = backend.state_file("a", "one").parent
    (directory / "one.json.attrs").write_text("{}")
    (directory / "packed.json.gz").write_bytes(gzip.compress(OLD))
    assert [(it.project, it.stack) for it in backend.stacks()] == [
        ("a", "one"),
        ("a", "packed"),
        ("a", "two.x"),
        ("b", "one"),
    ]
    assert [it.stack for it in backend.stacks("b")] == ["one"]


def test_gzip_is_read_and_replaced(backend: Backend) -> None:
    """A compressed state is read; the next write is plain and the compressed one becomes its backup."""
    backend.write("demo", "other", OLD)
    packed = backend.state_file("demo", "other").with_name("dev.json.gz")
    packed.write_bytes(gzip.compress(OLD))
    assert backend.read("demo", "dev") == OLD
    backend.write("demo", "dev", NEW)
    assert backend.read("demo", "dev") == NEW
    assert not packed.exists()
    assert gzip.decompress(packed.with_name("dev.json.gz.bak").read_bytes()) == OLD


def test_zstd_is_refused(backend: Backend) -> None:
    """A state that cannot be unpacked here says how it can be."""
    directory = backend.root / ".pulumi/stacks/demo"
    directory.mkdir(parents=True)
    (directory / "dev.json.zst").write_bytes(b"x")
    with pytest.raises(WrongUse, match="zstd") as caught:
        backend.read("demo", "dev")
    assert caught.value.next_command.startswith("zstd -d")


def test_remove_keeps_what_pulumi_keeps(backend: Backend) -> None:
    """Removing a stack leaves .bak and backups/, but no state, tags or history; `backups` leaves nothing."""
    backend.write("demo", "dev", OLD)
    add_history(backend, "demo", "dev", OLD, kind="update", started=1, result="succeeded")
    copy = backend.backup("demo", "dev")
    path = backend.state_file("demo", "dev")
    tags = path.with_name("dev.pulumi-tags")
    tags.write_text("{}")
    backend.remove("demo", "dev")
    assert not backend.exists("demo", "dev")
    assert not tags.exists()
    assert list(backend.history_directory("demo", "dev").glob("*")) == []
    assert path.with_name("dev.json.bak").read_bytes() == OLD
    assert copy is not None
    assert copy.read_bytes() == OLD
    backend.write("demo", "dev", OLD)
    backend.remove("demo", "dev", backups=True)
    assert not copy.exists()
    assert not path.with_name("dev.json.bak").exists()


def test_backups_can_be_switched_off(tmp_path: Path) -> None:
    """Pulumi's variable for it counts."""
    switch = {"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true"}
    backend = open_backend(f"file://{tmp_path}", switch)
    backend.write("demo", "dev", OLD)
    assert backend.backup("demo", "dev") is None


def test_history_is_pulumis(backend: Backend) -> None:
    """A run's record has Pulumi's members, the state beside it, and the newest comes first."""
    add_history(backend, "demo", "dev", OLD, kind="update", started=1, result="failed")
    add_history(
        backend, "demo", "dev", NEW, kind="destroy", started=3, result="succeeded", changes={"delete": 2}
    )
    paths = sorted(backend.history_directory("demo", "dev").glob("*.history.json"), reverse=True)
    records = [json.loads(path.read_bytes()) for path in paths]
    assert [record["kind"] for record in records] == ["destroy", "update"]
    assert records[0]["resourceChanges"] == {"delete": 2}
    assert set(records[1]) == {
        *("kind", "startTime", "message", "environment", "config", "version", "result", "endTime"),
    }
    states = sorted(backend.history_directory("demo", "dev").glob("*.checkpoint.json"))
    assert [path.read_bytes() for path in states] == [OLD, NEW]


@pytest.mark.parametrize("damage", [b"", b'{"version":3,', b"[]", b"\x1f\x8bxx", b"\xff"])
def test_damage_names_the_newest_readable_backup(backend: Backend, damage: bytes) -> None:
    """A damaged state names its file, the newest backup that can be read, and the command that puts it back."""
    backend.write("demo", "dev", OLD)
    older = backend.backup("demo", "dev")
    backend.write("demo", "dev", NEW)
    path = backend.state_file("demo", "dev")
    path.write_bytes(damage)
    bak = path.with_name("dev.json.bak")
    os.utime(bak)
    with pytest.raises(WrongUse, match="damaged") as caught:
        backend.read("demo", "dev")
    assert str(path) in str(caught.value)
    assert caught.value.next_command == f"cp {bak} {path}"
    bak.write_bytes(damage)
    with pytest.raises(WrongUse) as caught:
        backend.read("demo", "dev")
    assert caught.value.next_command == f"cp {older} {path}"


def test_damage_without_a_backup(backend: Backend) -> None:
    """A damaged state without a backup is still an error, never an empty stack."""
    backend.write("demo", "dev", b"{")
    with pytest.raises(WrongUse, match="no readable backup"):
        backend.read("demo", "dev")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "é", "x" * 101, "a\n"])
def test_bad_names(name: str) -> None:
    """A name that is no file name of one directory is refused."""
    with pytest.raises(WrongUse):
        check_name(name)


def test_good_names(backend: Backend) -> None:
    """Pulumi's alphabet is allowed up to a hundred characters, and checked on every way in."""
    assert check_name("A-z_0.9" + "x" * 93)
    with pytest.raises(WrongUse):
        backend.read("..", "dev")
    with pytest.raises(WrongUse):
        backend.lock_directory("demo", "..")


def test_urls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Absolute, relative and home directories are understood; other schemes are refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert root_of("file:///a%20b?no_tmp_dir=true") == Path("/a b")
    assert root_of("file://~/x") == tmp_path / "x"
    assert root_of("file://./x") == tmp_path / "x"
    assert open_backend("", {}).root == tmp_path
    assert open_backend("", {"PULUMI_BACKEND_URL": "file:///x"}).root == Path("/x")
    for url in ("s3://bucket", "https://api.pulumi.com", "/plain"):
        with pytest.raises(WrongUse, match="directories only"):
            root_of(url)


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    """A later layout, and the one from before projects, are named."""
    meta = tmp_path / ".pulumi/meta.yaml"
    meta.parent.mkdir()
    meta.write_text("version: 2\n")
    with pytest.raises(WrongUse, match="layout version 2"):
        Backend(tmp_path)
    meta.unlink()
    (tmp_path / ".pulumi/stacks").mkdir()
    (tmp_path / ".pulumi/stacks/dev.json").write_text("{}")
    with pytest.raises(WrongUse, match="before projects"):
        Backend(tmp_path)


# -- crashes


class Crash(BaseException):
    """The process ends here: no handler of the code under test may count on more than its `finally`."""


CALLS = ["open", "write", "fsync", "close", "link", "replace"]


def _write_with_failure(path: Path, fail_at: int, make: Callable[[], BaseException]) -> int:
    """Write NEW while the fail_at-th of the os calls fails; says how many there were."""
    count = 0

    def failing(name: str, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == fail_at:
                if name == "write":  # half of it gets to the disk
                    original(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise make()
            return original(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, failing(name, getattr(os, name)))
        try:
            durable_files.write(path, NEW, keep_previous=True)
        except (Crash, OSError):
            pass
    return count


@pytest.mark.parametrize("error", [Crash, lambda: OSError(28, "no space left")])
def test_a_failure_at_any_call_leaves_old_or_new(tmp_path: Path, error: Callable[[], BaseException]) -> None:
    """Whichever os call fails, the file is whole, the old content is never lost, and no rubbish is left."""
    path = tmp_path / "state.json"
    path.write_bytes(OLD)
    total = _write_with_failure(path, 0, error)
    assert total > 8
    for fail_at in range(1, total + 1):
        path.write_bytes(OLD)
        _write_with_failure(path, fail_at, error)
        content = path.read_bytes()
        assert content in (OLD, NEW)
        if content == NEW:
            assert path.with_name("state.json.bak").read_bytes() == OLD
        assert {it.name for it in tmp_path.iterdir()} <= {"state.json", "state.json.bak"}
        path.with_name("state.json.bak").unlink(missing_ok=True)


def test_order_of_durability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on the disk before the rename, and the rename before the write returns."""
    path = tmp_path / "state.json"
    path.write_bytes(OLD)
    order: list[str] = []

    def noting(name: str, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            order.append(name)
            return original(*args, **kwargs)

        return call

    for name in ("write", "fsync", "link", "replace"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    durable_files.write(path, NEW, keep_previous=True)
    assert order == ["write", "fsync", "link", "replace", "replace", "fsync"]


def test_without_links_the_backup_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links there is a backup all the same."""
    path = tmp_path / "state.json"
    path.write_bytes(OLD)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "not here")

    monkeypatch.setattr(os, "link", refuse)
    durable_files.write(path, NEW, keep_previous=True)
    assert path.with_name("state.json.bak").read_bytes() == OLD


def test_stale_attributes_go(tmp_path: Path) -> None:
    """The checksum go-cloud keeps beside a file goes with the content it was of."""
    path = tmp_path / "state.json"
    path.with_name("state.json.attrs").write_text(json.dumps({"md5": "x"}))
    durable_files.write(path, NEW)
    assert [it.name for it in tmp_path.iterdir()] == ["state.json"]


def test_what_engines_share_has_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each os call of making the layout's file there is nothing, or the whole file: a kill leaves no more."""
    seen: list[dict[str, bytes]] = []

    def looking(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                seen.append({it.name: it.read_bytes() for it in tmp_path.iterdir()})
                return original(*args, **kwargs)
            finally:
                seen.append({it.name: it.read_bytes() for it in tmp_path.iterdir()})

        return call

    for name in ("write", "fsync", "link", "replace", "close"):
        monkeypatch.setattr(os, name, looking(getattr(os, name)))
    durable_files.create(tmp_path / "meta.yaml", NEW, tmp_path)
    durable_files.create(tmp_path / "meta.yaml", OLD, tmp_path)

    assert len(seen) > 10
    assert all(found in ({}, {"meta.yaml": NEW}) for found in seen)
    assert stat.S_IMODE((tmp_path / "meta.yaml").stat().st_mode) == 0o600


def test_without_nameless_files_what_is_staged_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that refuses O_TMPFILE has a temporary file, never beside the lock, where others would read it."""
    opened, named = os.open, []

    def refuse(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not here")
        named.append(Path(path))
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    durable_files.create(tmp_path / "stack" / "lock.json", NEW, tmp_path)

    assert [path.parent for path in named if path.suffix == ".tmp"] == [tmp_path]
    assert (tmp_path / "stack" / "lock.json").read_bytes() == NEW
    assert {it.name for it in tmp_path.rglob("*")} == {"stack", "lock.json"}
