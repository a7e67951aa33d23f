"""Recovering: creates whose answer was lost, because a provider or the engine was killed (docs/engine-rules.md 1.6.2, 1.6.3).

The official engine warns and creates again, which leaks or collides. Here each pending create is looked for under the
deterministic name its inputs carry: found and ready, it is adopted; found half-made, it is deleted; not found, the
operation is dropped. A provider that only echoes what it was asked has found nothing.
"""

from __future__ import annotations

import dataclasses

from engine import urn as urns
from engine.deploy import steps
from engine.deploy.deletes import depends_on
from engine.deploy.deployment import Deployment
from engine.deploy.provider_resources import split_reference
from engine.deploy.refresh import without
from engine.errors import EngineError, StepFailed
from engine.providers.client import Provider, ProviderError
from engine.state.resource import PendingOperation, Resource
from engine.values import without_secrets


def recover(deployment: Deployment) -> list[PendingOperation]:
    """Settle every pending create of the base state; those that could not be settled are returned."""
    unsettled = []
    for operation in [op for op in deployment.base.pending if op.type == "creating"]:
        try:
            _settle(deployment, operation)
        except (EngineError, ProviderError) as error:
            unsettled.append(operation)
            text = f"an interrupted create of {operation.resource.urn} cannot be settled yet: {error}"
            deployment.say("warning", text, operation.resource.urn)
    return unsettled


def _settle(deployment: Deployment, operation: PendingOperation) -> None:
    wanted = operation.resource
    if not wanted.custom or not wanted.provider:
        deployment.journal.discard_pending(operation)
        return
    _put_provider_back(deployment, wanted)
    provider = deployment.provider_of(wanted)
    found, half_made = _find(provider, wanted)
    if found is not None and half_made:
        provider.delete(found.urn, found.id, found.inputs, found.outputs, 0)
        deployment.say("info", f"deleted what an interrupted run had half-made: {found.id}", found.urn)
        found = None
    if found is not None:
        known = {resource.urn for resource in deployment.base.resources}
        found = without(found, depends_on(found) - known, {})
    if found is not None and found.urn in deployment.olds:
        _put_aside(deployment, deployment.olds[found.urn])
    deployment.journal.adopt(operation, found)
    if found is not None:
        deployment.base.resources.append(found)
        deployment.olds[found.urn] = found
        deployment.say("info", f"adopted what an interrupted run had created: {found.id}", found.urn)


def _put_provider_back(deployment: Deployment, wanted: Resource) -> None:
    """The official destroy keeps a pending create but not its default provider, which is needed to look for it."""
    urn, id_ = split_reference(wanted.provider)
    known = any(resource.urn == urn and resource.id == id_ for resource in deployment.base.resources)
    if known or not urns.name_of(urn).startswith("default"):
        return
    goal = deployment.providers.default_goal(urns.package_of(urns.type_of(urn)), "", "")
    provider = Resource(urn=urn, type=goal.type, custom=True, id=id_, inputs=goal.inputs, outputs=goal.inputs)
    deployment.base.resources.insert(0, provider)
    deployment.journal.record(add=provider)


def _put_aside(deployment: Deployment, old: Resource) -> None:
    """The interrupted create was a replacement's: what it replaces is still to be deleted."""
    after = [] if old.pending_replacement else [dataclasses.replace(old, delete=True)]
    deployment.journal.substitute(old, after[0] if after else None)
    place = next(i for i, resource in enumerate(deployment.base.resources) if resource is old)
    deployment.base.resources[place : place + 1] = after


def _find(provider: Provider, wanted: Resource) -> tuple[Resource | None, bool]:
    """The thing an interrupted create left, and whether it is half-made."""
    name = without_secrets(wanted.inputs.get("name", ""))
    id_ = name if isinstance(name, str) else ""
    try:
        result = provider.read(wanted.urn, id_, wanted.inputs, {})
    except ProviderError as error:
        if error.init is None:
            raise StepFailed(wanted.urn, f"looking for it failed: {error}") from None
        half = dataclasses.replace(wanted, id=error.init.id, outputs=error.init.outputs)
        return half, True
    if not result.id or without_secrets(result.outputs) == without_secrets(wanted.inputs):
        return None, False
    outputs = steps.with_secrets(wanted, result.outputs)
    stamp = steps.now()
    return dataclasses.replace(wanted, id=result.id, outputs=outputs, created=stamp, modified=stamp), False
