"""A provider for what a dynamic one cannot do: gRPC codes, half-made resources, previews, secrets, cancelling.

It serves the package `fake` from the test's own process, and the engine attaches to it (PULUMI_DEBUG_PROVIDERS), so a
test can hold a call, let it fail and look at what was asked. A change of `fixed` replaces, a change of `slot` replaces
with the delete first, any other is an update. A thing's id is its `name`, or else its URN's name and a number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from engine import urn as urns
from engine.values import SECRET, SIGNATURE, UNKNOWN_SENTINEL

DEADLINE_SECONDS = 30.0
Fault = Callable[[grpc.ServicerContext], None]


@dataclass
class Call:
    """One call: `method name`, and its request."""

    method: str
    name: str
    request: Any

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


@dataclass
class Hold:
    """A call that waits: the test sees it arrive, and lets it go on."""

    arrived: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def __call__(self, context: grpc.ServicerContext) -> None:
        self.arrived.set()
        assert self.release.wait(DEADLINE_SECONDS)

    def wait(self) -> None:
        """Until the call is there."""
        assert self.arrived.wait(DEADLINE_SECONDS), "the call did not come"


class FakeProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider and its world."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}  # by id
        self.calls: list[Call] = []
        self.before: dict[str, Fault] = {}  # "create a" -> what happens instead of, or before, the effect
        self.after: dict[str, Fault] = {}  # ... and after it, before the answer
        self.refused: dict[str, str] = {}  # property -> why Check refuses it
        self.accepts_secrets = True
        self.supports_preview = True
        self.compares = True  # else Diff answers "you do it"
        self.cancelled = threading.Event()
        self._numbers: dict[str, int] = {}
        self._ids: dict[str, str] = {}  # the thing that a name last stood for
        self._lock = threading.Lock()
        self._server = grpc.server(futures.ThreadPoolExecutor(32))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        """End it."""
        self._server.stop(0).wait()

    # -- what a test asks for and looks at

    def hold(self, call: str) -> Hold:
        """Let a call wait before its effect."""
        self.before[call] = hold = Hold()
        return hold

    def fail(
        self, call: str, message: str = "no", code: grpc.StatusCode = grpc.StatusCode.FAILED_PRECONDITION
    ) -> None:
        """Let a call fail without an effect."""
        self.before[call] = lambda context: context.abort(code, message)

    def lose(self, call: str, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        """Let a call have its effect, and lose the answer."""
        self.after[call] = lambda context: context.abort(code, "lost")

    def half_make(self, call: str, reason: str = "not ready") -> None:
        """Let a call have its effect, and answer that the thing did not become ready."""

        def fault(context: grpc.ServicerContext) -> None:
            id_ = self._ids[call.split()[1]]
            detail = provider_pb2.ErrorResourceInitFailed(
                id=id_,
                properties=_struct(self._outputs(id_)),
                reasons=[reason],
                inputs=_struct(self.things[id_]),
            )
            packed = any_pb2.Any()
            packed.Pack(detail)
            status = status_pb2.Status(code=2, message="half-made", details=[packed])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.UNKNOWN, "half-made")

        self.after[call] = fault

    def well(self) -> None:
        """No more faults, and an empty log."""
        self.before.clear()
        self.after.clear()
        self.calls.clear()

    @property
    def changed(self) -> list[str]:
        """The calls that were to change something, in order."""
        verbs = ("create", "update", "delete")
        return [str(c) for c in self.calls if c.method in verbs and not getattr(c.request, "preview", False)]

    def asked(self, call: str) -> list[Any]:
        """The requests of one call."""
        return [c.request for c in list(self.calls) if str(c) == call]

    # -- the protocol

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        self._called("check_config", request)
        return provider_pb2.CheckResponse(inputs=request.news, failures=self._refusals(request.news))

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        self._called("diff_config", request)
        return self._difference(request)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:
        self._called("configure", request)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=self.accepts_secrets, supportsPreview=self.supports_preview, acceptResources=True
        )

    def Check(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        self._called("check", request)
        return provider_pb2.CheckResponse(inputs=request.news, failures=self._refusals(request.news))

    def Diff(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        self._called("diff", request)
        return self._difference(request) if self.compares else provider_pb2.DiffResponse()

    def Create(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        name = self._called("create", request)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        self._happen(self.before, f"create {name}", context)
        inputs = _plain(request.properties)
        with self._lock:
            self._numbers[name] = self._numbers.get(name, 0) + 1
            id_ = str(inputs.get("name") or f"{name}-{self._numbers[name]}")
            self.things[id_], self._ids[name] = inputs, id_
        self._happen(self.after, f"create {name}", context)
        return provider_pb2.CreateResponse(id=id_, properties=_struct(self._outputs(id_)))

    def Read(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        name = self._called("read", request)
        self._happen(self.before, f"read {name}", context)
        if request.id not in self.things:
            return provider_pb2.ReadResponse()
        self._happen(self.after, f"read {name}", context)
        outputs, inputs = _struct(self._outputs(request.id)), _struct(self.things[request.id])
        return provider_pb2.ReadResponse(id=request.id, properties=outputs, inputs=inputs)

    def Update(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        name = self._called("update", request)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=request.news)
        self._happen(self.before, f"update {name}", context)
        self.things[request.id] = _plain(request.news)
        self._happen(self.after, f"update {name}", context)
        return provider_pb2.UpdateResponse(properties=_struct(self._outputs(request.id)))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        name = self._called("delete", request)
        self._happen(self.before, f"delete {name}", context)
        self.things.pop(request.id, None)
        self._happen(self.after, f"delete {name}", context)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        self.calls.append(Call("invoke", request.tok, request))
        self._happen(self.before, f"invoke {request.tok}", context)
        answer: dict[str, Any] = {"return": _struct({"count": len(self.things)})}  # `return` is a keyword
        return provider_pb2.InvokeResponse(**answer)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.cancelled.set()
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version="1.0.0")

    # -- inside

    def _called(self, method: str, request: Any) -> str:
        name = urns.name_of(request.urn)
        with self._lock:
            self.calls.append(Call(method, name, request))
        return name

    def _happen(self, faults: dict[str, Fault], call: str, context: grpc.ServicerContext) -> None:
        if call in faults:
            faults[call](context)

    def _outputs(self, id_: str) -> dict[str, Any]:
        return {**self.things[id_], "out": f"out of {id_}"}

    def _refusals(self, news: struct_pb2.Struct) -> list[provider_pb2.CheckFailure]:
        found = [key for key in self.refused if key in news.fields]
        return [provider_pb2.CheckFailure(property=key, reason=self.refused[key]) for key in found]

    def _difference(self, request: Any) -> provider_pb2.DiffResponse:
        olds, news = _plain(request.old_inputs), _plain(request.news)
        changed = [key for key in sorted({*olds, *news}) if olds.get(key) != news.get(key)]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=[key for key in changed if key in ("fixed", "slot", "name")],
            deleteBeforeReplace="slot" in changed,
        )


def secret(value: Any) -> bool:
    """Whether a property as it came over the wire is marked as a secret."""
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Properties as they came over the wire: secrets and unknowns are still what the protocol makes of them."""
    return json_format.MessageToDict(struct)


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: value["value"] if secret(value) else value for key, value in plain(struct).items()}


def _struct(properties: dict[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(properties)
    return struct


UNKNOWN = UNKNOWN_SENTINEL
