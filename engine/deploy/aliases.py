"""Aliases: under which URN an earlier run knew a resource (docs/engine-rules.md D4).

Candidates in order: its own URN, each alias the program gives, then the same aliases under the parent's former URNs, with
the parent's old name as prefix where the child carries the parent's new one.
"""

from __future__ import annotations

from pulumi.runtime.proto import alias_pb2

from engine import urn as urns
from engine.deploy.goal import Goal


def candidates(goal: Goal, stack: str, project: str, parent_aliases: dict[str, list[str]]) -> list[str]:
    """Former URNs of a goal, nearest first, without doubles. `parent_aliases` maps a URN to its former ones."""
    found = []
    for alias in [*goal.aliases, alias_pb2.Alias(spec=alias_pb2.Alias.Spec())]:
        own = (
            alias.urn if alias.WhichOneof("alias") == "urn" else _from_spec(alias.spec, goal, stack, project)
        )
        found.append(own)
        if alias.WhichOneof("alias") == "urn" or alias.spec.WhichOneof("parent"):
            continue
        name, type_ = alias.spec.name or goal.name, alias.spec.type or goal.type
        for former in parent_aliases.get(goal.parent, []):
            child = _renamed(name, urns.name_of(goal.parent), urns.name_of(former))
            found.append(urns.make(stack, project, former, type_, child))
    current = urns.make(stack, project, goal.parent, goal.type, goal.name)
    return [urn for urn in dict.fromkeys(found) if urn != current]


def _from_spec(spec: alias_pb2.Alias.Spec, goal: Goal, stack: str, project: str) -> str:
    parent = "" if spec.noParent else spec.parentUrn or goal.parent
    return urns.make(
        spec.stack or stack, spec.project or project, parent, spec.type or goal.type, spec.name or goal.name
    )


def _renamed(name: str, parent: str, former: str) -> str:
    """A child's former name: children are named after their parent by convention."""
    return former + name[len(parent) :] if name.startswith(parent) else name
