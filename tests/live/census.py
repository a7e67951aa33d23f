"""The census: what tests may leave behind on this machine, counted before and after; each kind of thing is a row.

A module of tests chooses rows, and passes what tells its own things from others': groups of tests run side by side
(tests/groups.py), and their users may use the same daemons. The names in a row are what a failure prints. Out of scope:
what the user keeps on purpose (states, history, results, backups); removing anything; the census of a whole machine in a
sandbox (`host/census.py`).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker import APIClient

from clients.kubernetes.api import Api
from clients.libvirt import connection

Rows = dict[str, Callable[[], Iterable[str]]]
Census = dict[str, set[str]]
Thing = dict[str, Any]
LABEL = "vmlab.stack"
ANONYMOUS = re.compile("[0-9a-f]{64}")
LIBVIRT_FOLDERS = (
    "/etc/libvirt/qemu", "/etc/libvirt/storage", "/run/libvirt/qemu", "/run/libvirt/network", "/run/libvirt/storage",
    "/var/lib/libvirt/qemu", "/var/lib/libvirt/dnsmasq", "/var/log/libvirt/qemu",
)  # fmt: skip
# Not what a daemon keeps for itself, nor the folders that libvirt makes at its first guest and keeps.
LIBVIRTS_OWN = {"driver.pid", "autostarted", "ram", "snapshot", "channel", "target", "save", "dump"}
PAUSE_SECONDS = 0.1
SHARED = "images"  # another group's stack that runs the same artifact removes its image when it is destroyed
CLUSTER = {
    "namespaces": "/api/v1/namespaces",
    "volumes": "/api/v1/persistentvolumes",
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "claims": "/api/v1/persistentvolumeclaims",
    "deployments": "/apis/apps/v1/deployments",
    "classes": "/apis/storage.k8s.io/v1/storageclasses",
}


def take(rows: Rows) -> Census:
    """Everything there is now, by kind."""
    return {kind: set(count()) for kind, count in rows.items()}


def settled(rows: Rows, before: Census, seconds: float) -> list[str]:
    """What differs from `before`, in words, once nothing does or the time is up: daemons clear up a moment later."""
    deadline = time.monotonic() + seconds
    while (found := difference(before, take(rows))) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return found


def difference(before: Census, after: Census) -> list[str]:
    """What came and what went, in words."""
    came = [f"left: {kind}: {item}" for kind in after for item in sorted(after[kind] - before[kind])]
    gone = [f"gone: {kind}: {item}" for kind in after for item in sorted(before[kind] - after[kind])]
    return came + [row for row in gone if not row.startswith(f"gone: {SHARED}: ")]


def of_docker(docker: APIClient, counts: Callable[[Thing], bool], image: Callable[[Thing], bool]) -> Rows:
    """Docker's things for which `counts` holds, and images for which `image` does; not anonymous volumes."""
    return {
        "containers": lambda: (
            f"{c['Id'][:12]} {c['Names']}" for c in docker.containers(all=True) if counts(c)
        ),
        "networks": lambda: (f"{n['Id'][:12]} {n['Name']}" for n in docker.networks() if counts(n)),
        "volumes": lambda: (
            v["Name"]
            for v in docker.volumes()["Volumes"] or []
            if not ANONYMOUS.fullmatch(v["Name"]) and counts(v)
        ),
        "images": lambda: (f"{i['Id']} {i['RepoTags']}" for i in docker.images(all=True) if image(i)),
    }


def of_libvirt(counts: Callable[[str], bool]) -> Rows:
    """Libvirt's things, its files, and the control groups of its guests, by name or path, for which `counts` holds."""
    api = connection.open()
    return {
        "domains": lambda: filter(counts, (domain.name() for domain in api.listAllDomains())),
        "networks": lambda: filter(counts, (network.name() for network in api.listAllNetworks())),
        "pools": lambda: filter(counts, (pool.name() for pool in api.listAllStoragePools())),
        "files of libvirt": lambda: filter(counts, libvirt_files()),
        "control groups": lambda: filter(
            counts, (path for path in below("/sys/fs/cgroup") if "/machine/qemu-" in path)
        ),
    }


def of_cluster(api: Api, counts: Callable[[str], bool]) -> Rows:
    """Kubernetes' objects, as namespace/name, for which `counts` holds."""

    def of(path: str) -> Callable[[], Iterable[str]]:
        return lambda: filter(counts, (_named(row["metadata"]) for row in api.listed(path)))

    return {kind: of(path) for kind, path in CLUSTER.items()}


def of_states(state: Path) -> Rows:
    """What a killed engine leaves beside the states: locks and files that are half written."""
    return {
        "locks": lambda: (str(path) for path in state.rglob("*.json") if "locks" in path.parts),
        "torn files": lambda: (str(path) for end in ("*.tmp", "*.new") for path in state.rglob(end)),
    }


def of_processes(living: Callable[[], dict[int, str]]) -> Rows:
    """Processes, as pid and command line."""
    return {"processes": lambda: (f"{pid} {command}" for pid, command in living().items())}


def of_folders(**folders: tuple[Path, str]) -> Rows:
    """Files below folders, each with its pattern."""

    def of(folder: Path, pattern: str) -> Callable[[], Iterable[str]]:
        return lambda: (str(path) for path in folder.glob(pattern))

    return {name.replace("_", " "): of(*where) for name, where in folders.items()}


def libvirt_files() -> Iterator[str]:
    """What libvirt has on disk about guests; the sockets of a QEMU that it asks what it can do come and go."""
    for folder in LIBVIRT_FOLDERS:
        for path in below(folder):
            if path.rpartition("/")[2] not in LIBVIRTS_OWN and "/qmp-" not in path:
                yield path


def below(folder: str) -> Iterator[str]:
    """Files and folders below one whose content may vanish meanwhile, which Path.rglob does not survive."""
    for path, folders, files in os.walk(folder):
        yield from (f"{path}/{name}" for name in (*folders, *files))


def orphaned_taps() -> Iterator[str]:
    """Taps of libvirt's that no running domain and no bridge has. One of another group may be on its way in or out."""
    import libvirt  # not installed on every machine

    running = connection.open().listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    owned = ""
    for domain in running:
        with suppress(libvirt.libvirtError):  # it has just ended
            owned += domain.XMLDesc(0)
    for tap in Path("/sys/class/net").glob("vnet*"):
        if not (tap / "master").exists() and f"dev='{tap.name}'" not in owned:
            yield tap.name


def living() -> Iterator[tuple[int, str, bytes]]:
    """Living processes that can be looked at: pid, command line, environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except OSError:  # it ended, or is another user's
            continue
        if state not in "ZX" and int(folder.name) != os.getpid():
            yield int(folder.name), command, environment


def _named(metadata: dict[str, Any]) -> str:
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
