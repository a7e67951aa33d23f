"""kube-scheduler, with upstream's own profile.

Out of scope: leader election: there is one instance.
"""

from __future__ import annotations

from host.kubernetes import build, layout, probes

NAME = "kube-scheduler"
AFTER = ("kube-apiserver",)


def configure() -> None:
    """Nothing but its kubeconfig, which host/kubernetes/kubeconfigs.py writes."""


def command() -> list[str]:
    kubeconfig = layout.kubeconfig(NAME)
    return [
        build.program(NAME),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]


def ready() -> bool:
    return probes.answers("https://127.0.0.1:10259/healthz")
