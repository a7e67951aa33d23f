"""What the built-in providers share: the server for other engines, the fixed answers, errors as gRPC statuses.

`main` is the program of `python -m engine.providers.<package>`. Another engine uses it in one of two ways:

    PULUMI_DEBUG_PROVIDERS=<package>:PORT pulumi up     the port is the first line that the program prints
    pulumi-resource-<package> ADDRESS                   a script on PATH that starts the program; ADDRESS is not needed

Every user of this machine can call the port, as with any Pulumi plugin. The program ends on SIGTERM and SIGINT.

A call fails in one of two ways: refused (code and message; nothing was created), or "the object exists and is not ready",
which carries the object's id and outputs so that the engine stores them (docs/engine-rules.md F7). The second is sent as
`google.rpc.Status` in the trailing metadata `grpc-status-details-bin`; written here because `grpcio-status` is not a
dependency. Official providers send it with code UNKNOWN; engines read the detail, not the code.
Source: pulumi/pulumi sdk/go/common/resource/plugin/provider_plugin.go, `parseError`.
Out of scope: Handshake, Construct, Call, List.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, ClassVar, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from engine.values import Properties
from engine.values.wire import to_struct

# As in the official engine: states of that size were seen.
CHANNEL_OPTIONS = [("grpc.max_receive_message_length", 400 << 20)]
DETAILS_KEY = "grpc-status-details-bin"
GRACE_SECONDS = 2.0
THREADS = 64  # creates wait for real objects; the engine limits how many run at once
Result = TypeVar("Result")


class BuiltInProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The common part of the servicers. VERSION is that of the SDK package whose inputs the provider knows."""

    PACKAGE: ClassVar[str]
    VERSION: ClassVar[str]

    def close(self) -> None:
        """Close connections."""

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version."""
        return plugin_pb2.PluginInfo(version=self.VERSION)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.GetSchemaResponse:
        """A minimal schema; programs use that of the SDK package."""
        schema = json.dumps({"name": self.PACKAGE, "version": self.VERSION})
        return provider_pb2.GetSchemaResponse(schema=schema)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """An engine attached; nothing is required from it."""
        return empty_pb2.Empty()

    # -- errors

    def _guarded(
        self, context: grpc.ServicerContext, work: Callable[[], Result], *secrets_in: Properties
    ) -> Result:
        """The result of `work`; an error ends the call with a status that contains no secret of `secrets_in`."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - an uncaught error would reach the user as a bare traceback
            code, message = self._status_of(error)
        return refuse(context, code, self._masked(message, *secrets_in))

    def _status_of(self, error: Exception) -> tuple[grpc.StatusCode, str]:
        """Code and message of an error; for each provider to refine."""
        return grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"

    def _masked(self, message: str, *secrets_in: Properties) -> str:
        """The message without secrets; for each provider to implement."""
        raise NotImplementedError


def server_of(provider: BuiltInProvider) -> grpc.Server:
    """A server of the provider, without an address yet."""
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    return server


def main(create: Callable[[], BuiltInProvider]) -> int:
    """Serve on a loopback port until a signal arrives."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    provider = create()
    server = server_of(provider)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)  # noqa: T201 - the plugin protocol
    ended.wait()
    server.stop(GRACE_SECONDS).wait()
    provider.close()
    return 0


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    """End the call with an error; nothing was created."""
    context.abort(code, message)
    raise AssertionError("abort returned")


def init_failed(
    context: grpc.ServicerContext,
    id_: str,
    properties: Properties,
    reasons: list[str],
    inputs: Properties | None = None,
) -> NoReturn:
    """End the call with "created and not ready": the engine stores `properties`, and the next run waits again."""
    detail = provider_pb2.ErrorResourceInitFailed(id=id_, reasons=reasons, properties=to_struct(properties))
    if inputs is not None:
        detail.inputs.CopyFrom(to_struct(inputs))
    message = "; ".join(reasons)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(detail)
    context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
    refuse(context, grpc.StatusCode.UNKNOWN, message)
