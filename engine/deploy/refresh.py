"""Refreshing: the state learns what is really there (docs/engine-rules.md E1 to E3).

Every custom resource is read, side by side. What is gone leaves the state, and what referred to it no longer does.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

from engine import urn as urns
from engine.deploy import steps
from engine.deploy.deletes import depends_on
from engine.deploy.deployment import Deployment, Stopped
from engine.deploy.events import Op
from engine.errors import EngineError, StepFailed
from engine.providers.client import ProviderError
from engine.state.resource import Resource
from engine.values import without_secrets


def refresh(deployment: Deployment) -> None:
    """Read everything; changes are counted as `update` and `delete`, failures reported on the deployment."""
    with ThreadPoolExecutor(deployment.options.parallel) as pool:
        list(pool.map(lambda resource: _refresh(deployment, resource), list(deployment.base.resources)))
    gone = {r.urn for r in deployment.base.resources} - {r.urn for r in deployment.remaining()}
    parents = {resource.urn: resource.parent for resource in deployment.base.resources}
    for resource in deployment.remaining():
        pruned = without(resource, gone, parents)
        if pruned != resource:
            deployment.journal.substitute(resource, pruned)


def _refresh(deployment: Deployment, old: Resource) -> None:
    if not old.custom or urns.is_provider_type(old.type) or old.pending_replacement:
        return
    if not deployment.options.is_targeted(old.urn):
        return
    try:
        found = _read(deployment, old)
        op, keys = _verdict(old, found)
        deployment.perform(op, old.urn, keys, lambda: deployment.journal.substitute(old, found))
    except Stopped:
        return
    except EngineError as error:
        deployment.fail(error, old.urn)


def _read(deployment: Deployment, old: Resource) -> Resource | None:
    """The resource as it is now; None when it is gone."""
    try:
        result = deployment.provider_of(old).read(old.urn, old.id, old.inputs, old.outputs)
    except ProviderError as error:
        if error.init is None:
            raise StepFailed(old.urn, f"reading failed: {error}") from None
        deployment.say("warning", f"{old.urn} is not ready: {'; '.join(error.init.reasons)}", old.urn)
        outputs = steps.with_secrets(old, error.init.outputs)
        return dataclasses.replace(old, outputs=outputs, init_errors=error.init.reasons)
    if not result.id:
        return None
    inputs = old.inputs if result.inputs is None or old.external else result.inputs
    outputs = steps.with_secrets(old, result.outputs)
    return dataclasses.replace(old, id=result.id, inputs=inputs, outputs=outputs, init_errors=[])


def _verdict(old: Resource, found: Resource | None) -> tuple[Op, list[str]]:
    if found is None:
        return Op.DELETE, []
    keys = [key for key in sorted({*old.outputs, *found.outputs}) if _differs(old, found, key)]
    return (Op.UPDATE if keys or old.init_errors != found.init_errors else Op.SAME), keys


def _differs(old: Resource, found: Resource, key: str) -> bool:
    return without_secrets(old.outputs.get(key)) != without_secrets(found.outputs.get(key))


def without(resource: Resource, gone: set[str], parents: dict[str, str]) -> Resource:
    """The resource as it is when what it refers to is gone; `parents` tells who takes over a child."""
    if not gone & depends_on(resource):
        return resource
    parent = resource.parent
    while parent in gone:
        parent = parents.get(parent, "")
    return dataclasses.replace(
        resource,
        parent=parent,
        deleted_with="" if resource.deleted_with in gone else resource.deleted_with,
        dependencies=[name for name in resource.dependencies if name not in gone],
        property_dependencies={
            key: [name for name in names if name not in gone]
            for key, names in resource.property_dependencies.items()
        },
    )
