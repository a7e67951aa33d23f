"""kube-proxy: services as rules of iptables.

Node ports are on the node's address only, and the kernel's connection tracking keeps its settings. Out of scope: the modes
ipvs and nftables; the latter needs the command nft.
"""

from __future__ import annotations

import json

from host.kubernetes import build, layout, probes
from machine import addresses

NAME = "kube-proxy"
AFTER = ("kube-apiserver", "kubelet")


def configure() -> None:
    settings = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig(NAME))},
        "hostnameOverride": layout.NODE,
        "bindAddress": addresses.NODE,
        "clusterCIDR": addresses.PODS,
        "nodePortAddresses": [f"{addresses.NODE}/32"],
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "oomScoreAdj": 0,
        "iptables": {"localhostNodePorts": False},
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    layout.configuration("kube-proxy.json").write_text(json.dumps(settings, indent=2) + "\n")


def command() -> list[str]:
    return [build.program(NAME), f"--config={layout.configuration('kube-proxy.json')}"]


def ready() -> bool:
    return probes.answers("http://127.0.0.1:10256/healthz")
