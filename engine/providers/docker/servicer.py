"""The provider `docker`: `create()` for this engine, `python -m engine.providers.docker` for any other.

It decodes a request, calls the resource's kind with plain values, and encodes the result. Each error becomes a status
with one sentence; an object that exists and is not ready becomes ErrorResourceInitFailed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import provider_pb2

from engine import urn as urns
from engine.providers.docker import difference, ownership, secrecy
from engine.providers.docker.docker_daemon import (
    DEFAULT_HOST,
    SCHEMES,
    DockerDaemon,
    RefusalError,
    translated,
)
from engine.providers.docker.forms import NOT_IMPLEMENTED, Fault, faults_of
from engine.providers.docker.kind import Call, Kind, Made
from engine.providers.serving import BuiltInProvider, init_failed
from engine.values import UNKNOWN, Properties, Unknown
from engine.values.wire import from_struct, to_struct

CONFIG = ("host",)
ENGINES_OWN = ("version", "pluginDownloadURL", "parameterization")  # engines add these to a provider's inputs


def create(directory: Path | None = None) -> DockerProvider:
    """A provider; relative paths of build contexts start at `directory`, or where the process is."""
    return DockerProvider(directory)


class DockerProvider(BuiltInProvider):
    """Serves Image, RemoteImage, Container, Network and Volume."""

    PACKAGE: ClassVar[str] = "docker"
    VERSION: ClassVar[str] = "5.2.0"

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._daemon = DockerDaemon(os.environ.get("DOCKER_HOST") or DEFAULT_HOST)

    def close(self) -> None:
        """Give up the connection to Docker."""
        self._daemon.close()

    # -- the provider itself

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse by name every key that is not implemented."""
        news = from_struct(request.news)
        faults = []
        for key, value in secrecy.plain(news).items():
            if key in CONFIG and not isinstance(value, Unknown) and not str(value).startswith(SCHEMES):
                faults.append(Fault(key, f"must start with one of {', '.join(SCHEMES)}, not {value!r}"))
            elif key not in CONFIG + ENGINES_OWN:
                faults.append(Fault(key, NOT_IMPLEMENTED.format(key, ", ".join(CONFIG))))
        return _checked(news, faults)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Another host is another configuration of the same provider, as with the official one."""
        olds = secrecy.plain(from_struct(request.old_inputs or request.olds))
        news = secrecy.plain(from_struct(request.news))
        diffs = [key for key in CONFIG if olds.get(key) != news.get(key)]
        changes = provider_pb2.DiffResponse.DIFF_SOME if diffs else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=diffs)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Take the host. Docker is not called: a preview or a destroy of nothing needs none."""
        host = secrecy.plain(from_struct(request.args)).get("host") or request.variables.get(
            "docker:config:host"
        )
        self._daemon.close()
        self._daemon = DockerDaemon(str(host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Cancel every wait; a partial object is reported as such. The next Configure resets this."""
        self._daemon.cancel()
        return empty_pb2.Empty()

    # -- resources

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse what is not implemented or cannot be, and complete the inputs."""
        news, olds = from_struct(request.news), from_struct(request.olds)
        return self._guarded(context, lambda: self._check(request, news, olds), news)

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Compare inputs with inputs."""
        outputs, news = secrecy.plain(from_struct(request.olds)), secrecy.plain(from_struct(request.news))
        olds = secrecy.plain(from_struct(request.old_inputs)) if request.HasField("old_inputs") else outputs
        return self._guarded(context, lambda: difference.answer(self._kind(request.urn), olds, news, outputs))

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Make it."""
        inputs = from_struct(request.properties)
        call = self._call(request, inputs=secrecy.plain(inputs), seconds=request.timeout)
        if request.preview:
            return provider_pb2.CreateResponse(properties=self._preview(context, call, inputs))
        made = self._guarded(context, lambda: self._kind(call.urn).create(call), inputs)
        outputs = self._finished(context, made, inputs)
        return provider_pb2.CreateResponse(id=made.id, properties=outputs)

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """Look at it; an empty id means that it is gone."""
        inputs, outputs = from_struct(request.inputs), from_struct(request.properties)
        call = self._call(
            request, id=request.id, inputs=secrecy.plain(inputs), outputs=secrecy.plain(outputs)
        )
        made = self._guarded(context, lambda: self._kind(call.urn).read(call), inputs, outputs)
        if made is None:
            return provider_pb2.ReadResponse()
        found = made.inputs or {}
        read_inputs: Properties = {
            k: inputs[k] if found.get(k) == call.inputs.get(k) else found[k] for k in found if k in inputs
        }
        read_inputs |= {key: value for key, value in found.items() if key not in inputs}
        properties = self._finished(context, made, inputs, outputs, read_inputs=read_inputs)
        return provider_pb2.ReadResponse(id=made.id, properties=properties, inputs=to_struct(read_inputs))

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Change it where it is."""
        news, outputs = from_struct(request.news), from_struct(request.olds)
        olds = from_struct(request.old_inputs) if request.HasField("old_inputs") else outputs
        call = self._call(
            request,
            id=request.id,
            inputs=secrecy.plain(news),
            old_inputs=secrecy.plain(olds),
            outputs=secrecy.plain(outputs),
            seconds=request.timeout,
        )
        if request.preview:
            return provider_pb2.UpdateResponse(properties=self._preview(context, call, news))
        made = self._guarded(context, lambda: self._kind(call.urn).update(call), news, olds)
        return provider_pb2.UpdateResponse(properties=self._finished(context, made, news))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Remove it and see it gone; what is not there is removed already."""
        inputs, outputs = from_struct(request.old_inputs), from_struct(request.properties)
        call = self._call(
            request,
            id=request.id,
            inputs=secrecy.plain(inputs) or secrecy.plain(outputs),
            outputs=secrecy.plain(outputs),
            seconds=request.timeout,
        )
        self._guarded(context, lambda: self._kind(call.urn).delete(call), inputs, outputs)
        return empty_pb2.Empty()

    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        """Call a function."""
        args = from_struct(request.args)

        def call() -> provider_pb2.InvokeResponse:
            from engine.providers.docker.kinds import FUNCTIONS

            if request.tok not in FUNCTIONS:
                raise _unimplemented(request.tok, FUNCTIONS)
            result = FUNCTIONS[request.tok](self._daemon, secrecy.plain(args))
            return provider_pb2.InvokeResponse(**{"return": to_struct(result)})  # type: ignore[arg-type]  # a Python word

        return self._guarded(context, call, args)

    # -- inside

    def _check(
        self, request: provider_pb2.CheckRequest, news: Properties, olds: Properties
    ) -> provider_pb2.CheckResponse:
        kind = self._kind(request.urn)
        self._daemon.ping()
        checked = dict(news)
        if "name" in kind.INPUTS and not kind.INPUTS["name"].required and checked.get("name") is None:
            checked["name"] = olds.get("name") or ownership.automatic_name(request.urn, request.randomSeed)
        inputs = secrecy.plain(checked)
        faults = faults_of(kind.INPUTS, inputs)
        if not faults:
            additions, faults = kind.check(inputs, self._directory or Path.cwd())
            checked |= {key: secrecy.merged(checked.get(key), value) for key, value in additions.items()}
        return _checked(checked, faults)

    def _call(self, request: Any, **rest: Any) -> Call:
        return Call(self._daemon, request.urn, directory=self._directory or Path.cwd(), **rest)

    def _kind(self, urn: str) -> Kind:
        from engine.providers.docker.kinds import KINDS

        type_ = urns.type_of(urn)
        if type_ not in KINDS:
            raise _unimplemented(type_, KINDS)
        return KINDS[type_]

    def _preview(self, context: grpc.ServicerContext, call: Call, inputs: Properties) -> struct_pb2.Struct:
        """The outputs as far as they are known; the rest is UNKNOWN."""

        def expected() -> Properties:
            kind = self._kind(call.urn)
            return {**dict.fromkeys(kind.COMPUTED, UNKNOWN), **secrecy.sealed(kind.preview(call), inputs)}

        return to_struct(self._guarded(context, expected, inputs))

    def _status_of(self, error: Exception) -> tuple[grpc.StatusCode, str]:
        refusal = translated(error, self._daemon)
        return refusal.code, str(refusal)

    def _masked(self, message: str, *secrets_in: Properties) -> str:
        return secrecy.masked(message, *secrets_in)

    def _finished(
        self,
        context: grpc.ServicerContext,
        made: Made,
        *sources: Properties,
        read_inputs: Properties | None = None,
    ) -> struct_pb2.Struct:
        """The outputs on the wire, or the end of the call when it is not ready."""
        outputs = secrecy.sealed(made.outputs, *sources)
        if made.reasons:
            reasons = [secrecy.masked(reason, *sources) for reason in made.reasons]
            init_failed(context, made.id, outputs, reasons, read_inputs or sources[0])
        return to_struct(outputs)


def _checked(inputs: Properties, faults: list[Fault]) -> provider_pb2.CheckResponse:
    failures = [provider_pb2.CheckFailure(property=fault.path, reason=fault.reason) for fault in faults]
    return provider_pb2.CheckResponse(inputs=None if failures else to_struct(inputs), failures=failures)


def _unimplemented(token: str, implemented: Any) -> RefusalError:
    return RefusalError(
        grpc.StatusCode.UNIMPLEMENTED, NOT_IMPLEMENTED.format(token, ", ".join(sorted(implemented)))
    )
