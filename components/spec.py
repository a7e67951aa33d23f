"""The contract that makes the comparison fair: every component has the same arguments and the same outputs."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pulumi

from substrates.inputs.artifact import Artifact, load

MIB = 1024**2
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
OUTPUTS = ("substrate", "url", "instance", "artifact", "limits", "conditions")


@dataclass
class ServiceArgs:
    """One service and what it may use; the same for every substrate."""

    artifact: Artifact
    port: int  # on the host's loopback; 0 where the service has its own address
    cpus: float = 1.0
    memory_bytes: int = 512 * 1024**2
    environment: dict[str, str] = field(default_factory=dict)
    secret: pulumi.Output[str] | None = None
    replicas: int = 1

    def __post_init__(self) -> None:
        self.memory_bytes = whole_mebibytes(self.memory_bytes)


def from_config(config: pulumi.Config) -> ServiceArgs:
    """The arguments as the stack's configuration has them; ValueError names the wrong key."""
    return ServiceArgs(
        artifact=load(config.get("service") or os.environ.get("VMLAB_SERVICE") or "service"),
        port=config.get_int("port") or 0,
        cpus=positive_number("cpus", config.get("cpus") or "1"),
        memory_bytes=size_bytes("memory", config.get("memory") or "512MiB"),
        environment=settings(config.get_object("environment") or {}),
        secret=config.get_secret("secret"),
        replicas=config.get_int("replicas") or 1,
    )


def require_port(args: ServiceArgs) -> None:
    """ValueError where a substrate needs a port of this host and none is configured."""
    if not 0 < args.port < 65536:
        raise ValueError(f"port must be from 1 to 65535, not {args.port}; next: vmlab config set port 18080")


def settings(named: Mapping[str, Any]) -> dict[str, str]:
    """Settings as texts of one line, because a guest reads them from a file with one setting a line."""
    found = {str(name): str(value) for name, value in named.items()}
    for name, value in found.items():
        if any(unicodedata.category(character) == "Cc" for character in name + value):
            raise ValueError(
                f"environment must not contain control characters such as a line feed: {name!r} does"
            )
    return found


def size_bytes(key: str, text: str) -> int:
    """`512MiB` as bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG](?:i?B)?|)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{key} must be a size such as 512MiB or 1GiB, not {text!r}")
    unit = match[2].upper()
    return int(Fraction(match[1]) * _UNITS[unit if unit.endswith("IB") else unit.rstrip("B")])


def whole_mebibytes(memory_bytes: int) -> int:
    """The memory limit of every substrate: rounded down to whole MiB, once and for all of them, because Docker's provider and
    libvirt count in MiB and cgroups in pages; ValueError below 1 MiB."""
    if memory_bytes < MIB:
        raise ValueError(
            f"memory must be at least 1MiB (it is rounded down to whole MiB), not {memory_bytes} bytes"
        )
    return memory_bytes - memory_bytes % MIB


def positive_number(key: str, text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1024:
        raise ValueError(f"{key} must be a number above 0, not {text!r}")
    return number


def object_name(component: str, part: str) -> str:
    """The name of an object on this machine: the stack's, and a hash of the component and the part."""
    identity = f"{pulumi.get_project()}/{pulumi.get_stack()}/{component}/{part}"
    return f"vmlab-{pulumi.get_stack()}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"


def conditions(**members: Any) -> dict[str, Any]:
    """What differs between substrates; here the members that all of them have."""
    return {"kernel": platform.release(), "machine": platform.machine(), **members}


def probe(args: ServiceArgs) -> dict[str, Any]:
    """How the lab recognises the service's answer."""
    path = "/" if args.artifact.echoes_nonce else args.artifact.health
    return {"path": path, "echoes_nonce": args.artifact.echoes_nonce}
