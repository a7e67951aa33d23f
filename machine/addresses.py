"""The address plan, in one place: ranges of 198.18.0.0/15 (RFC 2544, benchmarks), the registry, and the service's user.

No user's network is hidden, because this range is not routed. C sources and TOML repeat single values; a test compares them
with this file. Out of scope: the ports of stacks, which are in `stacks/`.
"""

from __future__ import annotations

LOOPBACK = "127.0.0.1"
REGISTRY = f"{LOOPBACK}:5000"  # Debian's docker-registry, for Docker and for containerd (plain HTTP)
REPOSITORY = f"{REGISTRY}/vmlab"  # what `host up artifact` pushes lies below it

OURS = "198.18.0.0/15"
DOCKER = "198.18.0.0/24"  # our dockerd's bridges, a /28 each
DOCKER_BRIDGE = "198.18.0.1/28"
DOCKER_POOL_BITS = 28
GUESTS = "198.18.1.0/24"  # libvirt's networks
GUESTS_NETWORK = "198.18.1.0/26"  # of a stack that names none
NAMESPACES = "198.18.2.0/24"
NAMESPACES_SERVICE = "198.18.2.2"
NODE = "198.18.3.1"
PODS = "198.19.0.0/17"
PODS_GATEWAY = "198.19.0.1"
SERVICES = "198.19.128.0/17"
API_SERVICE = "198.19.128.1"
DNS_SERVICE = "198.19.128.10"

USER = 65532  # uid and gid, "nonroot" of the distroless images: no account of a Debian host has it
FIRST_COPY_PORT = 18200  # on loopback: slot 0 of the copies that are booted to be measured
