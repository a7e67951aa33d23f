"""Steps: what is done to one resource, with the state written before and after (docs/engine-rules.md F1, F2, F7, F8).

Each function returns the resource's new state or raises StepFailed with the provider's own words. In a preview the same
code runs over a journal that writes nothing, and providers are only asked what they would answer.
Out of scope: which step it is to be, that is the generator's.
"""

from __future__ import annotations

import dataclasses
import datetime

from engine import urn as urns
from engine.deploy.deployment import Deployment
from engine.deploy.events import Op
from engine.errors import StepFailed
from engine.providers.client import Provider, ProviderError
from engine.state.resource import PendingOperation, Resource
from engine.values import Properties, Secret, contains_secret


def now() -> str:
    """This instant as the state has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def same(deployment: Deployment, old: Resource, new: Resource) -> Resource:
    """Nothing changes in the real world; the state takes over what the program declares now."""
    kept = dataclasses.replace(
        new, id=old.id, outputs=old.outputs, created=old.created, modified=old.modified
    )
    kept.import_id, kept.extra, kept.init_errors = old.import_id, old.extra, old.init_errors
    if urns.is_provider_type(new.type):
        deployment.providers.configure(new.urn, old.id, new.inputs)

    deployment.perform(Op.SAME, new.urn, [], lambda: deployment.journal.record(add=kept, drop=old))
    return kept


def component(deployment: Deployment, old: Resource | None, new: Resource, changed: list[str]) -> Resource:
    """A component has no provider: it is only written down. Its outputs come with RegisterResourceOutputs."""
    stamp = now()
    kept = dataclasses.replace(new, created=old.created if old else stamp, modified=stamp)
    if old is not None:
        kept.outputs, kept.extra = old.outputs, old.extra
    op = Op.UPDATE if old else Op.CREATE
    deployment.perform(op, new.urn, changed, lambda: deployment.journal.record(add=kept, drop=old))
    return kept


def create(
    deployment: Deployment,
    new: Resource,
    *,
    op: Op = Op.CREATE,
    keys: list[str] | None = None,
    superseded: Resource | None = None,
    kept_for_deletion: Resource | None = None,
) -> Resource:
    """Create a resource. `superseded` leaves the state with it; `kept_for_deletion` stays, marked, and is deleted
    at the end of the run (create before delete, docs/engine-rules.md C1)."""
    made = dataclasses.replace(new, created=now(), modified=now())

    def action() -> None:
        pending = deployment.journal.begin("creating", new)
        try:
            made.id, made.outputs = _call_create(deployment, new)
        except ProviderError as error:
            if error.init is not None:
                _mark_for_deletion(deployment, kept_for_deletion)
            _failed(deployment, error, pending, made, superseded)
        made.outputs = with_secrets(made, made.outputs)
        _mark_for_deletion(deployment, kept_for_deletion)
        deployment.journal.finish(pending, add=made, drop=superseded)

    deployment.perform(op, new.urn, keys or [], action)
    return made


def _mark_for_deletion(deployment: Deployment, old: Resource | None) -> None:
    """Before the new state is added, so that no written state ever has two living resources of one URN."""
    if old is not None:
        deployment.journal.substitute(old, dataclasses.replace(old, delete=True))


def _call_create(deployment: Deployment, new: Resource) -> tuple[str, Properties]:
    preview = deployment.options.preview
    if urns.is_provider_type(new.type):
        return deployment.providers.create(new.urn, new.inputs, preview)
    provider = deployment.providers.get(new.provider)
    deployment.outcome.mutated |= not preview
    return provider.create(new.urn, new.inputs, new.custom_timeouts.get("create", 0), preview)


def update(deployment: Deployment, old: Resource, new: Resource, keys: list[str]) -> Resource:
    """Change a resource in place."""
    changed = dataclasses.replace(new, id=old.id, created=old.created, modified=now(), init_errors=[])
    changed.import_id, changed.extra = old.import_id, old.extra

    def action() -> None:
        pending = deployment.journal.begin("updating", changed)
        try:
            changed.outputs = with_secrets(changed, _call_update(deployment, old, new))
        except ProviderError as error:
            # A failed update leaves the old inputs, so that the next run sees the difference again.
            changed.inputs = old.inputs
            _failed(deployment, error, pending, changed, old)
        deployment.journal.finish(pending, add=changed, drop=old)

    deployment.perform(Op.UPDATE, new.urn, keys, action)
    return changed


def _call_update(deployment: Deployment, old: Resource, new: Resource) -> Properties:
    preview = deployment.options.preview
    if urns.is_provider_type(new.type):
        deployment.providers.configure(new.urn, old.id, new.inputs)
        return {key: value for key, value in new.inputs.items() if key != "__internal"}
    provider = deployment.providers.get(new.provider)
    deployment.outcome.mutated |= not preview
    seconds = new.custom_timeouts.get("update", 0)
    return provider.update(
        new.urn, old.id, old.inputs, old.outputs, new.inputs, seconds, new.ignore_changes, preview
    )


def delete(
    deployment: Deployment, old: Resource, op: Op, *, called: bool, replacing: bool = False
) -> Resource | None:
    """Delete a resource; with `called` false only the state forgets it. `replacing` keeps it as a pending replacement."""
    after = dataclasses.replace(old, pending_replacement=True) if replacing else None

    def action() -> None:
        if not called or deployment.options.preview:
            deployment.journal.substitute(old, after)
            return
        provider = deployment.provider_of(old)
        pending = deployment.journal.begin("deleting", old)
        deployment.outcome.mutated = True
        try:
            provider.delete(old.urn, old.id, old.inputs, old.outputs, old.custom_timeouts.get("delete", 0))
        except ProviderError as error:
            deployment.journal.finish(pending)
            raise StepFailed(old.urn, f"deleting failed: {error}") from None
        if after is not None:
            deployment.journal.substitute(old, after)
        deployment.journal.finish(pending, drop=old if after is None else None)

    deployment.perform(op, old.urn, [], action)
    return after


def read(deployment: Deployment, old: Resource | None, new: Resource, id_: str, op: Op) -> Resource:
    """Take over something that exists: `.get(id)` (op READ, external) or the option `import_` (op IMPORT)."""
    provider = deployment.providers.get(new.provider)
    found = dataclasses.replace(new, id=id_, created=now(), modified=now())

    def action() -> None:
        pending = deployment.journal.begin("importing" if op is Op.IMPORT else "reading", found)
        try:
            _look(provider, found, id_)
        except (ProviderError, StepFailed) as error:
            deployment.journal.finish(pending)
            raise StepFailed(new.urn, str(error)) from None
        if old is not None and not old.external and op is Op.READ:
            deployment.journal.substitute(old, dataclasses.replace(old, delete=True))
            deployment.journal.finish(pending, add=found)
        else:
            deployment.journal.finish(pending, add=found, drop=old)

    deployment.perform(op, new.urn, [], action)
    return found


def _look(provider: Provider, found: Resource, id_: str) -> None:
    result = provider.read(found.urn, id_, found.inputs, {})
    if not result.id:
        raise StepFailed(found.urn, f"resource {id_!r} does not exist")
    found.id, found.outputs = result.id, with_secrets(found, result.outputs)
    if result.inputs is not None and not found.external:
        found.inputs = result.inputs


def with_secrets(resource: Resource, outputs: Properties) -> Properties:
    """Outputs with the program's `additionalSecretOutputs` and the outputs of secret inputs marked secret (D13)."""
    secret = set(resource.additional_secret_outputs)
    secret |= {
        key
        for key, value in resource.inputs.items()
        if contains_secret(value) and not isinstance(value, dict | list)
    }
    return {
        key: Secret(value) if key in secret and not isinstance(value, Secret) else value
        for key, value in outputs.items()
    }


def _failed(
    deployment: Deployment,
    error: ProviderError,
    pending: PendingOperation,
    state: Resource,
    old: Resource | None,
) -> None:
    """Write down what a failure left behind, then raise it.

    A half-made resource is kept with its reasons (F7). When the answer was lost, the operation stays pending, so that
    the next run looks for the thing (1.6.2); the official engine forgets it.
    """
    doing = pending.type.replace("ing", "e") + "d" if pending.type != "updating" else "updated"
    if error.init is not None:
        state.id = error.init.id or state.id
        state.outputs = with_secrets(state, error.init.outputs)
        state.init_errors = error.init.reasons or [str(error)]
        deployment.journal.finish(pending, add=state, drop=old)
        reasons = "\n".join(f"  - {reason}" for reason in state.init_errors)
        raise StepFailed(state.urn, f"was {doing} but did not become ready:\n{reasons}") from None
    lost = error.lost and pending.type == "creating"
    deployment.outcome.corrupt |= lost
    deployment.journal.finish(pending, keep_pending=lost)
    raise StepFailed(state.urn, f"could not be {doing}: {error}") from None
