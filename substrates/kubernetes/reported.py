"""What the API server and the kubelet report of a pod: the only source where it runs on another machine.

Quantities are Kubernetes' (`500m`, `64Mi`). Out of scope: pods on this machine, which are read directly (node.py).
"""

from __future__ import annotations

import re
from typing import Any

from clients.kubernetes.choice import shared
from substrates.contract import Footprint, Limits
from substrates.kubernetes.copies import CORE, Handle

_SCALES = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_QUANTITY = re.compile(r"([0-9.]+)([A-Za-z]*)")


def footprint(copy: Handle) -> Footprint:
    """What the kubelet reports; the PSS is not known."""
    api = shared(copy.choice)
    host = api.get(copy.pod)["spec"]["nodeName"]
    rows = api.get(f"{CORE}/nodes/{host}/proxy/stats/summary")["pods"]
    found: dict[str, Any] = next((row for row in rows if row["podRef"]["uid"] == copy.uid), {})
    return Footprint(
        pss_bytes=None,
        cgroup_bytes=(found.get("memory") or {}).get("workingSetBytes"),
        cpu_seconds=(found.get("cpu") or {}).get("usageCoreNanoSeconds", 0) / 1e9,
        disk_instance_bytes=(found.get("ephemeral-storage") or {}).get("usedBytes", 0),
    )


def limits(status: dict[str, Any]) -> Limits:
    """The limits that the kubelet reports in a container's status: those that it has put into effect."""
    given = (status.get("resources") or {}).get("limits") or {}
    cpus, memory = quantity(given.get("cpu")), quantity(given.get("memory"))
    return Limits(cpus, None if memory is None else int(memory), enforced=bool(cpus and memory))


def image_bytes(node: dict[str, Any], image: str) -> int:
    """The size of an image as a node object lists it; 0 where it does not."""
    rows = node["status"].get("images") or []
    return next((row["sizeBytes"] for row in rows if image in (row.get("names") or [])), 0)


def quantity(text: str | None) -> float | None:
    """A quantity as a number; None for none, or for one with another suffix."""
    found = _QUANTITY.fullmatch(text or "")
    return float(found[1]) * _SCALES[found[2]] if found and found[2] in _SCALES else None
