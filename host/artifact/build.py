"""Building the artifact once: every variant, the image, and the index that `substrates.artifact` reads.

The cache is keyed by the definition, the service's files, the versions that apt would install, and the recipe's own code. A
build happens in a folder of its own that is renamed when it is whole; what a killed build left is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host import run
from host.artifact import image, manifest, rootfs
from host.artifact.definition import Definition, read
from host.errors import HostError
from substrates import places

REGISTRY = "127.0.0.1:5000"
OURS = Path(__file__).resolve().parents[2] / "service" / "service.toml"
_NULL = Path(__file__).resolve().parents[2] / "service" / "null.c"
_LIBRARIES = [f"{place}/{cpu}-linux-gnu" for cpu in ("x86_64", "aarch64") for place in ("lib", "usr/lib")]
# By their real paths: the links in /lib64 and /lib are absolute and would lead to the host's own loader.
_LOADERS = [f"{folder}/ld-linux-{cpu}" for folder in _LIBRARIES for cpu in ("x86-64.so.2", "aarch64.so.1")]
Say = Callable[[str], None]


def build(path: Path, say: Say) -> dict[str, Any]:
    """The index of the artifact that a service.toml describes; built when it is not there yet, pushed if need be."""
    definition = read(path)
    base = places.cache() / "artifact"
    base.mkdir(parents=True, exist_ok=True)
    folder = base / _key(definition)
    if not (folder / "index.json").exists():
        _make(definition, folder, say)
    index = json.loads((folder / "index.json").read_text())
    _push(definition, folder, index)
    _write(base / f"{definition.name}.json", index)
    return dict(index)


def is_built(path: Path = OURS) -> bool:
    """Whether the artifact of this definition is in the cache as it would be built now."""
    definition = read(path)
    folder = places.cache() / "artifact" / _key(definition)
    return (folder / "index.json").exists() and (folder.parent / f"{definition.name}.json").exists()


def _make(definition: Definition, folder: Path, say: Say) -> None:
    fresh = folder.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o755)
    for name, guest in (("slim", False), ("full", True)):
        say(f"artifact: making {name} of {definition.name}")
        rootfs.build(definition, fresh / f"{name}.tar", guest=guest)
    _extract(fresh / "slim.tar", fresh / "slim")
    _check_command(definition, fresh / "slim")
    _compile_null(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    index = _index(definition, fresh, folder)
    _write(fresh / "index.json", index)
    fresh.rename(folder)


def _extract(tar: Path, target: Path) -> None:
    with tarfile.open(tar) as archive:
        archive.extractall(
            target, filter="fully_trusted"
        )  # ours, and device nodes and owners must stay as they are


def _check_command(definition: Definition, root: Path) -> None:
    program = definition.command[0].replace("{root}/", "")
    if not (root / program).exists():
        raise HostError(
            f"{definition.path}: the command's program /{program} is in none of the packages "
            f"{', '.join(definition.packages)}"
        )


def _compile_null(folder: Path) -> None:
    """The floor: one static binary. `--build-id=none` and no debug data, so that it is the same each time."""
    (folder / "null").mkdir()
    flags = ["-static", "-Os", "-s", "-Wl,--build-id=none", "-Wall", "-Werror"]
    run.run(["gcc", *flags, "-o", str(folder / "null" / "null"), str(_NULL)], timeout=60)
    with tarfile.open(folder / "null.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        entry = archive.gettarinfo(folder / "null" / "null", "null")
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode = (
            rootfs.SECONDS,
            0,
            0,
            "",
            "",
            0o755,
        )
        with (folder / "null" / "null").open("rb") as file:
            archive.addfile(entry, file)


def _index(definition: Definition, fresh: Path, folder: Path) -> dict[str, Any]:
    digest, tree_bytes = manifest.digest(fresh / "slim.tar", definition)
    variants = {}
    for name in ("slim", "full", "null"):
        tar = fresh / f"{name}.tar"
        sums = {
            "tar": str(folder / tar.name),
            "tar_sha256": manifest.file_sha256(tar),
            "tar_bytes": tar.stat().st_size,
        }
        variants[name] = sums
    variants["slim"]["tree_bytes"] = tree_bytes
    root = fresh / "slim"
    return {
        "name": definition.name,
        "version": definition.version,
        "artifact": digest,
        "command": definition.command,
        "port": definition.port,
        "health": definition.health,
        "echoes_nonce": definition.echoes_nonce,
        "environment": definition.environment,
        "root": str(folder / "slim"),
        "loader": next(name for name in _LOADERS if (root / name).exists()),
        "library_path": [name for name in _LIBRARIES if (root / name).is_dir()],
        "variants": variants,
    }


def _push(definition: Definition, folder: Path, index: dict[str, Any]) -> None:
    """Both images; the registry says at once when it has them."""
    inside = [word.replace("{root}", "") for word in definition.command]
    for variant, repository, command in (
        ("slim", f"vmlab/{definition.name}", inside),
        ("null", "vmlab/null", ["/null"]),
    ):
        pushed = image.push(definition, folder / f"{variant}.tar", repository, REGISTRY, command)
        found = {"image": pushed.name, "image_digest": pushed.digest, "image_id": pushed.id}
        index["variants"][variant] |= found


def _key(definition: Definition) -> str:
    """What the result depends on. Without a network apt still knows the candidates of its last lists."""
    parts = [definition.path.read_bytes(), _NULL.read_bytes()]
    parts += [source.read_bytes() for _, source in sorted(definition.files.items())]
    parts += [Path(module).read_bytes() for module in (rootfs.__file__, manifest.__file__, __file__)]
    policy = run.run(
        ["apt-cache", "policy", *sorted({*definition.packages, *rootfs.GUEST_PACKAGES})], timeout=60
    )
    candidates = [
        line.strip() for line in policy.splitlines() if not line.startswith(" ") or "Candidate:" in line
    ]
    if any(line == "Candidate: (none)" for line in candidates):
        raise _no_candidate(definition, candidates)
    unknown = [name for name in definition.packages if f"{name}:" not in candidates]
    if unknown:
        raise _no_candidate(definition, unknown)
    parts.append("\n".join(candidates).encode())
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _no_candidate(definition: Definition, names: list[str]) -> HostError:
    from host.errors import WrongUse

    wanted = [n for n in definition.packages if n in names or f"{n}:" in names]
    return WrongUse(f"{definition.path}: packages: Debian has no package {', '.join(wanted) or names[0]}")


def _write(path: Path, index: dict[str, Any]) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(index, indent=1) + "\n")
    fresh.chmod(0o644)
    fresh.rename(path)
