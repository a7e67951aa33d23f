"""The provider as Pulumi's engines call it: `create()` for ours, `python -m engine.providers.kubernetes` for any other.

It decodes a request, hands values on, and encodes what comes back. Every error leaves as a status with one sentence and
without a secret; an object that exists and is not ready leaves as ErrorResourceInitFailed. The version is that of the
`pulumi_kubernetes` whose inputs it knows. Out of scope: Handshake, Construct, Call, List, functions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import grpc
from google.protobuf import empty_pb2
from grpc import ServicerContext as Context
from pulumi.runtime.proto import provider_pb2 as pb

from clients.kubernetes.errors import ClientError, NoAnswer
from engine.providers.kubernetes import (
    checking,
    checkpoint,
    configuration,
    difference,
    objects,
    operations,
    secrecy,
    tokens,
)
from engine.providers.kubernetes.operations import Made, Wanted
from engine.providers.kubernetes.refusal import RefusalError, code_of
from engine.providers.kubernetes.site import Site
from engine.providers.serving import BuiltInProvider, init_failed
from engine.values import Properties
from engine.values.wire import from_struct, to_struct

Result = TypeVar("Result")


def create(directory: Path | None = None) -> KubernetesProvider:
    """A provider; relative paths of kubeconfigs start at `directory`, or where the process is."""
    return KubernetesProvider(directory)


class KubernetesProvider(BuiltInProvider):
    """Serves every kind that the cluster knows."""

    PACKAGE: ClassVar[str] = "kubernetes"
    VERSION: ClassVar[str] = "4.34.2"

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or Path.cwd()
        self._masks = secrecy.Masks()
        self._site = Site(configuration.settings({}), self._directory)
        self._lock = threading.Lock()
        self._known: set[str] = set()  # URNs whose object is in the state: their replacement may meet it

    def close(self) -> None:
        """Close the connections."""
        self._site.close()

    # -- the provider itself

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Refuse by name what is not implemented, and a kubeconfig that cannot be read."""
        news = from_struct(request.news)
        return checking.answer(news, configuration.faults(secrecy.plain(news), self._directory))

    def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        """Another API server replaces the provider, and with it what it made."""
        olds = secrecy.plain(from_struct(request.old_inputs or request.olds))
        return configuration.difference(olds, secrecy.plain(from_struct(request.news)), self._directory)

    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        """Take the settings. The cluster is not asked: a preview or a destroy of nothing needs none."""
        prefix, given = "kubernetes:config:", request.variables.items()
        inputs: Properties = {
            key.removeprefix(prefix): value for key, value in given if key.startswith(prefix)
        }
        inputs |= from_struct(request.args)
        self._site.close()
        self._site = Site(configuration.settings(secrecy.plain(inputs)), self._directory)
        return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:
        """Break off every wait; what is half-made is answered as such. The next Configure starts afresh."""
        self._site.cancelled.set()
        return empty_pb2.Empty()

    # -- resources

    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        """Refuse what is not implemented or cannot be, and complete the inputs."""
        news, olds = from_struct(request.news), from_struct(request.olds)
        answer = self._guarded(context, lambda: checking.check(self._site, request, news, olds), news, olds)
        self._masks.learn(from_struct(answer.inputs))
        return answer

    def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        """Compare inputs with inputs; the cluster is asked only for `replaceUnready`."""
        outputs, news = from_struct(request.olds), from_struct(request.news)
        kept = from_struct(request.old_inputs) if request.HasField("old_inputs") else outputs.get("__inputs")
        olds = kept if isinstance(kept, dict) else {}
        with self._lock:
            self._known.add(request.urn)

        def answered() -> pb.DiffResponse:
            before, after, live = map(secrecy.plain, (olds, news, outputs))
            mutable = self._site.settings.mutable
            found = difference.answer(before, after, live, list(request.ignoreChanges), mutable)
            return checking.with_unready(self._site, found, after, live)

        return self._guarded(context, answered, news, olds)

    def Create(self, request: pb.CreateRequest, context: Context) -> pb.CreateResponse:
        """Make it."""
        wanted = Wanted(request.urn, from_struct(request.properties), seconds=request.timeout)
        if request.preview:
            replaces = request.urn in self._known
            live = self._done(context, wanted, operations.preview_create, replaces=replaces)
            properties = checkpoint.previewed(live, wanted.inputs, wanted.manager)
            return pb.CreateResponse(properties=to_struct(properties))
        id_, outputs = self._finished(context, wanted, self._done(context, wanted, operations.create))
        return pb.CreateResponse(id=id_, properties=to_struct(outputs))

    def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        """Look at it; an empty id means that it is gone."""
        inputs, outputs = from_struct(request.inputs), from_struct(request.properties)
        wanted = Wanted(request.urn, inputs, outputs, id=request.id)
        made = self._done(context, wanted, self._unless_unreachable, work=operations.read)
        if made is None:
            return pb.ReadResponse()
        read_inputs = secrecy.sealed(made.inputs or {}, inputs)
        id_, found = self._finished(context, wanted, made, read_inputs)
        properties = to_struct(outputs if made.unchanged else found)
        return pb.ReadResponse(id=request.id or id_, properties=properties, inputs=to_struct(read_inputs))

    def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        """Change it where it is."""
        news, outputs = from_struct(request.news), from_struct(request.olds)
        ignore = tuple(request.ignoreChanges)
        wanted = Wanted(request.urn, news, outputs, id=request.id, seconds=request.timeout, ignore=ignore)
        if request.preview:
            live = self._done(context, wanted, operations.preview_update)
            found = checkpoint.previewed(live, news, wanted.manager, before=outputs)
        else:
            _, found = self._finished(context, wanted, self._done(context, wanted, operations.update))
        return pb.UpdateResponse(properties=to_struct(found))

    def Delete(self, request: pb.DeleteRequest, context: Context) -> empty_pb2.Empty:
        """Remove it and see it gone; what is not there is removed already."""
        inputs, outputs = from_struct(request.old_inputs), from_struct(request.properties)
        wanted = Wanted(request.urn, inputs, outputs, id=request.id, seconds=request.timeout)
        self._done(context, wanted, self._unless_unreachable, work=operations.delete)
        return empty_pb2.Empty()

    def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        """Every function of the official provider renders YAML, Helm or Kustomize."""
        return self._guarded(context, lambda: tokens.refuse_function(request.tok))

    # -- inside

    def _done(self, context: Context, wanted: Wanted, operation: Callable[..., Result], **how: Any) -> Result:
        """Carry out one of `operations`."""
        secrets_in = (wanted.inputs, wanted.outputs)
        return self._guarded(context, lambda: operation(self._site, wanted, **how), *secrets_in)

    def _unless_unreachable(
        self, site: Site, wanted: Wanted, work: Callable[[Site, Wanted], Made | None]
    ) -> Made | None:
        """With `deleteUnreachable` what cannot be reached counts as gone."""
        try:
            return work(site, wanted)
        except NoAnswer as error:
            if error.sent:
                raise
            if not site.settings.delete_unreachable:
                hint = "if the cluster is gone permanently, PULUMI_K8S_DELETE_UNREACHABLE=true forgets what it held"
                raise NoAnswer(f"{error}; {hint}", sent=False) from None
            return None

    def _guarded(self, context: Context, work: Callable[[], Result], *secrets_in: Properties) -> Result:
        self._masks.learn(*secrets_in)
        return super()._guarded(context, work)

    def _status_of(self, error: Exception) -> tuple[grpc.StatusCode, str]:
        if isinstance(error, RefusalError):
            return error.code, str(error)
        return (code_of(error), str(error)) if isinstance(error, ClientError) else super()._status_of(error)

    def _masked(self, message: str, *secrets_in: Properties) -> str:
        return self._masks.masked(message)

    def _finished(
        self, context: Context, wanted: Wanted, made: Made, read_inputs: Properties | None = None
    ) -> tuple[str, Properties]:
        """The id and outputs, or the end of the call when it is not ready."""
        inputs = wanted.inputs if read_inputs is None else read_inputs
        outputs = checkpoint.outputs_of(made.live, inputs, wanted.manager, wanted.outputs)
        self._masks.learn(outputs)
        id_ = objects.id_of(made.live)
        if made.reasons:
            init_failed(context, id_, outputs, list(map(self._masks.masked, made.reasons)), inputs)
        return id_, outputs
