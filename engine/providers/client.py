"""The engine's side of the provider protocol (pulumirpc.ResourceProvider): values in, values out, errors sorted.

Providers differ in what they accept; this module levels that out: secrets are stripped for a provider that does not know
them and put back by key afterwards, and a provider without preview is never asked to create in one (docs/engine-rules.md D10,
D13). Out of scope: Construct, Call, schemas.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from engine import urn as urns
from engine.providers.exception_text import message_of
from engine.values import Properties, Secret, Value, contains_secret, contains_unknown
from engine.values.wire import from_struct, to_struct

# Answers that do not say whether the thing exists now (docs/engine-rules.md F8 and 1.6.2).
LOST = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.DATA_LOSS,
}


@dataclass
class InitFailed:
    """The thing exists but did not become ready; it is kept in the state with these reasons."""

    id: str
    outputs: Properties
    inputs: Properties
    reasons: list[str]


class ProviderError(Exception):
    """A provider's no. `lost`: it is not known whether it happened all the same."""

    def __init__(self, message: str, *, lost: bool, init: InitFailed | None = None) -> None:
        super().__init__(message)
        self.lost = lost
        self.init = init


@dataclass
class CheckFailure:
    """An input that the provider refuses, and why."""

    property: str
    reason: str


@dataclass
class Difference:
    """A provider's answer to Diff. `changed` is None when the provider leaves the comparison to the engine."""

    changed: bool | None
    replaces: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    delete_before_replace: bool = False
    detailed: dict[str, bool] = field(default_factory=dict)  # property path -> this change replaces


@dataclass
class ReadResult:
    """What a provider found; an empty `id` means that there is nothing."""

    id: str
    outputs: Properties
    inputs: Properties | None


class Provider:
    """One configured provider."""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub, close: Callable[[], None]) -> None:
        self._stub = stub
        self.close = close
        self._accepts_secrets = False
        self._previews = False
        self.configured = False

    # -- its own configuration

    def check_config(
        self, urn: str, olds: Properties, news: Properties
    ) -> tuple[Properties, list[CheckFailure]]:
        """Validate the provider's own configuration."""
        request = provider_pb2.CheckRequest(urn=urn, olds=to_struct(olds), news=to_struct(news))
        answer = self._call(self._stub.CheckConfig, request, optional=True)
        return (news, []) if answer is None else (from_struct(answer.inputs), _failures(answer))

    def diff_config(self, urn: str, olds: Properties, outputs: Properties, news: Properties) -> Difference:
        """Compare two configurations of this provider."""
        request = provider_pb2.DiffRequest(
            urn=urn, olds=to_struct(outputs), old_inputs=to_struct(olds), news=to_struct(news)
        )
        answer = self._call(self._stub.DiffConfig, request, optional=True)
        return Difference(changed=None) if answer is None else _difference(answer)

    def configure(self, urn: str, id_: str, config: Properties) -> None:
        """Hand over the configuration and learn what the provider can do."""
        package = urns.package_of(urns.type_of(urn))
        request = provider_pb2.ConfigureRequest(
            id=id_,
            **_named(urn),
            variables={f"{package}:config:{k}": v for k, v in config.items() if isinstance(v, str)},
            args=to_struct(config),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )
        answer = self._call(self._stub.Configure, request)
        self._accepts_secrets = answer.acceptSecrets
        self._previews = answer.supportsPreview
        self.configured = True

    # -- resources

    def check(
        self, urn: str, olds: Properties | None, news: Properties, seed: bytes
    ) -> tuple[Properties, list[CheckFailure]]:
        """Validate a resource's inputs; the checked ones are what is stored."""
        old = {} if olds is None else self._packed(olds=olds)
        request = provider_pb2.CheckRequest(**_named(urn), **old, **self._packed(news=news), randomSeed=seed)
        answer = self._call(self._stub.Check, request)
        return self._unpack(answer.inputs, news), _failures(answer)

    def diff(
        self, urn: str, id_: str, inputs: Properties, outputs: Properties, news: Properties, ignore: list[str]
    ) -> Difference:
        """Ask what changing a resource to `news` would mean."""
        packed = self._packed(olds=outputs, old_inputs=inputs, news=news)
        request = provider_pb2.DiffRequest(id=id_, **_named(urn), **packed, ignoreChanges=ignore)
        return _difference(self._call(self._stub.Diff, request))

    def create(self, urn: str, inputs: Properties, seconds: float, preview: bool) -> tuple[str, Properties]:
        """Create a resource: its id and outputs. In a preview both may be empty."""
        if preview and not self._can_preview():
            return "", {}
        packed = self._packed(properties=inputs)
        request = provider_pb2.CreateRequest(**_named(urn), **packed, timeout=seconds, preview=preview)
        answer = self._call(self._stub.Create, request)
        if not answer.id and not preview:
            raise ProviderError("the provider answered Create without an id", lost=True)
        return answer.id, self._unpack(answer.properties, inputs)

    def update(
        self,
        urn: str,
        id_: str,
        old_inputs: Properties,
        outputs: Properties,
        news: Properties,
        seconds: float,
        ignore: list[str],
        preview: bool,
    ) -> Properties:
        """Change a resource in place: its new outputs."""
        if preview and not self._can_preview():
            return {}
        packed = self._packed(olds=outputs, old_inputs=old_inputs, news=news)
        request = provider_pb2.UpdateRequest(
            id=id_, **_named(urn), **packed, timeout=seconds, ignoreChanges=ignore, preview=preview
        )
        return self._unpack(self._call(self._stub.Update, request).properties, news)

    def delete(self, urn: str, id_: str, inputs: Properties, outputs: Properties, seconds: float) -> None:
        """Delete a resource; one that is gone already is a success by contract."""
        packed = self._packed(properties=outputs, old_inputs=inputs)
        self._call(
            self._stub.Delete, provider_pb2.DeleteRequest(id=id_, **_named(urn), **packed, timeout=seconds)
        )

    def read(self, urn: str, id_: str, inputs: Properties, outputs: Properties) -> ReadResult:
        """Look at the real thing."""
        packed = self._packed(properties=outputs, inputs=inputs)
        answer = self._call(self._stub.Read, provider_pb2.ReadRequest(id=id_, **_named(urn), **packed))
        read_inputs = self._unpack(answer.inputs, inputs) if answer.HasField("inputs") else None
        return ReadResult(answer.id, self._unpack(answer.properties, {**inputs, **outputs}), read_inputs)

    def invoke(self, token: str, args: Properties) -> tuple[Properties, list[CheckFailure]]:
        """Call one of the provider's functions."""
        request = provider_pb2.InvokeRequest(tok=token, **self._packed(args=args))
        answer = self._call(self._stub.Invoke, request)
        return from_struct(getattr(answer, "return")), _failures(answer)

    def cancel(self) -> None:
        """Ask the provider to break off what it waits for. Best effort: it may be gone."""
        with contextlib.suppress(grpc.RpcError):
            self._stub.Cancel(empty_pb2.Empty(), timeout=2)

    # -- levelling

    def _can_preview(self) -> bool:
        return self._previews and self.configured

    def _packed(self, **properties: Properties) -> dict[str, Any]:
        """Members of a request; what is secret is sent as such only to a provider that knows secrets."""
        return {name: to_struct(value, secrets=self._accepts_secrets) for name, value in properties.items()}

    def _unpack(self, struct: struct_pb2.Struct, told: Properties) -> Properties:
        answer = from_struct(struct)
        return {key: _secret_again(value, told.get(key)) for key, value in answer.items()}

    def _call(self, method: Callable[..., Any], request: Any, *, optional: bool = False) -> Any:
        """The answer; None if the method is `optional` and the provider does not implement it."""
        try:
            return method(request)
        except grpc.RpcError as error:
            if optional and error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise _sorted(error) from None


def _named(urn: str) -> dict[str, Any]:
    return {"urn": urn, "name": urns.name_of(urn), "type": urns.type_of(urn)}


def _secret_again(value: Value, told: Value) -> Value:
    """`value` made secret where the value told to the provider was (docs/engine-rules.md D13)."""
    if isinstance(value, Secret) or not contains_secret(told):
        return value
    if isinstance(value, dict) and isinstance(told, dict):
        return {key: _secret_again(item, told.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(told, list) and len(value) == len(told):
        return [_secret_again(item, other) for item, other in zip(value, told, strict=True)]
    return value if contains_unknown(value) and not isinstance(told, Secret) else Secret(value)


def _failures(answer: Any) -> list[CheckFailure]:
    return [CheckFailure(item.property, item.reason) for item in answer.failures]


def _difference(answer: provider_pb2.DiffResponse) -> Difference:
    kind = provider_pb2.PropertyDiff
    replacing = {kind.ADD_REPLACE, kind.DELETE_REPLACE, kind.UPDATE_REPLACE}
    changed = {1: False, 2: True}.get(answer.changes)
    return Difference(
        changed=True if answer.replaces else changed,
        replaces=list(answer.replaces),
        keys=list(answer.diffs),
        delete_before_replace=answer.deleteBeforeReplace,
        detailed={path: item.kind in replacing for path, item in answer.detailedDiff.items()},
    )


def _sorted(error: Any) -> ProviderError:
    """The provider's own words, whether the outcome is known, and the half-made thing if it sent one."""
    code: grpc.StatusCode = error.code()  # the stubs raise errors that are calls as well
    details = message_of(error.details() or code.name)
    if code == grpc.StatusCode.UNAVAILABLE:
        details = f"the provider went away: {details}"
    return ProviderError(details, lost=code in LOST, init=_init_failed(error.trailing_metadata() or ()))


def _init_failed(metadata: Iterable[tuple[str, str | bytes]]) -> InitFailed | None:
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            status = status_pb2.Status()
            status.ParseFromString(value if isinstance(value, bytes) else value.encode())
            return next(filter(None, map(_unpacked, status.details)), None)
    return None


def _unpacked(detail: any_pb2.Any) -> InitFailed | None:
    failed = provider_pb2.ErrorResourceInitFailed()
    if not detail.Unpack(failed):
        return None
    return InitFailed(
        failed.id, from_struct(failed.properties), from_struct(failed.inputs), list(failed.reasons)
    )
