"""What a Pulumi engine does with the provider, one resource at a time, over gRPC."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from engine.providers.kubernetes.servicer import create
from engine.providers.serving import DETAILS_KEY
from engine.values.wire import from_struct, to_struct

SEED = bytes.fromhex("0123456789abcdef" * 4)


class HalfMade(Exception):
    """ErrorResourceInitFailed."""

    def __init__(self, detail: Any) -> None:
        super().__init__("\n".join(detail.reasons))
        self.id = detail.id
        self.reasons = list(detail.reasons)
        self.outputs = from_struct(detail.properties)
        self.inputs = from_struct(detail.inputs)


class Engine:
    """One provider, configured."""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub, **config: Any) -> None:
        self.stub = stub
        self.project = f"t{uuid.uuid4().hex[:8]}"
        self.config = config
        self.configure()

    def configure(self) -> None:
        """Configure the provider; after a Cancel this starts it afresh."""
        config = self.config
        self.stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(config), acceptSecrets=True))

    def urn(self, type_: str, name: str = "thing") -> str:
        """The URN of a resource of this test; `apps/v1:Deployment` is the type."""
        return f"urn:pulumi:test::{self.project}::kubernetes:{type_}::{name}"

    def check(self, urn: str, news: Any, olds: Any = None) -> Any:
        """Check, with a fixed seed."""
        request = provider_pb2.CheckRequest(
            urn=urn, news=to_struct(news), olds=None if olds is None else to_struct(olds), randomSeed=SEED
        )
        return self.stub.Check(request)

    def checked(self, urn: str, news: Any, olds: Any = None) -> Any:
        """The checked inputs of what must be right."""
        answer = self.check(urn, news, olds)
        assert not answer.failures, answer.failures
        return from_struct(answer.inputs)

    def preview(self, urn: str, news: Any) -> Any:
        """Check and what a create would answer."""
        request = provider_pb2.CreateRequest(
            urn=urn, properties=to_struct(self.checked(urn, news)), preview=True
        )
        return from_struct(self.stub.Create(request).properties)

    def create(self, urn: str, news: Any, seconds: float = 0) -> SimpleNamespace:
        """Check and create: id, inputs, outputs."""
        inputs = self.checked(urn, news)
        request = provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs), timeout=seconds)
        answer = self.call(self.stub.Create, request)
        return SimpleNamespace(urn=urn, id=answer.id, inputs=inputs, outputs=from_struct(answer.properties))

    def diff(self, state: SimpleNamespace, news: Any, ignore: tuple[str, ...] = ()) -> Any:
        """Diff of checked news."""
        request = provider_pb2.DiffRequest(
            id=state.id,
            urn=state.urn,
            olds=to_struct(state.outputs),
            news=to_struct(self.checked(state.urn, news, state.inputs)),
            old_inputs=to_struct(state.inputs),
            ignoreChanges=ignore,
        )
        return self.stub.Diff(request)

    def update(
        self,
        state: SimpleNamespace,
        news: Any,
        seconds: float = 0,
        ignore: tuple[str, ...] = (),
        preview: bool = False,
    ) -> Any:
        """Update in place."""
        inputs = self.checked(state.urn, news, state.inputs)
        request = provider_pb2.UpdateRequest(
            id=state.id,
            urn=state.urn,
            olds=to_struct(state.outputs),
            news=to_struct(inputs),
            old_inputs=to_struct(state.inputs),
            timeout=seconds,
            ignoreChanges=ignore,
            preview=preview,
        )
        outputs = from_struct(self.call(self.stub.Update, request).properties)
        if not preview:
            state.inputs, state.outputs = inputs, outputs
        return outputs

    def read(self, urn: str, id_: str, inputs: Any, outputs: Any = None) -> Any:
        """Read; the raw answer."""
        request = provider_pb2.ReadRequest(
            id=id_, urn=urn, inputs=to_struct(inputs), properties=to_struct(outputs or {})
        )
        return self.call(self.stub.Read, request)

    def refresh(self, state: SimpleNamespace) -> bool:
        """Read into the state; whether it is still there."""
        answer = self.read(state.urn, state.id, state.inputs, state.outputs)
        state.inputs, state.outputs = from_struct(answer.inputs), from_struct(answer.properties)
        return bool(answer.id)

    def delete(self, state: SimpleNamespace, seconds: float = 0) -> None:
        """Delete."""
        request = provider_pb2.DeleteRequest(
            id=state.id,
            urn=state.urn,
            properties=to_struct(state.outputs),
            old_inputs=to_struct(state.inputs),
            timeout=seconds,
        )
        self.call(self.stub.Delete, request)

    @staticmethod
    def call(method: Any, request: Any) -> Any:
        """The answer; HalfMade when the thing exists and is not ready."""
        try:
            return method(request)
        except grpc.RpcError as error:
            metadata: Any = error.trailing_metadata()
            for key, value in metadata:
                if key == DETAILS_KEY:
                    detail = provider_pb2.ErrorResourceInitFailed()
                    assert status_pb2.Status.FromString(value).details[0].Unpack(detail)
                    raise HalfMade(detail) from None
            raise


@contextmanager
def served() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """A provider, served as any engine has it."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    provider = create()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(1).wait()
    provider.close()
