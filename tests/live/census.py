"""The census: everything that a run may leave behind, counted before and after (docs/engine-rules.md I1).

Docker's containers, networks, volumes and images; living processes that descend from the site's runs; files of the dynamic
resources, private directories of engines, locks and torn temporary files. What carries the labels of another stack is
another's. Left out: what the user keeps on purpose (state, history, backups); anonymous volumes and pulled images, which
this program has none of and other users of the same Docker have.
"""

from __future__ import annotations

import os
import re
import signal
import time
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from tests.live.site import PROJECT, Site

LABEL = "vmlab.stack"
ANONYMOUS = re.compile("[0-9a-f]{64}")
SETTLE_SECONDS = 3.0
Census = dict[str, set[str]]


def take(docker: APIClient, site: Site) -> Census:
    """Everything there is now."""
    containers = [c for c in docker.containers(all=True) if _may_be_ours(c, site)]
    networks = [n for n in docker.networks() if _may_be_ours(n, site)]
    named = [v for v in docker.volumes()["Volumes"] or [] if not ANONYMOUS.fullmatch(v["Name"])]
    volumes = [v for v in named if _may_be_ours(v, site)]
    images = [i for i in docker.images(all=True) if _may_be_ours(i, site)]
    return {
        "containers": {f"{c['Id'][:12]} {c['Names']}" for c in containers},
        "networks": {f"{n['Id'][:12]} {n['Name']}" for n in networks},
        "volumes": {v["Name"] for v in volumes},
        "images": {f"{i['Id']} {i['RepoTags']}" for i in images},
        "processes": {f"{pid} {command}" for pid, command in site.processes().items()},
        "resources": {str(path) for path in site.files.rglob("*")},
        "private directories": {str(path) for path in site.temporary.rglob("*")},
        "locks": {str(path) for path in (site.backend / ".pulumi" / "locks").rglob("*.json")},
        "torn files": {str(path) for path in site.backend.rglob("*.tmp")},
        "project": {str(path) for path in site.project.rglob("*")},
    }


def settle(docker: APIClient, site: Site, before: Census) -> Census:
    """The census once it equals `before`; the last one taken if it does not come to that in time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (now := take(docker, site)) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    return now


def difference(before: Census, after: Census) -> list[str]:
    """What came and what went, in words."""
    came = [
        f"left behind: {kind}: {item}"
        for kind, items in after.items()
        for item in sorted(items - before[kind])
    ]
    went = [f"gone: {kind}: {item}" for kind, items in before.items() for item in sorted(items - after[kind])]
    return came + went


def sweep(docker: APIClient, site: Site) -> None:
    """Remove what the site's stack made in Docker and end its processes, whatever the state says."""
    for pid in site.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    mine: dict[str, Any] = {"label": f"{LABEL}={PROJECT}/{site.stack}"}
    for container in docker.containers(all=True, filters=mine):
        _quietly(docker.remove_container, container["Id"], v=True, force=True)
    for network in docker.networks(filters=mine):
        _quietly(docker.remove_network, network["Id"])
    for volume in docker.volumes(filters=mine)["Volumes"] or []:
        _quietly(docker.remove_volume, volume["Name"], force=True)
    for image in docker.images(filters=mine):
        _quietly(docker.remove_image, image["Id"], force=True)


def _may_be_ours(thing: dict[str, Any], site: Site) -> bool:
    """Not claimed by another stack's label, not tagged by another test, and not pulled."""
    owner = (thing.get("Labels") or {}).get(LABEL, "")
    names = [*(thing.get("RepoTags") or []), *(thing.get("RepoDigests") or [])]
    tags = [name for name in names if name not in ("<none>:<none>", "<none>@<none>")]
    foreign = bool(tags) and not any(site.stack in tag for tag in tags)
    return owner in ("", f"{PROJECT}/{site.stack}") and not foreign


def _quietly(remove: Any, *arguments: Any, **options: Any) -> None:
    try:
        remove(*arguments, **options)
    except (NotFound, APIError):
        pass
