"""An API server that goes away for some seconds in the middle of everything, and one that never answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.live.kubernetes_provider.conftest import Lab

pytestmark = pytest.mark.live


class Forwarder:
    """A TCP forwarder in front of the API server that can cut every connection and refuse new ones for a while."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.down = threading.Event()
        self.cuts = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """End."""
        self.down.set()
        self._listener.close()
        self._drop()

    def outage(self, seconds: float) -> threading.Timer:
        """Cut everything now, and be back after `seconds`."""
        self.down.set()
        self._drop()
        timer = threading.Timer(seconds, self.down.clear)
        timer.start()
        return timer

    def _drop(self) -> None:
        for end in self._open:
            self.cuts += 1
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._open.clear()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.down.is_set():
                client.close()
                continue
            server = socket.create_connection(self.target)
            self._open += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    source.close()


@pytest.fixture
def forwarder(kubeconfig: str) -> Iterator[Forwarder]:
    """A forwarder to the API server of the kubeconfig."""
    parts = urlsplit(yaml.safe_load(Path(kubeconfig).read_text())["clusters"][0]["cluster"]["server"])
    found = Forwarder(str(parts.hostname), parts.port or 443)
    yield found
    found.close()


@pytest.fixture
def through(kubeconfig: str, forwarder: Forwarder) -> str:
    """A kubeconfig that goes through the forwarder; the certificate is still the API server's."""
    content = yaml.safe_load(Path(kubeconfig).read_text())
    cluster = content["clusters"][0]["cluster"]
    cluster["tls-server-name"] = forwarder.target[0]
    cluster["server"] = f"https://127.0.0.1:{forwarder.port}"
    return json.dumps(content)


def test_outage_while_waiting(new_lab: Callable[..., Lab], forwarder: Forwarder, through: str) -> None:
    """Three seconds without an API server, in the middle of a wait and in front of a delete, are sat out."""
    lab = new_lab(kubeconfig=through)
    namespace = lab.start()
    timers = []
    cut = threading.Timer(0.3, lambda: timers.append(forwarder.outage(3)))
    cut.start()
    probe = {
        "readinessProbe": {
            "exec": {"command": ["/busybox", "true"]},
            "initialDelaySeconds": 2,
            "periodSeconds": 1,
        }
    }
    lab.make("apps/v1:Deployment", "web", lab.workload(lab.pods("sleep", "600", **probe)))
    assert forwarder.cuts > 0
    assert lab.get("apps/v1", "Deployment", "web")["status"]["readyReplicas"] == 1
    timers.append(forwarder.outage(2))
    lab.engine.delete(namespace, 60)
    cut.join()
    for timer in timers:
        timer.join()
