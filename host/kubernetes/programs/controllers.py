"""kube-controller-manager: started when the API server has its roles, without which it exits.

With upstream's 20 calls a second it takes 4 s to make its own clients, and the first pods wait for it. A volume and a claim
made within milliseconds of one another do not know each other yet, and wait for the next look: 15 s with upstream's period
(6 of 8 pairs), 1 or 2 s with ours. The autoscaler looks every 5 s instead of 15, and believes a new pod's use of CPU after
10 s instead of 300, so that it can be watched.
Out of scope: leader election: there is one instance.
"""

from __future__ import annotations

from host.kubernetes import build, layout, pki, probes

NAME = "kube-controller-manager"
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
        "--cluster-name=vmlab",
        f"--cluster-signing-cert-file={pki.certificate('ca')}",
        f"--cluster-signing-key-file={pki.key('ca')}",
        f"--root-ca-file={pki.certificate('ca')}",
        f"--service-account-private-key-file={pki.key('service-accounts')}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        f"--flex-volume-plugin-dir={layout.data() / 'volume-plugins'}",  # else it makes one under /usr/libexec
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
        "--pvclaimbinder-sync-period=1s",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]


def ready() -> bool:
    return probes.answers("https://127.0.0.1:10257/healthz")
