"""Runs a program against a deployment: the two gRPC services on a private unix socket, from start to end."""

from __future__ import annotations

from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2_grpc

from engine.deploy.deployment import Deployment
from engine.deploy.monitor import Monitor
from engine.errors import EngineError, ProgramFailed, WrongUse
from engine.program.source import ProgramSource
from engine.providers.serving import CHANNEL_OPTIONS

REFUSED = 1  # the executor's exit code for pulumi.RunError
_SEVERITY = {1: "info", 2: "warning", 3: "error"}  # engine_pb2.LogSeverity; 0 is DEBUG
# The SDK's own message when the monitor ends the run; the reason was reported already.
_MONITOR_GONE = "Resource monitor has terminated"


class EngineService(engine_pb2_grpc.EngineServicer):
    """pulumirpc.Engine: where programs log. Debug messages may hold values and are dropped (docs/engine-rules.md 4.2)."""

    def __init__(self, deployment: Deployment) -> None:
        self._run = deployment
        self._root = ""
        self.errors = 0  # errors the program logged

    def Log(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """A message of the program, or of the SDK about it."""
        severity = _SEVERITY.get(request.severity)
        if severity is not None and _MONITOR_GONE not in request.message and not request.ephemeral:
            self.errors += severity == "error"
            self._run.say(severity, request.message.rstrip(), request.urn)
        return empty_pb2.Empty()

    def GetRootResource(
        self, request: Any, context: grpc.ServicerContext
    ) -> engine_pb2.GetRootResourceResponse:
        """Not asked by the Python SDK since 3.272; older ones do."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(
        self, request: Any, context: grpc.ServicerContext
    ) -> engine_pb2.SetRootResourceResponse:
        """See GetRootResource."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()


class ProgramRun:
    """One run of a program and the services it talks to."""

    def __init__(self, deployment: Deployment, source: ProgramSource, socket: Path, root: Path) -> None:
        self._run = deployment
        self._source = source
        self._address = f"unix:{socket}"
        self._root = root
        # The SDK sends at most 4 calls for each step that may run at once; logs and exports come on top.
        threads = futures.ThreadPoolExecutor(deployment.options.parallel * 4 + 16)
        self._server = grpc.server(threads, options=CHANNEL_OPTIONS)
        self._service = EngineService(deployment)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(deployment, source), self._server)
        engine_pb2_grpc.add_EngineServicer_to_server(self._service, self._server)
        self._server.add_insecure_port(self._address)

    def run(self) -> bool:
        """Let the program register everything; whether it came to its end. Failures are on the deployment."""
        self._server.start()
        self._source.begin(self._settings(), self._run.say)
        succeeded = self._source.wait()
        if not succeeded:
            self._run.drain()
            if not self._run.failed:
                self._run.fail(*self._why())
        return succeeded

    def _why(self) -> tuple[EngineError, str, bool]:
        """What to say of a program that failed. A RunError is how a program refuses its input: its one line is enough."""
        code = self._source.finish()
        if code == REFUSED and self._service.errors:
            return WrongUse("the program refused its input"), "", True
        how = "see its message above" if self._service.errors else f"it exited with code {code}"
        return ProgramFailed(f"the program failed; {how}"), "", False

    def close(self) -> None:
        """After the program's own end (it still logs when nothing is left to register), shut the services."""
        self._source.finish()
        self._server.stop(grace=None)

    def _settings(self) -> dict[str, object]:
        return {
            "monitor": self._address,
            "engine": self._address,
            "project": self._run.project,
            "stack": self._run.stack,
            "organization": "organization",
            "parallel": self._run.options.parallel,
            "dry_run": self._run.options.preview,
            "root_directory": str(self._root),
        }
