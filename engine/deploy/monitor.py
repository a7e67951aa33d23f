"""The program's door: pulumirpc.ResourceMonitor, one method an RPC.

Registrations arrive on the server's threads, one each, and are answered when their step is done. A failure is reported to the
program as the official engine does: the monitor goes away (UNAVAILABLE), or, with --continue-on-error, the result is FAIL.
Out of scope, and refused by name: Call, transforms, hooks, parameterized packages, remote components.
"""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc

from engine import urn as urns
from engine.deploy.deployment import Deployment, Stopped
from engine.deploy.generator import Generator
from engine.deploy.goal import Goal, from_request
from engine.errors import EngineError
from engine.program.source import ProgramSource
from engine.providers.client import ProviderError
from engine.state.resource import Resource
from engine.values import Properties
from engine.values.wire import from_struct, to_struct

_FEATURE = resource_pb2.ResourceMonitorFeature
FEATURES = {
    "secrets": _FEATURE.Value("RESOURCE_MONITOR_FEATURE_SECRETS"),
    "resourceReferences": _FEATURE.Value("RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES"),
    "outputValues": _FEATURE.Value("RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES"),
    "aliasSpecs": _FEATURE.Value("RESOURCE_MONITOR_FEATURE_ALIAS_SPECS"),
    "deletedWith": _FEATURE.Value("RESOURCE_MONITOR_FEATURE_DELETED_WITH"),
}


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Serves one program run."""

    def __init__(self, deployment: Deployment, source: ProgramSource) -> None:
        self._run = deployment
        self._source = source
        self._generator = Generator(deployment)

    # -- what the engine is

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> resource_pb2.DeploymentInfo:
        """Who runs, and what the monitor can do."""
        return resource_pb2.DeploymentInfo(
            project=self._run.project,
            stack=self._run.stack,
            organization="organization",
            config=self._source.config,
            configSecretKeys=sorted(self._source.secret_keys),
            dryRun=self._run.options.preview,
            parallel=self._run.options.parallel,
            supportedFeatures=list(FEATURES.values()),
        )

    def SupportsFeature(
        self, request: Any, context: grpc.ServicerContext
    ) -> resource_pb2.SupportsFeatureResponse:
        """The same question as older SDKs ask it."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in FEATURES)

    # -- resources

    def RegisterResource(
        self, request: Any, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        """Bring one resource to its goal."""
        urn = urns.make(self._run.stack, self._run.project, request.parent, request.type, request.name)
        try:
            goal = from_request(request)
            if self._depends_on_failed(goal):
                return self._failed(request, urn)
            state = self._generator.register(goal)
        except Stopped as error:
            self._shut(context, error)
        except EngineError as error:
            self._run.fail(error, getattr(error, "urn", urn))
            if self._run.options.continue_on_error:
                return self._failed(request, urn)
            self._shut(context, error)
        return self._answer(state)

    def _depends_on_failed(self, goal: Goal) -> bool:
        provider = goal.provider.rpartition("::")[0]
        return bool(self._run.outcome.failed & {*goal.dependencies, goal.parent, provider, goal.deleted_with})

    def _failed(self, request: Any, urn: str) -> resource_pb2.RegisterResourceResponse:
        with self._run.lock:
            self._run.outcome.failed.add(urn)
        return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object, result=resource_pb2.FAIL)

    def _answer(self, state: Resource) -> resource_pb2.RegisterResourceResponse:
        dependencies = resource_pb2.RegisterResourceResponse.PropertyDependencies
        outputs: Properties = state.outputs if state.custom else state.inputs
        return resource_pb2.RegisterResourceResponse(
            urn=state.urn,
            id=state.id,
            object=to_struct(outputs),
            propertyDependencies={k: dependencies(urns=v) for k, v in state.property_dependencies.items()},
        )

    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """A component's outputs; the stack's own are its exports."""
        outputs = from_struct(request.outputs)
        with self._run.lock:
            state = self._run.news.get(request.urn)
            if state is None:
                self._shut(context, EngineError(f"outputs for {request.urn}, which was not registered"))
            if state.type == urns.STACK_TYPE:
                self._run.stack_outputs = outputs
            else:
                self._run.set_outputs(state, outputs)
        return empty_pb2.Empty()

    def ReadResource(self, request: Any, context: grpc.ServicerContext) -> resource_pb2.ReadResourceResponse:
        """`.get(id)`: look at something that the program did not make."""
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=True,
            inputs=from_struct(request.properties),
            parent=request.parent,
            dependencies=sorted(request.dependencies),
            provider=request.provider,
            version=request.version,
            plugin_download_url=request.pluginDownloadURL,
            additional_secret_outputs=list(request.additionalSecretOutputs),
        )
        urn = urns.make(self._run.stack, self._run.project, request.parent, request.type, request.name)
        try:
            if self._depends_on_failed(goal):
                return self._unread(urn)
            state = self._generator.read(goal, request.id)
        except Stopped as error:
            self._shut(context, error)
        except EngineError as error:
            self._run.fail(error, getattr(error, "urn", urn))
            if self._run.options.continue_on_error:
                return self._unread(urn)
            self._shut(context, error)
        return resource_pb2.ReadResourceResponse(
            urn=state.urn, id=state.id, properties=to_struct(state.outputs)
        )

    def _unread(self, urn: str) -> resource_pb2.ReadResourceResponse:
        with self._run.lock:
            self._run.outcome.failed.add(urn)
        return resource_pb2.ReadResourceResponse(urn=urn, result=resource_pb2.FAIL)

    # -- functions

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """A provider's function."""
        try:
            package = urns.package_of(request.tok)
            reference = request.provider or self._generator.default_provider(
                package, request.version, request.pluginDownloadURL
            )
            answer, failures = self._run.providers.get(reference).invoke(
                request.tok, from_struct(request.args)
            )
        except (EngineError, ProviderError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"{request.tok}: {error}")
        refused = [provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures]
        return provider_pb2.InvokeResponse(**{"return": to_struct(answer)}, failures=refused)

    # -- the end

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """The program is through: nothing more will be registered."""
        self._source.signal_success()
        return empty_pb2.Empty()

    def _shut(self, context: grpc.ServicerContext, error: EngineError) -> NoReturn:
        """End the call as a monitor that has gone does; the reason is in the run's own diagnostics."""
        context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        raise AssertionError("abort raises")
