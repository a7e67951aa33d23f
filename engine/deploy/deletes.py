"""Deleting at the end of a run: what the program no longer declares, and what was replaced (A2, A3, C5 to C7).

Dependents go before what they depend on, in layers; within a layer side by side. When a delete fails, what the survivor
still needs is left alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from engine import urn as urns
from engine.deploy import steps
from engine.deploy.deployment import Deployment, Stopped
from engine.deploy.events import Op
from engine.deploy.provider_resources import split_reference
from engine.errors import EngineError, StepFailed, WrongUse
from engine.state.resource import Resource


def delete_unwanted(deployment: Deployment) -> None:
    """Delete every state that this run has not registered. Failures are reported on the deployment."""
    doomed = [r for r in deployment.remaining() if deployment.options.is_targeted(r.urn)]
    if deployment.options.targets:
        doomed = _with_dependents(deployment, doomed)
    protected = [r for r in doomed if r.protect and not r.delete]
    for resource in protected:
        message = (
            f"{resource.urn} cannot be deleted, as it is protected; remove `protect` and run up once before"
        )
        deployment.fail(WrongUse(message), resource.urn)
    if protected:
        return
    spared = _needed_by_interrupted(deployment, doomed)
    with ThreadPoolExecutor(deployment.options.parallel) as pool:
        for layer in layers(doomed):
            left = [resource for resource in layer if resource.urn not in spared]
            for failed in filter(None, pool.map(lambda r: _delete(deployment, r, doomed), left)):
                spared |= _needed_by(failed, doomed)


def depends_on(resource: Resource) -> set[str]:
    """URNs that must outlive this resource."""
    names = {*resource.dependencies, resource.parent, resource.deleted_with}
    names.add(split_reference(resource.provider)[0])
    for sources in resource.property_dependencies.values():
        names.update(sources)
    return names - {""}


def layers(doomed: list[Resource]) -> list[list[Resource]]:
    """The resources in antichains, dependents first. A replaced state (`delete`) counts under its URN as well."""
    left = list(doomed)
    found = []
    while left:
        needed = [(other, depends_on(other)) for other in left]
        layer = [r for r in left if not any(r.urn in names for other, names in needed if other is not r)]
        layer = layer or left  # a damaged state may have a cycle: better deleted in any order than never
        found.append(layer)
        chosen = {id(r) for r in layer}
        left = [r for r in left if id(r) not in chosen]
    return found


def _delete(deployment: Deployment, resource: Resource, doomed: list[Resource]) -> Resource | None:
    """Delete one; the resource itself comes back when it could not be deleted."""
    op = Op.DELETE_REPLACED if resource.delete else Op.DELETE
    if resource.pending_replacement:
        op = Op.REMOVE_PENDING_REPLACE
    try:
        steps.delete(deployment, resource, op, called=_is_real(resource, doomed))
    except Stopped:
        return resource
    except EngineError as error:
        deployment.fail(error, resource.urn)
        return resource
    return None


def _is_real(resource: Resource, doomed: list[Resource]) -> bool:
    """Whether a provider has to delete something (C4, C7)."""
    if not resource.custom or urns.is_provider_type(resource.type):
        return False
    if resource.external or resource.retain_on_delete or resource.pending_replacement:
        return False
    return not any(other.urn == resource.deleted_with for other in doomed)


def _needed_by(failed: Resource, doomed: list[Resource]) -> set[str]:
    """Everything the survivor depends on, directly or not."""
    by_urn = {resource.urn: resource for resource in doomed}
    found: set[str] = set()
    left = depends_on(failed)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left |= depends_on(by_urn[name]) if name in by_urn else set()
    return found


def _needed_by_interrupted(deployment: Deployment, doomed: list[Resource]) -> set[str]:
    """Everything it takes to look for what an interrupted create may have made: its provider, its parent."""
    found: set[str] = set()
    for operation in deployment.journal.snapshot().pending:
        if operation.type == "creating" and operation.resource.urn not in deployment.news:
            found |= _needed_by(operation.resource, doomed)
    return found


def _with_dependents(deployment: Deployment, doomed: list[Resource]) -> list[Resource]:
    """With --target: what depends on the doomed goes too with --target-dependents, else it is an error."""
    names = {resource.urn for resource in doomed}
    extra: list[Resource] = []
    for resource in deployment.remaining():
        if resource.urn not in names and names & depends_on(resource):
            names.add(resource.urn)
            extra.append(resource)
    if extra and not deployment.options.target_dependents:
        left = ", ".join(resource.urn for resource in extra)
        error = StepFailed(
            extra[0].urn, f"these depend on a target: {left}; add them, or --target-dependents"
        )
        deployment.fail(error)
        return []
    return doomed + extra
