"""The built-in Kubernetes on an empty machine: up, used, killed piece by piece, down, and nothing is left.

In the sandbox, with the programs that are built already. Its pods run the pause image. Left out: building, and what a
stack puts into it.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host.kubernetes import build, layout, programs
from machine import addresses
from tests.conftest import repetitions
from tests.live.host.conftest import Done, Sandbox, missing
from tests.live.host.test_up_and_down import states

pytestmark = [pytest.mark.live, pytest.mark.timeout(400)]
PART = "kubernetes"
POD_SECONDS = 30
OUTSIDE = "198.51.100.1"  # of a range for documentation (RFC 5737), here that of a neighbour
STOPPED = {PART: ("stopped", False)}
RUNNING = {PART: ("running", True)}


class Cluster:
    """The sandbox's cluster, driven as a user would."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def up(self) -> Done:
        return self.sandbox.host("up", PART)

    def down(self, *, force: bool = False) -> Done:
        return self.sandbox.host("down", PART, force=force)

    def status(self) -> dict[str, Any]:
        return self.sandbox.host("status", PART).json[PART]

    def kubectl(self, *words: str) -> Done:
        return self.sandbox.run(
            build.program("kubectl"), f"--kubeconfig={self.status()['kubeconfig']}", *words
        )

    def pids(self) -> dict[str, int]:
        """The programs' pids inside, by name."""
        done = self.sandbox.run("cat", str(layout.run() / "programs.json"))
        return {one["name"]: one["pid"] for one in json.loads(done.out)}

    def run_pod(self) -> None:
        """A pod that holds still."""
        image = json.loads((build.base() / "pause" / "image.json").read_text())["image"]
        assert self.kubectl("run", "still", f"--image={image}").code == 0
        self.until(lambda: self.pod()["status"]["phase"] == "Running", "the pod runs")

    def run_web(self) -> tuple[str, str]:
        """A pod that answers, behind a service; the addresses of both, the service's first."""
        image = json.loads((build.base() / "pause" / "image.json").read_text())["image"]
        container = {
            "name": "web",
            "image": image,
            "command": ["/busybox", "httpd", "-f", "-p", "8080"],
            "volumeMounts": [{"name": "busybox", "mountPath": "/busybox"}],
        }
        volumes = [{"name": "busybox", "hostPath": {"path": "/bin/busybox", "type": "File"}}]
        spec = json.dumps({"spec": {"containers": [container], "volumes": volumes}})
        assert self.kubectl("run", "web", f"--image={image}", f"--overrides={spec}").code == 0
        assert self.kubectl("expose", "pod", "web", "--port=80", "--target-port=8080").code == 0
        self.until(lambda: bool(self.told("pod", "web", "{.status.podIP}")), "the pod has an address")
        return self.told("service", "web", "{.spec.clusterIP}"), self.told("pod", "web", "{.status.podIP}")

    def told(self, kind: str, name: str, path: str) -> str:
        """One field of an object."""
        return self.kubectl("get", kind, name, "-o", f"jsonpath={path}").out

    def add_neighbour(self) -> None:
        """A network namespace beside this machine, by a pair of links; it knows the way to the cluster and listens outside."""
        commands = [
            "ip netns add lan",
            "ip link add to-lan type veth peer name eth0 netns lan",
            "ip address add 203.0.113.1/24 dev to-lan",
            "ip link set to-lan up",
            f"ip route add {OUTSIDE}/32 via 203.0.113.2",
            "ip -n lan address add 203.0.113.2/24 dev eth0",
            f"ip -n lan address add {OUTSIDE}/32 dev lo",
            "ip -n lan link set lo up",
            "ip -n lan link set eth0 up",
            f"ip -n lan route add {addresses.OURS} via 203.0.113.1",
            "ip netns exec lan busybox httpd -p 80 -h /proc/self/net",
        ]
        for command in commands:
            done = self.sandbox.run(*command.split())
            assert done.code == 0, f"{command}: {done.said}"

    def remove_neighbour(self) -> None:
        """End what listens in it, and take it away with what `ip netns` itself leaves."""
        for pid in self.sandbox.run("ip", "netns", "pids", "lan").out.split():
            assert self.sandbox.run("kill", pid).code == 0
        for command in (
            "ip link delete to-lan",
            "ip netns delete lan",
            "umount /run/netns",
            "rmdir /run/netns",
        ):
            done = self.sandbox.run(*command.split())
            assert done.code == 0, f"{command}: {done.said}"

    def reaches(self, url: str, *where: str) -> bool:
        """Whether somebody answers there, whatever he says."""
        return self.sandbox.run(*where, "curl", "-sk", "-m", "2", "-o", "/dev/null", url).code == 0

    def pod(self) -> dict[str, Any]:
        """The pod as the API has it."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "pod", "still", "-o", "json").out)
        return found

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + POD_SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"not within {POD_SECONDS} s: {what}"
            time.sleep(0.1)


@pytest.fixture
def cluster(sandbox: Sandbox) -> Cluster:
    """An empty machine on which the programs are built and a registry answers."""
    if not build.is_built():
        missing(f"Kubernetes {build.VERSION} is not built: vmlab host up kubernetes")
    inside = Path(f"/proc/{sandbox.first}/root")
    shutil.copytree(build.folder(), inside / str(build.folder()).lstrip("/"), symlinks=True)
    assert sandbox.host("up", "registry").code == 0
    return Cluster(sandbox)


def test_up_is_quick_and_down_leaves_nothing(cluster: Cluster) -> None:
    """Ready in 6 s, a pod runs; a second `up` starts nothing; `down` spares pods unless forced, then all is as before."""
    before = cluster.sandbox.census()

    started = time.monotonic()
    first = cluster.up()
    seconds = time.monotonic() - started
    cluster.run_pod()
    pids = cluster.pids()
    noted = json.loads(cluster.sandbox.run("cat", str(layout.run() / "ready.json")).out)
    again = cluster.up()
    refused = cluster.down()
    during = cluster.sandbox.census()
    forced = cluster.down(force=True)

    assert states(first) == RUNNING, first.said
    assert seconds < 6 * load(), f"{seconds:.1f} s"
    assert 1 < noted["seconds"] < seconds
    assert "already running" in again.said
    assert cluster_names() <= set(during["processes"])
    assert set(pids) == set(programs.KNOWN)
    assert refused.code == 1
    assert "default/still" in refused.said
    assert states(forced) == STOPPED
    assert cluster.sandbox.census() == before


def test_time_after_time(cluster: Cluster) -> None:
    """Up and down ten times (three without --soak), each time with a pod: each leaves the machine as it was."""
    before = cluster.sandbox.census()

    for _ in range(repetitions(full=10, sample=3)):
        assert states(cluster.up()) == RUNNING
        cluster.run_pod()
        assert states(cluster.down(force=True)) == STOPPED
        assert cluster.sandbox.census() == before


def test_killed_programs_come_back(cluster: Cluster) -> None:
    """After kill -9 of any program `status` names it, `up` waits until it is back, and the pod is the same one."""
    before = cluster.sandbox.census()
    cluster.up()
    cluster.run_pod()
    uid = cluster.pod()["metadata"]["uid"]

    for name, pid in cluster.pids().items():
        assert cluster.sandbox.run("kill", "-KILL", str(pid)).code == 0
        told = cluster.status()
        mended = cluster.up()

        assert name in told["detail"], f"{name} was killed: {told}"
        assert states(mended) == RUNNING, f"{name} was killed: {mended.said}"
        assert cluster.pids()[name] not in (0, pid)
        cluster.until(lambda: cluster.pod()["status"]["phase"] == "Running", f"the pod without {name}")
        assert cluster.pod()["metadata"]["uid"] == uid
    assert cluster.pod()["status"]["containerStatuses"][0]["restartCount"] == 0
    assert states(cluster.down(force=True)) == STOPPED
    assert cluster.sandbox.census() == before


def test_a_killed_supervisor(cluster: Cluster) -> None:
    """Its programs end with it; `status` says so; `up` goes on with the objects of before; `down` leaves nothing."""
    before = cluster.sandbox.census()
    cluster.up()
    cluster.run_pod()
    uid = cluster.pod()["metadata"]["uid"]
    pid = cluster.sandbox.run("cat", "/run/vmlab/cluster.pid").out

    assert cluster.sandbox.run("kill", "-KILL", str(json.loads(pid)["pid"])).code == 0
    told = cluster.status()
    mended = cluster.up()

    assert told["state"] == "stopped"
    assert "has ended" in told["detail"]
    assert states(mended) == RUNNING, mended.said
    assert "processes of pods" in mended.said
    assert cluster.pod()["metadata"]["uid"] == uid
    cluster.until(
        lambda: cluster.pod()["status"]["containerStatuses"][0]["restartCount"] == 1, "the pod runs anew"
    )
    assert states(cluster.down(force=True)) == STOPPED
    assert cluster.sandbox.census() == before


def test_down_after_a_kill(cluster: Cluster) -> None:
    """`down` takes everything back even where the supervisor and a pod's shim were killed."""
    before = cluster.sandbox.census()
    cluster.up()
    cluster.run_pod()
    pid = cluster.sandbox.run("cat", "/run/vmlab/cluster.pid").out
    cluster.sandbox.run("kill", "-KILL", str(json.loads(pid)["pid"]))
    assert cluster.sandbox.run("pkill", "-KILL", "-x", "containerd-shim").code == 0
    assert cluster.sandbox.run("pgrep", "-x", "pause").code == 0

    assert states(cluster.down()) == STOPPED
    assert cluster.sandbox.census() == before


def test_an_up_that_cannot_end_is_taken_back(cluster: Cluster) -> None:
    """Without a registry for the pods' first image `up` says what to do, and leaves the machine as it was."""
    assert cluster.sandbox.host("down", "registry").code == 0
    before = cluster.sandbox.census()

    failed = cluster.up()

    assert failed.code == 1
    assert "no registry answers" in failed.said
    assert "vmlab host up registry" in failed.said
    assert cluster.status()["state"] == "stopped"
    assert cluster.sandbox.census() == before


@pytest.mark.parametrize("port", [6443, 10250])
def test_a_taken_port_names_its_owner(cluster: Cluster, port: int) -> None:
    """Somebody on a port that is needed is named with pid and program, with exit code 2, and nothing is started."""
    server = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    cluster.sandbox.run("sh", "-c", f'setsid python3 -c "{server}" >/dev/null 2>&1 & sleep 0.5')
    before = cluster.sandbox.census()

    refused = cluster.up()

    assert refused.code == 2
    assert f"port {port}, which {layout.PORTS[port]} needs, is taken by python3" in refused.said
    assert cluster.sandbox.census() == before


def test_addresses_stay_on_the_machine(cluster: Cluster) -> None:
    """An address of a service that nobody has programmed, and one of a pod, are routed to our own bridge."""
    cluster.up()

    for address in ("198.19.200.7", "198.19.77.7"):
        assert f"dev {layout.BRIDGE}" in cluster.sandbox.run("ip", "route", "get", address).out
    assert cluster.down().code == 0


def test_nothing_comes_in_and_nothing_leaves(cluster: Cluster) -> None:
    """Through its service a pod answers this machine. A neighbour on a network of this machine, with a route, reaches neither
    service, pod nor API server; and what a pod sends to the neighbour is rejected."""
    before = cluster.sandbox.census()
    cluster.up()
    service, pod = cluster.run_web()
    cluster.add_neighbour()
    inside = ("ip", "netns", "exec", "lan")
    ours = [
        f"http://{service}/",
        f"http://{pod}:8080/",
        f"https://{addresses.API_SERVICE}/",
        f"{layout.API}/",
    ]

    cluster.until(lambda: all(cluster.reaches(url) for url in ours), "this machine reaches all of it")
    assert cluster.reaches(f"http://{OUTSIDE}/"), "this machine reaches its neighbour"
    assert cluster.reaches(f"http://{OUTSIDE}/", *inside), "and so does the neighbour itself"
    assert [url for url in ours if cluster.reaches(url, *inside)] == []
    out = cluster.kubectl("exec", "web", "--", "/busybox", "nc", "-w", "5", OUTSIDE, "80")
    assert "Connection refused" in out.said, out

    cluster.remove_neighbour()
    assert states(cluster.down(force=True)) == STOPPED
    assert cluster.sandbox.census() == before


def cluster_names() -> set[str]:
    """The programs as /proc calls them: 15 letters."""
    return {name[:15] for name in programs.KNOWN}


def load() -> float:
    """How much slower a busy machine may be: the promise is for an idle one."""
    return max(1.0, float(Path("/proc/loadavg").read_text().split()[0]))
