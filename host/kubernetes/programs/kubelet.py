"""The kubelet: one node, on this machine's own kernel.

Cgroup v1 is allowed and driven as plain folders below a group of ours. Little free disk does not evict a lab's pods:
the limits are those of a disk that is really full. Out of scope: static pods, swap limits, graceful node shutdown.
"""

from __future__ import annotations

import json

from clients.kubernetes import places as run_time
from host.kubernetes import build, layout, mounts, pki, probes
from machine import addresses

NAME = "kubelet"
AFTER = ("kube-apiserver", "containerd")


def configure() -> None:
    layout.configuration("kubelet.json").write_text(json.dumps(_settings(), indent=2) + "\n")


def command() -> list[str]:
    return [
        build.program(NAME),
        f"--kubeconfig={layout.kubeconfig(NAME)}",
        f"--config={layout.configuration('kubelet.json')}",
        f"--hostname-override={layout.NODE}",
        f"--node-ip={addresses.NODE}",
        f"--root-dir={mounts.KUBELET}",
    ]


def ready() -> bool:
    return probes.answers("http://127.0.0.1:10248/healthz")


def _settings() -> dict[str, object]:
    certificate, key = pki.pair("kubelet-serving")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": addresses.NODE,
        "readOnlyPort": 0,
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{run_time.containerd_socket()}",
        "clusterDomain": layout.DOMAIN,
        "clusterDNS": [addresses.DNS_SERVICE],
        "podLogsDir": str(layout.data() / "pod-logs"),
        "volumePluginDir": str(layout.data() / "volume-plugins"),
        **_limits(),
    }


def _limits() -> dict[str, object]:
    return {
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup()}",
        "oomScoreAdj": 0,
        "failSwapOn": False,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
    }
