"""Building the artifact once: every variant, the images, and the index that `substrates.inputs.artifact` reads.

The cache is keyed by the definition, the service's files, the versions that apt would install, and RECIPE. A build happens in
a temporary folder that is renamed when it is complete; what a killed build left is removed. Without a network the last build
of the same definition is used. Out of scope: removing images from the registry.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from clients.registry import Registry
from host.artifact import apt, image, null, rootfs
from host.artifact import index as indexes
from host.artifact.definition import Definition, read
from host.artifact.index import Index
from host.reporting import Say, timed
from machine import addresses, locks, places
from machine.errors import InvalidInput, VmlabError

OURS = Path(__file__).resolve().parents[2] / "service" / "service.toml"
# Raise it when the modules of this folder make other trees or images from the same inputs. Not a hash of their source: a
# comment would rebuild everything.
RECIPE = 1
KEPT = 3
_UNFINISHED = ".building-"


@dataclass(frozen=True)
class _Plan:
    """What would be built, and where it belongs."""

    definition: Definition
    folder: Path
    status: Path
    packages: dict[str, dict[str, str]]


def build(path: Path, say: Say, registry: str = addresses.REGISTRY) -> Index:
    """The index of the artifact that a service.toml describes; built when it is not there yet, pushed if need be."""
    definition = read(path)
    base = _base()
    with locks.held("artifact", 2 * rootfs.BUILD_SECONDS):
        index = _current(definition, base, say)
        indexes.write(base / f"{definition.name}.json", index)
    for one in indexes.images(definition, index).values():
        if image.push(one, registry):
            say(f"artifact: pushed {registry}/{one.name}")
    return index


def is_built(path: Path = OURS) -> bool:
    """Whether the artifact of this definition is in the cache as it would be built now."""
    definition = read(path)
    try:
        folder = _plan(definition, _base()).folder
    except InvalidInput:
        raise
    except VmlabError:
        return _kept(definition, _base()) is not None
    return indexes.read(folder) is not None and (_base() / f"{definition.name}.json").exists()


def is_pushed(path: Path = OURS, registry: str = addresses.REGISTRY) -> bool:
    """Whether the registry has the images of what was built; VmlabError if no registry answers."""
    definition = read(path)
    index = json.loads((_base() / f"{definition.name}.json").read_text())
    variants = [v for v in index["variants"].values() if "image" in v]
    found = Registry(registry)
    names = [v["image"].removeprefix(f"{addresses.REGISTRY}/").rpartition(":") for v in variants]
    return all(found.digest(n[0], n[2]) == v["image_digest"] for n, v in zip(names, variants, strict=True))


def _current(definition: Definition, base: Path, say: Say) -> Index:
    """From the cache, else built; without a network the last one that was built from the same definition."""
    try:
        return _cached_or_built(definition, base, say)
    except InvalidInput:
        raise
    except VmlabError as error:
        kept = _kept(definition, base)
        if kept is None:
            raise
        say(f"artifact: {definition.name}: {str(error).splitlines()[0]}; using what was built before")
        return kept


def _cached_or_built(definition: Definition, base: Path, say: Say) -> Index:
    if not apt.have_lists():
        say("artifact: fetching the package lists")
        apt.fetch_lists()
    plan = _plan(definition, base)
    if (found := indexes.read(plan.folder)) is not None:
        say(f"artifact: {definition.name} is cached")
        return found
    try:
        return _built(plan, say)
    except InvalidInput:
        raise
    except VmlabError as error:
        # Mirrors drop superseded versions, so lists that look young can name files that are gone.
        say(f"artifact: {str(error).splitlines()[-1].strip()}; fetching the package lists and trying again")
        apt.fetch_lists()
        return _built(_plan(definition, base), say)


def _plan(definition: Definition, base: Path) -> _Plan:
    resolved = base / "resolved"
    resolved.mkdir(parents=True, exist_ok=True)
    status, nothing = resolved / f"{definition.name}.status", resolved / "empty.status"
    apt.write_status(status, definition.packages, definition.without)
    nothing.write_text("")
    full = [*definition.packages, *rootfs.GUEST_RESOLVED]
    packages = {
        "slim": apt.versions(definition.packages, status, resolved, definition.path),
        "full": apt.versions(full, nothing, resolved, definition.path),
    }
    key = hashlib.sha256(json.dumps([_origin(definition), RECIPE, packages]).encode()).hexdigest()[:16]
    return _Plan(definition, base / key, status, packages)


def _built(plan: _Plan, say: Say) -> Index:
    base = plan.folder.parent
    for left in (*base.glob(f"{_UNFINISHED}*"), *([plan.folder] if plan.folder.exists() else [])):
        say(f"artifact: removing {left.name}, which an interrupted build left")
        shutil.rmtree(left)
    fresh = base / f"{_UNFINISHED}{plan.folder.name}"
    fresh.mkdir(mode=0o755)
    try:
        index = _make(plan, fresh, say)
    except VmlabError:
        shutil.rmtree(fresh)
        raise
    fresh.rename(plan.folder)
    _forget_old(base, plan.definition.name, say)
    return index


def _forget_old(base: Path, name: str, say: Say) -> None:
    """A build is 200 MB. The last ones stay, because a running process may stand on their tree."""
    found = [index for path in base.glob(f"*/{indexes.FILE}") if (index := indexes.read(path.parent))]
    same = sorted((i for i in found if i["name"] == name), key=lambda i: int(i.get("made", 0)), reverse=True)
    for index in same[KEPT:]:
        folder = Path(index["root"]).parent
        say(f"artifact: removing {folder.name}, an old build of {name}")
        shutil.rmtree(folder)


def _make(plan: _Plan, fresh: Path, say: Say) -> Index:
    """The trees first, so that a wrong command is known before the slow one is made."""
    definition = plan.definition
    with timed(f"artifact: {definition.name}: slim", say):
        rootfs.build_slim(definition, fresh / "slim", plan.status)
    indexes.check_command(definition, fresh / "slim")
    null.build(fresh / "null")
    with timed(f"artifact: {definition.name}: full", say):
        installed = rootfs.build_full(definition, fresh / "full", list(plan.packages["slim"]))
    with timed(f"artifact: {definition.name}: packed", say):
        index = indexes.describe(definition, fresh, {**plan.packages, "full": installed})
        indexes.add_images(definition, index)
        shutil.rmtree(fresh / "full")
    index = indexes.moved(index, fresh, plan.folder) | {"origin": _origin(definition), "made": time.time_ns()}
    indexes.write(fresh / indexes.FILE, index)
    return index


def _kept(definition: Definition, base: Path) -> Index | None:
    """The last whole build of the same definition and files, whichever versions its packages have."""
    found = [index for path in base.glob(f"*/{indexes.FILE}") if (index := indexes.read(path.parent))]
    same = [index for index in found if index.get("origin") == _origin(definition)]
    return max(same, key=lambda index: int(index["made"]), default=None)


def _origin(definition: Definition) -> str:
    """The definition and its files; the names on this machine do not count."""
    parts = [definition.path.read_bytes(), null.SOURCE.read_bytes()]
    for target, source in sorted(definition.files.items()):
        parts += [target.encode(), source.read_bytes(), str(source.stat().st_mode & 0o100).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _base() -> Path:
    return places.make(places.cache() / "artifact")
