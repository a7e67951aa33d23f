"""pulumirpc.Engine: where programs log. Debug messages are dropped, because they may hold values (docs/engine-rules.md 4.2)."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from engine.deploy.deployment import Deployment

_SEVERITY = {1: "info", 2: "warning", 3: "error"}  # engine_pb2.LogSeverity; 0 is DEBUG
# The SDK's own message when the monitor ends the run; the reason was reported already.
_MONITOR_GONE = "Resource monitor has terminated"


class EngineService(engine_pb2_grpc.EngineServicer):
    """Serves one program run."""

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
