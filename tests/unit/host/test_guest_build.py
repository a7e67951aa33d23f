"""The initramfs and its one program, the index, and what is thrown away when the recipe changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from host.guest import build, disk, kernel
from machine.errors import Unavailable, VmlabError
from substrates.vm import guest

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler here; vmlab host up guest")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path))
    guest.folder().mkdir(parents=True)
    return tmp_path


@needs_gcc
def test_init_compiles_and_needs_nothing(tmp_path: Path) -> None:
    """Without a warning, static, small, and the same bytes twice: the initramfs has no library for it."""
    data = build._init(tmp_path / "init")

    assert data == build._init(tmp_path / "other")
    assert data.startswith(b"\x7fELF")
    assert len(data) < 1200 * 1024
    assert b"/lib64/ld-linux" not in data
    for text in (b"vmlab-guest init", b"vmlab-guest error: ", b"/modules/order", b"acpi_event"):
        assert text in data


@needs_gcc
def test_init_outside_a_guest_says_what_is_wrong(tmp_path: Path) -> None:
    """Run by hand without any right it names what it could not do; it does not power this machine off."""
    (tmp_path / "init").write_bytes(build._init(tmp_path / "made"))
    (tmp_path / "init").chmod(0o755)
    tmp_path.chmod(0o755)

    command = ["unshare", "--user", "--mount", "--pid", "--fork", "--", str(tmp_path / "init")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    if "unshare" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 1
    first, second = done.stdout.splitlines()[:2]
    cpus, memory_bytes = (
        len(os.sched_getaffinity(0)),
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )
    assert first == f"vmlab-guest init cpus={cpus} memory_bytes={memory_bytes}"
    assert second.startswith("vmlab-guest error: ")
    assert done.stdout.count("\n") == 2


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio here to read it back with")
def test_what_is_in_the_initramfs(tmp_path: Path) -> None:
    """One program, a console to speak to, the drivers, and their order; the same bytes each time."""
    drivers = [("virtio", b"one"), ("virtio_blk", b"two")]
    data = build._initramfs(b"\x7fELF", drivers)

    command = ["cpio", "--quiet", "-i", "--to-stdout", "modules/order"]
    order = subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()
    listed = subprocess.run(
        ["cpio", "--quiet", "-t"], input=data, capture_output=True, check=True
    ).stdout.decode()
    assert data == build._initramfs(b"\x7fELF", drivers)
    assert order == "/modules/virtio.ko\n/modules/virtio_blk.ko\n"
    assert set(listed.split()) == {
        "dev", "dev/console", "init", "modules", "modules/order", "modules/virtio.ko", "modules/virtio_blk.ko", "sysroot",
    }  # fmt: skip


def made(folder: Path, name: str) -> dict[str, str]:
    """A kernel as the index has it."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("kernel", "initramfs"):
        (folder / part).write_bytes(b"")
    return {
        "release": f"{name}-release",
        "image": str(folder / "kernel"),
        "initramfs": str(folder / "initramfs"),
    }


def test_an_absent_second_kernel_is_noted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stack alone cannot run, and says why; the first one's absence ends the build."""

    def only_default(name: str, _say: object) -> dict[str, str]:
        if name == "other":
            raise VmlabError("no other kernel here\n  details")
        return made(home / "kernels", name)

    said: list[str] = []
    monkeypatch.setattr(build, "_kernel", only_default)
    monkeypatch.setattr(build, "disks", lambda *_: None)
    build.build(said.append, {"name": "try"})

    assert guest.kernel().release == "default-release"
    with pytest.raises(Unavailable, match="no guest kernel 'other': no other kernel here") as caught:
        guest.kernel("other")
    assert caught.value.fix == "vmlab host up guest"
    assert said == ["guest: no other kernel (no other kernel here)"]

    def none(name: str, _say: object) -> dict[str, str]:
        raise VmlabError("none at all")

    monkeypatch.setattr(build, "_kernel", none)
    with pytest.raises(VmlabError, match="none at all"):
        build.build(said.append, {"name": "try"})


def test_a_torn_index_is_none(home: Path) -> None:
    """What a killed build left counts as not built."""
    (guest.folder() / guest.INDEX).write_text('{"kernels": {"def')

    assert guest.index() == {}
    assert not build.is_built()
    with pytest.raises(Unavailable, match="it was not built on this machine"):
        guest.kernel()


def test_disks_of_builds_that_are_gone_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of artifacts that are there stay while the recipe is the same; with another recipe all go."""
    base = guest.folder() / "disks"
    index = home / "cache/artifact/abc/index.json"
    index.parent.mkdir(parents=True)
    index.write_text("{}")
    build._forget(base)
    for name in ("abc", "gone"):
        (base / name).mkdir()
    build._forget(base)
    assert sorted(path.name for path in base.iterdir()) == ["abc", "recipe"]

    monkeypatch.setattr(build, "recipe", lambda: "another")
    build._forget(base)
    assert [path.name for path in base.iterdir()] == ["recipe"]


def test_a_kernel_is_made_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same package and recipe are taken from the cache; a newer package takes the older one's place."""
    package = ["linux-image-1", "1"]
    count = []

    def make(_source: object, _package: object, folder: Path) -> None:
        count.append(folder)
        found = made(folder, package[0])
        (folder / "kernel.json").write_text(json.dumps(found))

    monkeypatch.setattr(kernel, "candidate", lambda _source: tuple(package))
    monkeypatch.setattr(build, "_make", make)
    first = build._kernel("default", print)
    assert build._kernel("default", print) == first
    package[:] = ["linux-image-2", "1"]

    assert build._kernel("default", print)["release"] == "linux-image-2-release"
    assert len(count) == 2
    assert [path.name for path in (guest.folder() / "kernels").iterdir()] == [count[1].name]


def test_the_recipe_reads_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment in a module rebuilds nothing: of files only the C sources are part of the key."""
    read: list[str] = []
    text = Path.read_text

    def watched(path: Path) -> str:
        read.append(path.name)
        return text(path)

    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"read {path}"))
    monkeypatch.setattr(Path, "read_text", watched)

    assert build.recipe() == build.recipe()

    assert sorted(set(read)) == ["fail.h", "init.c", "power.h"]


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (build, "RECIPE", 0),
        (build, "_FLAGS", ["-O0"]),
        (build, "SOURCES", (build.INIT,)),
        (kernel, "DRIVERS", ("virtio_blk",)),
        (disk, "SETTINGS", [1]),
    ],
)
def test_each_input_changes_the_recipe(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object
) -> None:
    """The recipe's version, the program, its flags, the drivers and the disks' settings are part of the key."""
    before = build.recipe()
    monkeypatch.setattr(module, name, value)

    assert build.recipe() != before
