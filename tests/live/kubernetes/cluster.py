"""What these tests ask of the real cluster, and the census of everything that a stack may leave in it and beside it.

Each test's stack has a unique name, in a copy of the program whose stacks may be changed.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clients.http_probe import ask
from clients.kubernetes.api import Api
from clients.kubernetes.choice import Choice, connect
from clients.kubernetes.errors import ApiError
from machine import addresses
from tests.live import census
from tests.live.lab.laboratory import Laboratory

CORE = "/api/v1"
SETTLE_SECONDS = 20.0
ENDED = subprocess.CompletedProcess[str]


@dataclass
class Stack:
    """One stack of kind `kubernetes`, its lab and its cluster."""

    lab: Laboratory
    api: Api
    name: str
    environment: dict[str, str] = field(default_factory=dict)
    _outputs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, lab: Laboratory, api: Api, **settings: object) -> Stack:
        """A stack that is not up yet. Small: 0.25 CPUs and 64 MiB."""
        stack = cls(lab, api, f"kube-{uuid.uuid4().hex[:6]}")
        stack.configure(**{"cpus": "0.25", "memory": "64MiB", "replicas": 2, **settings})
        return stack

    def configure(self, **settings: object) -> None:
        """Write its configuration file; what is not given is as it was."""
        path = self.lab.project / "stacks" / f"Pulumi.{self.name}.yaml"
        document = (
            yaml.safe_load(path.read_text())
            if path.exists()
            else {"config": {"vmlab:substrate": "kubernetes"}}
        )
        document["config"] |= {f"vmlab:{key}": value for key, value in settings.items()}
        path.write_text(yaml.safe_dump(document))

    def run(self, verb: str, *arguments: str, **more: str) -> ENDED:
        """A verb on this stack."""
        return self.lab.run(verb, self.name, *arguments, **{**self.environment, **more})

    def good(self, verb: str, *arguments: str) -> str:
        """A verb that must go well; what it said."""
        done = self.run(verb, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def up(self, *flags: str) -> str:
        """Bring it up."""
        self._outputs.clear()
        return self.good("up", "--skip-preview", *flags)

    @property
    def outputs(self) -> dict[str, Any]:
        """Its outputs since the last `up`."""
        if not self._outputs:
            self._outputs.update(json.loads(self.run("outputs", "--json").stdout))
        return self._outputs

    @property
    def has_state(self) -> bool:
        """Whether it ever was up."""
        return (self.lab.home / "state" / ".pulumi" / "stacks" / "vmlab" / f"{self.name}.json").exists()

    # -- its objects

    @property
    def namespace(self) -> str:
        """The name of its namespace."""
        return str(self.outputs["instance"]["namespace"])

    def only(self, kind: str, group: str = CORE) -> dict[str, Any]:
        """Its object of a kind of which it has one."""
        ours = [row for row in self.all(kind, group) if "vmlab.stack" in row["metadata"].get("labels", {})]
        assert len(ours) == 1, [row["metadata"]["name"] for row in ours]
        return ours[0]

    def all(self, kind: str, group: str = CORE, **query: str) -> list[dict[str, Any]]:
        """What is of a kind in its namespace."""
        return self.api.listed(f"{group}/namespaces/{self.namespace}/{kind}", **query)

    def path(self, found: dict[str, Any], kind: str, group: str = CORE) -> str:
        """An object's path in the API."""
        return f"{group}/namespaces/{found['metadata']['namespace']}/{kind}/{found['metadata']['name']}"

    def pods(self, app: str = "service") -> list[dict[str, Any]]:
        """The pods of one of its parts that are not on their way out."""
        found = self.all("pods", labelSelector=f"app.kubernetes.io/name={app}")
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def ready(self) -> list[str]:
        """The names of the service's pods that are ready."""
        return [pod["metadata"]["name"] for pod in self.pods() if is_ready(pod)]

    def settled(self, count: int = 2) -> list[str]:
        """Wait until that many pods are there, all of them ready; their names."""
        until(lambda: len(self.pods()) == count == len(self.ready()), 60, f"{count} ready pods")
        return sorted(self.ready())

    def answer(self, path: str = "/", method: str = "GET") -> dict[str, Any]:
        """What the service says, through its Service."""
        return asked(self.outputs["url"], path, method)


def asked(url: str, path: str = "/", method: str = "GET") -> dict[str, Any]:
    """What a service says."""
    command = ["curl", "-fsS", "-m", "5", "-X", method, f"{url}{path}"]
    said: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return said


def resolved(name: str) -> str:
    """The address of a name, as the cluster's resolver tells it over UDP; "" where it has none."""
    words = b"".join(bytes([len(word)]) + word.encode() for word in name.split("."))
    question = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + words + struct.pack("!BHH", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(question, (addresses.DNS_SERVICE, 53))
        said = client.recv(512)
    answers = struct.unpack("!H", said[6:8])[0]
    return socket.inet_ntoa(said[-4:]) if answers == 1 else ""


def pod(name: str, **container: Any) -> dict[str, Any]:
    """A pod that `restricted` lets through and that no node takes, so that it costs nothing."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    own = {
        "name": "main",
        "image": "127.0.0.1:5000/vmlab/null:none",
        "securityContext": security,
        **container,
    }
    spec = {
        "nodeSelector": {"vmlab-test": "nowhere"},
        "containers": [own],
        "terminationGracePeriodSeconds": 0,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the kubelet says so."""
    held = {row["type"]: row["status"] for row in pod["status"].get("conditions") or []}
    return held.get("Ready") == "True"


def refusal(call: Callable[[], object]) -> ApiError:
    """How the API server refuses it."""
    try:
        call()
    except ApiError as error:
        return error
    raise AssertionError("it was not refused")


def until(happened: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something; a failure names it."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether the service answers 200."""
    found = ask(url, 2.0, 0.5)
    return found is not None and found.status == 200


def rows(api: Api, lab: Laboratory, marks: Sequence[str]) -> census.Rows:
    """Objects that have a mark in their name, for others' tests run on the same cluster, and what the lab has beside it."""
    return {
        **census.of_cluster(api, lambda name: any(mark in name for mark in marks)),
        **census.of_folders(folders=(lab.home / "volumes", "*")),
        **census.of_processes(lab.processes),
        **census.of_states(lab.home / "state"),
    }


def take(api: Api, lab: Laboratory, marks: Sequence[str] = ()) -> census.Census:
    """What there is now."""
    return census.take(rows(api, lab, marks))


def difference(api: Api, lab: Laboratory, before: census.Census, marks: Sequence[str]) -> list[str]:
    """What came and went of this test's, once things have come to rest."""
    return census.settled(rows(api, lab, marks), before, SETTLE_SECONDS)


def sweep(stack: Stack) -> None:
    """Remove what a stack made, whatever its state says."""
    for plural in ("namespaces", "persistentvolumes"):
        path = f"{CORE}/{plural}"
        for row in stack.api.listed(path, labelSelector=f"vmlab.stack=vmlab.{stack.name}"):
            stack.api.delete(f"{path}/{row['metadata']['name']}")


def api_of(kubeconfig: Path) -> Api:
    """The cluster as its administrator sees it."""
    return connect(Choice(kubeconfig))
