"""The cache: when a build happens, when not, what an interrupted one leaves, and what holds without a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from host.artifact import apt, build, image, null, rootfs, tree
from host.artifact.definition import Definition, read
from machine.errors import InvalidInput, VmlabError


class World:
    """Instead of apt, mmdebstrap, gcc and the registry."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.version = "1"
        self.built: list[str] = []
        self.said: list[str] = []
        self.offline = False
        self.breaks = 0
        self.fetched = 0
        monkeypatch.setattr(apt, "versions", self.versions)
        monkeypatch.setattr(apt, "have_lists", lambda: True)
        monkeypatch.setattr(apt, "fetch_lists", self.fetch)
        monkeypatch.setattr(rootfs, "build_slim", self.slim)
        monkeypatch.setattr(rootfs, "build_full", self.full)
        monkeypatch.setattr(null, "build", lambda root: root.mkdir())
        monkeypatch.setattr(tree, "interpreter", lambda root, program: "ld.so")
        monkeypatch.setattr(image, "push", lambda one, registry: False)

    def versions(self, packages: list[str], status: Path, keep: Path, named_by: Path) -> dict[str, str]:
        return dict.fromkeys(packages, self.version)

    def fetch(self) -> None:
        self.fetched += 1
        if self.offline:
            raise VmlabError("no network")

    def slim(self, definition: Definition, root: Path, status: Path) -> None:
        if self.offline or self.breaks:
            self.breaks -= 1
            raise VmlabError("mmdebstrap: exit code 25\n  404 Not Found")
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/python3.11").write_text(self.version)
        (root / "usr/bin/python3.11").chmod(0o755)
        self.built.append("slim")

    def full(self, definition: Definition, root: Path, slim: list[str]) -> dict[str, str]:
        root.mkdir()
        self.built.append("full")
        return {"systemd": "252"}

    def build(self, definition: Definition) -> dict[str, object]:
        self.said.clear()
        return build.build(definition.path, self.said.append)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """The doubles."""
    return World(monkeypatch)


def test_it_is_built_once(world: World, definition: Definition) -> None:
    """A second call with nothing changed builds nothing and says so."""
    first = world.build(definition)
    second = world.build(definition)

    assert world.built == ["slim", "full"]
    assert world.said == ["artifact: service is cached"]
    assert first == second
    assert Path(str(first["root"])).is_dir()


def test_a_new_version_at_the_mirror_is_seen(world: World, definition: Definition) -> None:
    """Other versions make another tree beside the old one."""
    first = world.build(definition)
    world.version = "2"
    second = world.build(definition)

    assert first["artifact"] != second["artifact"]
    assert Path(str(first["root"])).is_dir()


def test_a_changed_file_is_seen(world: World, definition: Definition, tmp_path: Path) -> None:
    """The service's own files are part of the key."""
    world.build(definition)
    (tmp_path / "app.py").write_text("print('another')\n")
    world.build(definition)

    assert world.built == ["slim", "full"] * 2


def test_the_key_follows_the_inputs(
    world: World, definition: Definition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe's version, the definition, each file's content and mode, and the packages' versions make other keys."""

    def key() -> str:
        return build._plan(read(definition.path), build._base()).folder.name

    def changed(change: Callable[[], object]) -> bool:
        before = key()
        change()
        return key() != before

    null_source = tmp_path / "null.c"
    assert not changed(lambda: None)
    assert changed(lambda: monkeypatch.setattr(build, "RECIPE", 0))
    assert changed(lambda: definition.path.write_text(f"# a word\n{definition.path.read_text()}"))
    assert changed(lambda: (tmp_path / "app.py").write_text("print('another')\n"))
    assert changed(lambda: (tmp_path / "app.py").chmod(0o755))
    assert changed(lambda: setattr(world, "version", "2"))
    null_source.write_text("int main(void) { return 0; }\n")
    assert changed(lambda: monkeypatch.setattr(null, "SOURCE", null_source))


def test_a_comment_in_the_code_rebuilds_nothing(
    world: World, definition: Definition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is made without reading a module of vmlab's own."""
    seen: list[Path] = []
    read_bytes = Path.read_bytes

    def watched(path: Path) -> bytes:
        seen.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    build._plan(definition, build._base())

    folder = Path(build.__file__).parent
    assert seen
    assert [path for path in seen if path.is_relative_to(folder)] == []


def test_without_a_network_the_last_one_is_used(world: World, definition: Definition) -> None:
    """The lists know newer versions that cannot be fetched: what was built from this definition still holds."""
    first = world.build(definition)
    world.version, world.offline = "2", True

    assert world.build(definition) == first
    assert "using what was built before" in world.said[-1]


def test_without_a_network_another_definition_is_no_substitute(
    world: World, definition: Definition, tmp_path: Path
) -> None:
    """A tree without the change that the user made would be a lie."""
    world.build(definition)
    (tmp_path / "app.py").write_text("print('another')\n")
    world.offline = True

    with pytest.raises(VmlabError, match="no network"):
        world.build(definition)


def test_a_version_that_the_mirror_dropped(world: World, definition: Definition) -> None:
    """One failure to fetch renews the lists and tries again."""
    world.breaks = 1
    world.build(definition)

    assert world.fetched == 1
    assert world.built == ["slim", "full"]


@pytest.mark.parametrize("left", [".building-0123", "cut"])
def test_what_a_killed_build_left_is_removed(world: World, definition: Definition, left: str) -> None:
    """A half-built folder and a build with a tar cut off are no cache."""
    first = world.build(definition)
    folder = Path(str(first["root"])).parent
    if left == "cut":
        os.truncate(folder / "slim.tar", 10)
    else:
        (folder.parent / left).mkdir()
        (folder / "index.json").unlink()
    world.build(definition)

    assert world.built == ["slim", "full"] * 2
    assert any("an interrupted build left" in line for line in world.said)
    assert not list(folder.parent.glob(".building-*"))


def test_a_failed_build_leaves_nothing(world: World, definition: Definition) -> None:
    """Neither a pointer nor half a tree."""
    world.offline = True

    with pytest.raises(VmlabError):
        world.build(definition)

    base = build._base()
    assert not list(base.glob(".building-*"))
    assert not (base / "service.json").exists()
    assert not build.is_built(definition.path)


def test_a_command_that_no_package_has(world: World, toml: Callable[..., Path]) -> None:
    """Known before the slow part, as wrong use."""
    path = toml(start='name = "x"\npackages = ["dash"]\ncommand = ["{root}/usr/bin/nope"]\nport = 80\n')

    with pytest.raises(InvalidInput, match=r"service\.toml: 'command': no program /usr/bin/nope in dash"):
        build.build(path, world.said.append)

    assert world.built == ["slim"]
    assert not list(build._base().glob(".building-*"))


def test_everybody_can_read_it(world: World, definition: Definition) -> None:
    """User 65532 must get to the tree."""
    root = Path(str(world.build(definition)["root"]))

    assert all(path.stat().st_mode & 0o055 == 0o055 for path in (root.parent, root.parent.parent))


def test_old_builds_go(world: World, definition: Definition) -> None:
    """The last three stay: a running process may stand on one."""
    roots = []
    for version in "12345":
        world.version = version
        roots.append(Path(str(world.build(definition)["root"])))

    assert [root.exists() for root in roots] == [False, False, True, True, True]
