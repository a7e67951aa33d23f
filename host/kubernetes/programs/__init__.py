"""The cluster's programs, one file each, in the order in which they are started.

The modules look alike: NAME, AFTER (whose readiness it waits for), configure, command, ready. Out of scope: starting them,
host/kubernetes/supervisor.py.
"""

from __future__ import annotations

from typing import Protocol

from host.kubernetes.programs import (
    apiserver,
    containerd,
    controllers,
    dns,
    etcd,
    kubelet,
    metrics,
    proxy,
    scheduler,
)


class Program(Protocol):
    """What a module of this package offers."""

    NAME: str
    AFTER: tuple[str, ...]

    def configure(self) -> None:
        """Write its files; the keys are there."""

    def command(self) -> list[str]:
        """Its command line."""

    def ready(self) -> bool:
        """Whether it answers now; never raises, takes a second at most."""


KNOWN: dict[str, Program] = {
    module.NAME: module
    for module in (containerd, etcd, apiserver, controllers, scheduler, kubelet, proxy, dns, metrics)
}
