"""The step generator: which step turns a resource's old state into its goal.

One method a question, in the order in which they are asked (docs/engine-rules.md B1 to B7, C1 to C4): whose is it, is the input
good, is it new, what differs, must it be replaced. The doing is in `steps`, the cascade in `replacement`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import urn as urns
from engine.deploy import replacement, steps
from engine.deploy.aliases import candidates
from engine.deploy.deployment import Deployment
from engine.deploy.differences import changed_keys, compare, force_replace, keep_ignored
from engine.deploy.events import Op
from engine.deploy.provider_resources import split_reference
from engine.errors import StepFailed
from engine.providers.client import CheckFailure, Difference, ProviderError
from engine.state.resource import Resource
from engine.values import Properties, contains_unknown

if TYPE_CHECKING:
    from engine.deploy.goal import Goal


class InputRefused(StepFailed):
    """A provider's Check refused the inputs, or it cannot work here: this resource was not touched."""

    exit_code = 2


class Generator:
    """Takes goals, carries out the step that each needs, and remembers what was registered."""

    def __init__(self, deployment: Deployment) -> None:
        self._run = deployment
        self._claimed: set[str] = set()
        self._former: dict[str, list[str]] = {}  # URN -> the URNs it had in earlier runs
        self._skipped_creates: set[str] = set()

    def register(self, goal: Goal) -> Resource:
        """Bring one resource to its goal: its new state. StepFailed with the resource's URN if that fails."""
        self._run.check_running()
        urn = urns.make(self._run.stack, self._run.project, goal.parent, goal.type, goal.name)
        self._check_parent(goal, urn)
        self._inherit(goal)
        if goal.custom and not urns.is_provider_type(goal.type):
            goal.provider = self._provider_reference(goal)
        old = self._claim(urn, goal)
        new = _state(urn, goal)
        state = self._step(goal, old, new)
        with self._run.lock:
            self._run.news[urn] = state
            if not goal.custom and goal.providers:
                self._run.component_providers[urn] = goal.providers
        return state

    def read(self, goal: Goal, id_: str) -> Resource:
        """Look at something the program did not make (`.get`); it is written down as external."""
        self._run.check_running()
        urn = urns.make(self._run.stack, self._run.project, goal.parent, goal.type, goal.name)
        goal.provider = self._provider_reference(goal)
        old = self._claim(urn, goal)
        new = _state(urn, goal)
        new.external = True
        state = steps.read(self._run, old, new, id_, Op.READ)
        with self._run.lock:
            self._run.news[urn] = state
        return state

    # -- whose is it

    def _check_parent(self, goal: Goal, urn: str) -> None:
        if goal.parent and goal.parent not in self._run.news:
            raise StepFailed(urn, f"could not find parent resource {goal.parent}")

    def _inherit(self, goal: Goal) -> None:
        """Options a child takes over from its parent when it does not set them (C8)."""
        parent = self._run.news.get(goal.parent)
        if parent is None:
            return
        goal.protect = parent.protect if goal.protect is None else goal.protect
        goal.retain_on_delete = (
            parent.retain_on_delete if goal.retain_on_delete is None else goal.retain_on_delete
        )
        goal.deleted_with = goal.deleted_with or parent.deleted_with

    def _provider_reference(self, goal: Goal) -> str:
        package = urns.package_of(goal.type)
        if goal.provider:
            return goal.provider
        if package in goal.providers:
            return goal.providers[package]
        for ancestor in self._run.ancestors(goal.parent):
            reference = self._run.component_providers.get(ancestor, {}).get(package)
            if reference:
                return reference
        return self.default_provider(package, goal.version, goal.plugin_download_url)

    def default_provider(self, package: str, version: str, url: str) -> str:
        """The reference of a package's default provider, which is registered on first use (D7)."""
        goal = self._run.providers.default_goal(package, version, url)
        urn = urns.make(self._run.stack, self._run.project, "", goal.type, goal.name)
        with self._run.providers.default_lock(urn):
            state = self._run.news.get(urn) or self.register(goal)
        return f"{state.urn}::{state.id}"

    def _claim(self, urn: str, goal: Goal) -> Resource | None:
        """The old state that this goal continues; each is continued by one goal only (A4, D4)."""
        with self._run.lock:
            if urn in self._claimed:
                raise StepFailed(urn, f"duplicate resource URN {urn!r}; try giving it a unique name")
            self._claimed.add(urn)
            if urn in self._run.olds:
                return self._run.olds[urn]
            for former in candidates(goal, self._run.stack, self._run.project, self._former):
                if former in self._run.olds and former not in self._claimed:
                    self._claimed.add(former)
                    self._former[urn] = [former]
                    return replacement.rename(self._run, former, urn)
        return None

    # -- which step

    def _step(self, goal: Goal, old: Resource | None, new: Resource) -> Resource:
        if (
            goal.custom
            and not urns.is_provider_type(goal.type)
            and not self._run.options.is_targeted(new.urn)
        ):
            return self._untargeted(old, new)
        self._refuse_skipped(new)
        if not goal.custom:
            return self._component(old, new)
        try:
            return self._custom(goal, old, new)
        except ProviderError as error:
            raise StepFailed(new.urn, str(error)) from None

    def _untargeted(self, old: Resource | None, new: Resource) -> Resource:
        if old is not None:
            replacement.keep_dependencies(self._run, old)
            return steps.same(self._run, old, old.copy())
        with self._run.lock:
            self._skipped_creates.add(new.urn)
        return new

    def _refuse_skipped(self, new: Resource) -> None:
        missing = self._skipped_creates.intersection(new.dependencies)
        if missing:
            raise StepFailed(
                new.urn,
                f"{new.urn} depends on {', '.join(sorted(missing))}, which does not exist yet; "
                "add it to --target as well",
            )

    def _component(self, old: Resource | None, new: Resource) -> Resource:
        changed = changed_keys(old.inputs, new.inputs) if old else []
        if old is not None and not old.custom and not changed:
            return steps.same(self._run, old, new)
        return steps.component(self._run, old, new, changed)

    def _custom(self, goal: Goal, old: Resource | None, new: Resource) -> Resource:
        living = (
            old
            if old is not None and old.custom and not old.pending_replacement and not old.external
            else None
        )
        if living is not None:
            new.inputs, messages = keep_ignored(new.inputs, living.inputs, goal.ignore_changes)
            for message in messages:
                self._run.say("info", message, new.urn)
        if goal.import_id and (living is None or goal.import_id not in (living.id, living.import_id)):
            return self._import(goal, old, new)
        told = new.inputs
        new.inputs = self._check(new, living.inputs if living else None, told)
        if living is None:
            op = Op.CREATE_REPLACEMENT if old is not None and old.pending_replacement else Op.CREATE
            return steps.create(self._run, new, op=op, superseded=old)
        difference = self._difference(goal, living, new)
        if difference.replaces:
            new.inputs = self._check(new, None, told)
            return replacement.replace(self._run, goal, living, new, difference)
        if difference.changed or living.init_errors:
            return steps.update(self._run, living, new, difference.keys)
        return steps.same(self._run, living, new)

    # -- is the input good

    def _check(self, new: Resource, olds: Properties | None, news: Properties) -> Properties:
        if not self._run.options.preview and contains_unknown(news):
            raise StepFailed(new.urn, "an input is still unknown although this is not a preview")
        if urns.is_provider_type(new.type):
            checked, failures = self._run.providers.check(new.urn, olds, news)
        else:
            provider = self._run.providers.get(new.provider)
            if not provider.configured:
                return news
            try:
                checked, failures = provider.check(new.urn, olds, news, os.urandom(32))
            except ProviderError as error:
                if error.lost:  # it went away or failed: not the user's input
                    raise
                raise InputRefused(new.urn, str(error)) from None
        if failures:
            raise InputRefused(new.urn, _refusal(failures))
        return checked

    # -- what differs

    def _difference(self, goal: Goal, old: Resource, new: Resource) -> Difference:
        preview = self._run.options.preview
        if urns.is_provider_type(new.type):
            return self._run.providers.diff(old, new.inputs)
        if new.deleted_with and new.deleted_with in self._run.replaced:
            return Difference(changed=True, replaces=["deletedWith"], delete_before_replace=False)
        if self._provider_replaced(old, new):
            return Difference(changed=True, replaces=["provider"])
        provider = self._run.providers.get(new.provider)
        difference = compare(provider, old, new.inputs, goal.ignore_changes, preview)
        return force_replace(difference, old, new.inputs, goal.replace_on_changes)

    def _provider_replaced(self, old: Resource, new: Resource) -> bool:
        """Another provider serves it now, and its DiffConfig requires a replacement (B3)."""
        if old.provider == new.provider:
            return False
        before = next(
            (r for r in self._run.base.resources if r.urn == split_reference(old.provider)[0]), None
        )
        after = self._run.news.get(split_reference(new.provider)[0])
        if before is None or after is None or urns.type_of(before.urn) != urns.type_of(after.urn):
            return True
        return bool(self._run.providers.diff(before, after.inputs).replaces)

    def _import(self, goal: Goal, old: Resource | None, new: Resource) -> Resource:
        """Adopt what exists, then compare: the program must declare what was found (E5)."""
        wanted = new.inputs
        new.import_id = goal.import_id
        found = steps.read(self._run, old, new, goal.import_id, Op.IMPORT)
        checked = self._check(found, found.inputs, wanted)
        provider = self._run.providers.get(found.provider)
        difference = compare(provider, found, checked, goal.ignore_changes, self._run.options.preview)
        if difference.changed:
            raise StepFailed(
                new.urn,
                f"inputs to import do not match the existing resource; these differ: {', '.join(difference.keys)}",
            )
        return found


def _refusal(failures: list[CheckFailure]) -> str:
    return "; ".join(
        f"{failure.property}: {failure.reason}" if failure.property else failure.reason
        for failure in failures
    )


def _state(urn: str, goal: Goal) -> Resource:
    return Resource(
        urn=urn,
        type=goal.type,
        custom=goal.custom,
        inputs=goal.inputs,
        parent=goal.parent,
        provider=goal.provider,
        protect=bool(goal.protect),
        retain_on_delete=bool(goal.retain_on_delete),
        deleted_with=goal.deleted_with,
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        additional_secret_outputs=goal.additional_secret_outputs,
        custom_timeouts=goal.custom_timeouts,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
    )
