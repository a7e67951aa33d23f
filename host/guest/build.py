"""Everything that guests boot from, built once and cached by content; `substrates.vm.guest` reads the index.

A kernel's folder is keyed by its package and `recipe`, a disk's by the artifact's build and `recipe`. What a killed build left
is made again. A second kernel that is not available is noted, and only its stack cannot run. Out of scope: how a kernel is
fetched (`kernel`) and a disk made (`disk`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from host.artifact import build as artifacts
from host.guest import disk, kernel
from host.reporting import Say, timed
from machine import commands, files
from machine.errors import VmlabError
from substrates.inputs.artifact import load
from substrates.vm import guest
from substrates.vm.accelerator.initramfs import Entry as File
from substrates.vm.accelerator.initramfs import archive, character_device, directory, program
from substrates.vm.accelerator.prove import STATIC

INIT = Path(__file__).with_name("init.c")
SOURCES = (INIT, *(INIT.with_name(name) for name in ("fail.h", "power.h")))
KERNELS = ("default", "other")
# Raise it when the modules of this folder make other kernels, initramfs or disks from the same inputs.
RECIPE = 1
_FLAGS = [*STATIC, "-Wno-format-truncation"]


def build(say: Say, artifact: dict[str, Any] | None = None) -> None:
    """Kernels, the empty disk, and the disks of an artifact (our own service's if none is given)."""
    kernels, absent = {}, {}
    for name in KERNELS:
        try:
            kernels[name] = _kernel(name, say)
        except VmlabError as error:
            if name == "default":
                raise
            absent[name] = str(error).splitlines()[0]
            say(f"guest: no other kernel ({absent[name]})")
    disks(say, artifact or artifacts.build(artifacts.OURS, say))
    index = {"kernels": kernels, "absent": absent, "recipe": recipe()}
    files.write_json(guest.folder() / guest.INDEX, index)


def disks(say: Say, artifact: dict[str, Any]) -> None:
    """Make the disks of one artifact, and the empty one; remove the disks of artifact builds that no longer exist."""
    base = guest.folder() / "disks"
    _forget(base)
    with timed(f"guest: the disks of {artifact['name']}", say, above_seconds=0.5):
        disk.build(artifact, base / Path(artifact["root"]).parent.name)
        if not (base / "empty.raw").exists():
            disk.empty(base / "empty.raw")


def is_built() -> bool:
    """Whether everything is in the cache as it would be built now."""
    index = guest.index()
    kernels = index.get("kernels", {})
    files = [Path(one[part]) for one in kernels.values() for part in ("image", "initramfs")]
    if not artifacts.is_built() or index.get("recipe") != recipe() or "default" not in kernels:
        return False
    own = guest.folder() / "disks" / load().root.parent.name
    files += [own / f"{variant}.raw" for variant in disk.VARIANTS]
    return all(path.exists() for path in [*files, guest.folder() / "disks" / "empty.raw"])


def recipe() -> str:
    """What kernels and disks follow from besides their packages: RECIPE, the C sources, their flags, and the settings."""
    inputs = [RECIPE, [path.read_text() for path in SOURCES], _FLAGS, kernel.DRIVERS, disk.SETTINGS]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _kernel(name: str, say: Say) -> dict[str, str]:
    base = guest.folder() / "kernels"
    source = kernel.own() if name == "default" else kernel.other(guest.folder() / "apt")
    package = kernel.candidate(source)
    key = hashlib.sha256(f"{package}{recipe()}".encode()).hexdigest()[:16]
    folder = base / f"{name}-{key}"
    if not (folder / "kernel.json").exists():
        with timed(f"guest: {package[0]} {package[1]}", say, above_seconds=0.5):
            _make(source, package, folder)
        for old in base.glob(f"{name}-*"):
            if old != folder:
                shutil.rmtree(old)
    found: dict[str, str] = json.loads((folder / "kernel.json").read_text())
    return found


def _make(source: kernel.Source, package: tuple[str, str], folder: Path) -> None:
    fresh = folder.with_name(f".{folder.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    tree = kernel.fetch(source, package, fresh / "work")
    kernel.image(tree, fresh / "kernel")
    (fresh / "initramfs").write_bytes(_initramfs(_init(fresh / "work/init"), kernel.drivers(tree)))
    found = {"release": kernel.release(tree), "package": package[0], "version": package[1]}
    found |= {"image": str(folder / "kernel"), "initramfs": str(folder / "initramfs")}
    shutil.rmtree(fresh / "work")
    for path in (fresh / "kernel", fresh / "initramfs"):
        path.chmod(0o444)
    (fresh / "kernel.json").write_text(json.dumps(found, indent=2) + "\n")
    fresh.rename(folder)


def _init(target: Path) -> bytes:
    commands.run(["gcc", *_FLAGS, "-o", str(target), str(INIT)], timeout_seconds=60)
    return target.read_bytes()


def _initramfs(init: bytes, drivers: list[tuple[str, bytes]]) -> bytes:
    order = "".join(f"/modules/{name}.ko\n" for name, _ in drivers)
    files = [directory(name) for name in ("dev", "modules", "sysroot")]
    files += [
        character_device("dev/console", 5, 1),
        program("init", init),
        File("modules/order", order.encode()),
    ]
    return archive([*files, *(File(f"modules/{name}.ko", data) for name, data in drivers)])


def _forget(base: Path) -> None:
    """Remove disks of artifact builds that no longer exist, and of another recipe; a running guest keeps its file open."""
    stamp = base / "recipe"
    if not stamp.exists() or stamp.read_text() != recipe():
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True)
        stamp.write_text(recipe())
    kept = {path.parent.name for path in (guest.folder().parent / "artifact").glob("*/index.json")}
    for folder in base.iterdir():
        if folder.is_dir() and folder.name not in kept:
            shutil.rmtree(folder)
