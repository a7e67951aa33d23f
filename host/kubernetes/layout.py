"""Names, ports and folders of the cluster, in one place.

Keys and kubeconfigs lie in the run folder, which is memory; what containers and etcd write lies in the cache. Both go
with `down`. Out of scope: the address plan (machine/addresses.py) and the run-time files that others read
(clients/kubernetes/places.py).
"""

from __future__ import annotations

from pathlib import Path

from clients.kubernetes import places as run_time
from machine import addresses, places

NODE = "vmlab-node"
API_PORT = 6443
API = f"https://{addresses.NODE}:{API_PORT}"
DOMAIN = "cluster.local"
BRIDGE = "vmlab-k8s"
# Linux's number of the first namespace of processes (include/linux/proc_ns.h, PROC_PID_INIT_INO).
_FIRST_PIDS = 0xEFFFFFFC
# Every port that a program listens on. A taken one is refused before anything starts.
PORTS = {
    API_PORT: "kube-apiserver",
    2379: "etcd",
    2380: "etcd",
    10250: "kubelet",
    10248: "kubelet",
    10249: "kube-proxy",
    10256: "kube-proxy",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
    4443: "metrics-server",
    10053: "coredns",
    10054: "coredns",
}


def run() -> Path:
    """Keys, configuration and sockets; gone after a reboot."""
    return run_time.folder()


def cache() -> Path:
    """Builds, a Go that was installed, the pause image, and `data`."""
    return places.cache() / run_time.ON_DISK


def data() -> Path:
    """What etcd, containerd, the kubelet and CNI write."""
    return cache() / "data"


def pki() -> Path:
    """Certificates and keys, readable by root alone."""
    return run() / "pki"


def kubeconfig(user: str = "") -> Path:
    """The lab's own, or that of one of the programs."""
    return run() / "kubeconfigs" / user if user else run_time.kubeconfig()


def configuration(name: str) -> Path:
    """A program's own configuration file."""
    return run() / "etc" / name


def log(name: str) -> Path:
    """A program's output; stays after `down`, as the daemons' logs do."""
    return places.run() / f"{run_time.ON_DISK}-{name}.log"


def cgroup() -> str:
    """The control group above all pods; another kubelet would make /kubepods.

    Groups are often shared with the outside where processes are not: a cluster in a sandbox must not remove another's."""
    number = Path("/proc/self/ns/pid").stat().st_ino
    return "vmlab-k8s" if number == _FIRST_PIDS else f"vmlab-k8s-{number}"
