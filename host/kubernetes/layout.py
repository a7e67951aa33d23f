"""Names, addresses and folders of the cluster: every other module asks here.

Keys and kubeconfigs lie in the run folder, which is memory; what containers and etcd write lies in the cache. Both go
with `down`. Out of scope: the addresses of the other substrates (machine/addresses.py).
"""

from __future__ import annotations

from pathlib import Path

from host.kubernetes import build
from machine import places

NODE = "vmlab-node"
NODE_ADDRESS = "198.18.3.1"
API_PORT = 6443
API = f"https://{NODE_ADDRESS}:{API_PORT}"
# Of 198.18.0.0/15, which is set aside for benchmarks (RFC 2544), so that no user's network is hidden.
OURS = "198.18.0.0/15"
PODS = "198.19.0.0/17"
PODS_GATEWAY = "198.19.0.1"
SERVICES = "198.19.128.0/17"
API_SERVICE = "198.19.128.1"
DNS_SERVICE = "198.19.128.10"
DOMAIN = "cluster.local"
BRIDGE = "vmlab-k8s"
# Linux's number of the first namespace of processes (include/linux/proc_ns.h, PROC_PID_INIT_INO).
_FIRST_PIDS = 0xEFFFFFFC
REGISTRY = "127.0.0.1:5000"
# Whatever the programs listen on, by program. A taken one is refused before anything starts.
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
    return places.run() / "cluster"


def data() -> Path:
    """What etcd, containerd, the kubelet and CNI write."""
    return places.cache() / "cluster" / "data"


def pki() -> Path:
    """Certificates and keys, readable by root alone."""
    return run() / "pki"


def kubeconfig(user: str = "") -> Path:
    """The lab's own, or that of one of the programs."""
    return run() / "kubeconfigs" / user if user else run() / "kubeconfig"


def configuration(name: str) -> Path:
    """A program's own configuration file."""
    return run() / "etc" / name


def log(name: str) -> Path:
    """What a program says; stays after `down`, as the daemons' logs do."""
    return places.run() / f"cluster-{name}.log"


def containerd_socket() -> Path:
    """Where the kubelet, and crictl if somebody has it, find containerd."""
    return run() / "containerd.sock"


def cgroup() -> str:
    """The control group above all pods; a kubelet of somebody else's would make /kubepods.

    Groups are often shared with the outside where processes are not: a cluster in a sandbox must not tidy up another's."""
    number = Path("/proc/self/ns/pid").stat().st_ino
    return "vmlab-k8s" if number == _FIRST_PIDS else f"vmlab-k8s-{number}"


def program(name: str) -> str:
    """The path by which the one binary acts as a program."""
    return str(build.folder() / "bin" / name)
