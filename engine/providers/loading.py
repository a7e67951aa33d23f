"""Starting providers: which one serves a package, and how the engine reaches it.

In order: a provider that is running already (`PULUMI_DEBUG_PROVIDERS=package:port,...`, as in the official engine), the
SDK's dynamic provider in a process of its own, and the providers that ship here, in this process. All are reached
over gRPC, the last two on unix sockets in the run's private directory, so that there is one kind of error.
Out of scope: plugins on PATH and their download.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from engine import children
from engine.errors import EngineError, WrongUse
from engine.providers.client import Provider
from engine.providers.serving import CHANNEL_OPTIONS, BuiltInProvider, server_of

BUILT_IN = {
    "docker": "engine.providers.docker.servicer",
    "kubernetes": "engine.providers.kubernetes.servicer",
}


class Loader:
    """Starts providers for one command; `close` ends them all. Providers outlive a preview and serve the run after it."""

    def __init__(
        self, directory: Path, interpreter: str, program_directory: Path, environment: Mapping[str, str]
    ) -> None:
        self.say: Callable[[str], None] = lambda line: None  # what a provider prints
        self._directory = directory
        self._interpreter = interpreter
        self._program_directory = program_directory
        self._environment = environment
        self._attached = _debug_providers(environment)
        self._loaded: dict[tuple[str, str], futures.Future[Provider]] = {}
        self._lock = threading.Lock()

    def known(self, package: str) -> bool:
        """Whether there is a provider for this package."""
        return package == "pulumi-python" or package in BUILT_IN or package in self._attached

    def load(self, package: str, key: str) -> Provider:
        """The provider of a package for one provider resource (`key`); started on first use."""
        with self._lock:
            future = self._loaded.get((package, key))
            mine = future is None
            if future is None:
                future = self._loaded[(package, key)] = futures.Future()
        if mine:
            try:
                future.set_result(self._start(package))
            except BaseException as error:  # noqa: BLE001 - handed to every waiter
                future.set_exception(error)
        return future.result()

    def running(self) -> list[Provider]:
        """Those that have started."""
        with self._lock:
            done = [
                future for future in self._loaded.values() if future.done() and future.exception() is None
            ]
        return [future.result() for future in done]

    def close(self) -> None:
        """End every provider this loader started."""
        for provider in self.running():
            provider.close()

    def _start(self, package: str) -> Provider:
        if package in self._attached:
            return _connect(f"127.0.0.1:{self._attached[package]}", lambda: None)
        if package == "pulumi-python":
            return self._start_dynamic()
        if package in BUILT_IN:
            return self._serve(package)
        raise WrongUse(
            f"no provider for the package {package!r}: the embedded engine has {', '.join(sorted(BUILT_IN))} and dynamic ones",
            "run the program with the official engine, or attach one with PULUMI_DEBUG_PROVIDERS=<package>:<port>",
        )

    def _start_dynamic(self) -> Provider:
        socket = self._socket("dynamic")
        script = Path(__file__).with_name("dynamic.py")
        child = children.start(
            [self._interpreter, "-u", str(script), str(socket), str(os.getpid())],
            environment={**self._environment, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            directory=self._program_directory,
        )
        assert child.stdout is not None
        if not child.stdout.readline().strip().isdigit():  # a plugin prints its port first
            children.stop(child)
            said = child.stderr.read().decode(errors="replace") if child.stderr else ""
            raise EngineError(f"the dynamic provider did not start: {said.strip() or 'it printed nothing'}")
        for stream in (child.stdout, child.stderr):
            children.follow(stream, lambda line: self.say(line))
        return _connect(f"unix:{socket}", lambda: children.stop(child))

    def _serve(self, package: str) -> Provider:
        create: Callable[[Path], BuiltInProvider] = importlib.import_module(BUILT_IN[package]).create
        server = server_of(create(self._program_directory))
        address = f"unix:{self._socket(package)}"
        server.add_insecure_port(address)
        server.start()
        return _connect(address, lambda: server.stop(0).wait() and None)

    def _socket(self, name: str) -> Path:
        with self._lock:
            return self._directory / f"{name}-{len(self._loaded)}.sock"


def _connect(address: str, close: Callable[[], object]) -> Provider:
    channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)

    def close_all() -> None:
        channel.close()
        close()

    return Provider(provider_pb2_grpc.ResourceProviderStub(channel), close_all)


def _debug_providers(environment: Mapping[str, str]) -> dict[str, int]:
    text = environment.get("PULUMI_DEBUG_PROVIDERS", "")
    attached: dict[str, int] = {}
    for entry in filter(None, text.split(",")):
        package, _, port = entry.partition(":")
        if not port.isdigit():
            raise WrongUse(f"PULUMI_DEBUG_PROVIDERS requires package:port, not {entry!r}")
        attached[package] = int(port)
    return attached


_ENGINE_ROOT = str(Path(__file__).resolve().parents[2])
_HIDDEN = {
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_ACCESS_TOKEN",
    "PYTHONSAFEPATH",
}


def default_environment() -> dict[str, str]:
    """The environment for programs and providers: this process's own, without what unlocks the state, and without the
    path by which the engine itself is found, which would put its packages before the program's."""
    kept = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    paths = [
        entry for entry in kept.pop("PYTHONPATH", "").split(os.pathsep) if entry not in ("", _ENGINE_ROOT)
    ]
    return kept | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})
