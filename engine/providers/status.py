"""Answering a gRPC call with an error as Pulumi's engines understand it.

Two kinds: a plain refusal (code and message), and "the object exists but is not ready", which carries the
object's id and outputs so that the engine keeps it in the state. The second travels as `google.rpc.Status`
in the trailing metadata `grpc-status-details-bin`; written by hand because `grpcio-status` is no dependency
of ours. Code UNKNOWN is what official providers send with it; engines look at the detail, not at the code.
Source: pulumi/pulumi sdk/go/common/resource/plugin/provider_plugin.go, `parseError`.
Left out: catching errors; that is each provider's own business.
"""

from __future__ import annotations

from typing import NoReturn

import grpc
from pulumi.runtime.proto import provider_pb2, status_pb2

from engine.values import Properties
from engine.values.wire import to_struct

DETAILS_KEY = "grpc-status-details-bin"


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
    """End the call with "it exists, but": the engine stores `properties` and tries again next time."""
    detail = provider_pb2.ErrorResourceInitFailed(id=id_, reasons=reasons, properties=to_struct(properties))
    if inputs is not None:
        detail.inputs.CopyFrom(to_struct(inputs))
    message = "; ".join(reasons)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(detail)
    context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
    refuse(context, grpc.StatusCode.UNKNOWN, message)
