"""Replacing: create before delete, or delete before create with everything that hangs on it; and renaming in the state.

Delete-before-replace takes the dependents with it that could not survive: those that would themselves be replaced if
the changed resource's outputs were unknown, those whose provider it is, those deleted with it (docs/engine-rules.md C2, C3).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from engine import urn as urns
from engine.deploy import steps
from engine.deploy.deletes import depends_on
from engine.deploy.deployment import Deployment
from engine.deploy.differences import compare, force_replace
from engine.deploy.events import Op
from engine.deploy.provider_resources import split_reference
from engine.errors import StepFailed
from engine.providers.client import Difference
from engine.state.resource import Resource
from engine.values import UNKNOWN, Properties

if TYPE_CHECKING:
    from engine.deploy.goal import Goal


def replace(
    deployment: Deployment, goal: Goal, old: Resource, new: Resource, difference: Difference
) -> Resource:
    """Replace `old` by `new`."""
    if old.protect and new.protect:
        raise StepFailed(
            new.urn,
            f"unable to replace {new.urn}, as it is protected; remove `protect` in the program and run up once before",
        )
    with deployment.lock:
        deployment.replaced.add(new.urn)
    keys = difference.replaces
    first = (
        difference.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
    )
    if not first:
        return steps.create(deployment, new, op=Op.CREATE_REPLACEMENT, keys=keys, kept_for_deletion=old)
    with deployment.replace_lock:
        for dependent in reversed(_dependents(deployment, old)):
            _delete_first(deployment, dependent, because=old)
        gone = _delete_first(deployment, old, because=old)
    return steps.create(deployment, new, op=Op.CREATE_REPLACEMENT, keys=keys, superseded=gone)


def _delete_first(deployment: Deployment, resource: Resource, because: Resource) -> Resource:
    if resource.protect and resource is not because:
        raise StepFailed(
            resource.urn, f"unable to replace {because.urn}: {resource.urn} depends on it and is protected"
        )
    called = not (resource.external or resource.retain_on_delete or urns.is_provider_type(resource.type))
    after = steps.delete(deployment, resource, Op.DELETE_REPLACED, called=called, replacing=True)
    assert after is not None
    with deployment.lock:
        deployment.replaced.add(resource.urn)
        deployment.olds[resource.urn] = after
    return after


def _dependents(deployment: Deployment, root: Resource) -> list[Resource]:
    """What must be deleted before `root`, in the state's order. Resources of this run cannot depend on it yet."""
    doomed = {root.urn}
    found = []
    for resource in deployment.base.resources:
        current = deployment.olds.get(resource.urn)
        if (
            current is None
            or resource.delete
            or resource.urn in deployment.news
            or current.pending_replacement
        ):
            continue
        if current.urn not in doomed and _cannot_survive(deployment, current, doomed):
            doomed.add(current.urn)
            found.append(current)
    return found


def _cannot_survive(deployment: Deployment, resource: Resource, doomed: set[str]) -> bool:
    if not resource.custom or resource.external:
        return False
    if split_reference(resource.provider)[0] in doomed or resource.deleted_with in doomed:
        return True
    inputs: Properties = dict(resource.inputs)
    touched = [key for key, sources in resource.property_dependencies.items() if doomed.intersection(sources)]
    if not touched or urns.is_provider_type(resource.type):
        return False
    inputs.update(dict.fromkeys([key for key in touched if key in inputs], UNKNOWN))
    provider = deployment.provider_of(resource)
    difference = compare(provider, resource, inputs, resource.ignore_changes, preview=True)
    return bool(force_replace(difference, resource, inputs, resource.replace_on_changes).replaces)


def rename(deployment: Deployment, former: str, urn: str) -> Resource:
    """Give a state its new URN, in itself and in everything that refers to it (D5). The caller holds the lock."""
    pairs = []
    for resource in deployment.base.resources:
        current = deployment.olds.get(resource.urn)
        if current is None or resource.delete or resource.urn in deployment.news:
            continue
        renamed = _renamed(current, former, urn)
        if renamed is not None:
            pairs.append((current, renamed))
    deployment.journal.substitute_all(pairs)
    for old, new in pairs:
        deployment.olds.pop(old.urn)
        deployment.olds[new.urn] = new
        deployment.base.resources[:] = [new if r is old else r for r in deployment.base.resources]
    return deployment.olds[urn]


def _renamed(resource: Resource, former: str, urn: str) -> Resource | None:
    def swap(name: str) -> str:
        return urn if name == former else name

    provider_urn, _, id_ = resource.provider.rpartition("::")
    changed = dataclasses.replace(
        resource,
        urn=swap(resource.urn),
        type=urns.type_of(urn) if resource.urn == former else resource.type,
        parent=swap(resource.parent),
        deleted_with=swap(resource.deleted_with),
        provider=f"{swap(provider_urn)}::{id_}" if resource.provider else "",
        dependencies=[swap(name) for name in resource.dependencies],
        property_dependencies={k: [swap(n) for n in v] for k, v in resource.property_dependencies.items()},
    )
    return changed if changed != resource else None


def keep_dependencies(deployment: Deployment, resource: Resource) -> None:
    """Before an untargeted resource is written down again, so is what it depends on and the program no longer mentions,
    because the state lists dependencies first."""
    for name in sorted(depends_on(resource)):
        with deployment.lock:
            old = deployment.olds.get(name)
            if old is None or name in deployment.news:
                continue
            deployment.news[name] = kept = old.copy()
        keep_dependencies(deployment, old)
        deployment.journal.record(add=kept, drop=old)
