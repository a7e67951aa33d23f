"""What is done to one object: create, update, read, delete, and the previews of the first two.

All in plain values, without gRPC. Objects that differ from the state are handled here: one that exists already, is gone, is
being deleted, or was created again by another user.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc

from clients.kubernetes.api import Answer
from clients.kubernetes.errors import ApiError
from engine import urn as urns
from engine.providers.kubernetes import difference, drift, objects, ownership, secrecy, tokens
from engine.providers.kubernetes.applying import (
    already_there,
    apply,
    cannot_be_tried,
    relinquish,
    settle_ownership,
)
from engine.providers.kubernetes.readiness.table import DEFAULT_SECONDS
from engine.providers.kubernetes.readiness.waiting import ready_now, seconds_of, until_gone, until_ready
from engine.providers.kubernetes.refusal import NotReadyError, Plain, RefusalError
from engine.providers.kubernetes.site import Site
from engine.values import Properties, contains_unknown
from engine.values.paths import Path, parse

PROPAGATION = {"orphan": "Orphan", "background": "Background", "foreground": "Foreground"}
# Kinds whose end is not waited for with skipAwait, as in the official provider.
_SKIPPING = {"Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job"}


@dataclass(frozen=True)
class Wanted:
    """One request of the engine about one resource."""

    urn: str
    inputs: Properties  # sealed; the new ones, in Read and Delete those of the state
    outputs: Properties = field(default_factory=dict)  # those of the state
    id: str = ""
    seconds: float = 0.0  # customTimeouts; 0 when the user set none
    ignore: tuple[str, ...] = ()

    @property
    def plain(self) -> Plain:
        """The inputs as the cluster gets them."""
        found = {key: value for key, value in secrecy.plain(self.inputs).items() if key != "status"}
        if isinstance(found.get("apiVersion"), str):
            found["apiVersion"] = tokens.canonical(found["apiVersion"])
        return found

    @property
    def manager(self) -> str:
        """Our field manager."""
        return ownership.manager_of(self.urn, self.plain, self.outputs)


@dataclass(frozen=True)
class Made:
    """What exists. With `reasons` it exists and is not ready. `inputs`: Read only, as found."""

    live: Plain
    reasons: list[str] = field(default_factory=list)
    inputs: Properties | None = None
    unchanged: bool = False


def create(site: Site, wanted: Wanted) -> Made:
    """Make it, and wait until it is ready."""
    body, path = _placed(site, wanted.plain)
    manager = wanted.manager
    found = site.api.look(path)
    if found is not None and _is_ending(found):
        until_gone(site, path, found, seconds_of(body, wanted.seconds, DEFAULT_SECONDS))
        found = None
    if found is not None and not site.settings.upsert:
        raise already_there(found, manager)
    answer = apply(site, path, body, manager)
    if answer.status == 200 and found is None and not answer.repeated:  # came between the look and the apply
        relinquish(site, path, body, manager)
        raise already_there(answer.body, manager)
    return _finished(site, wanted, answer)


def preview_create(site: Site, wanted: Wanted, *, replaces: bool) -> Plain | None:
    """The object as a dry run of the server has it; None where nothing can be tried yet."""
    body, path, found = _looked(site, wanted)
    if body is None or (found is not None and (replaces or _is_ending(found))):
        return None
    if found is not None and not site.settings.upsert:
        raise already_there(found, wanted.manager)
    return _tried(site, path, body, wanted.manager)


def update(site: Site, wanted: Wanted) -> Made:
    """Change it where it is, and wait until it is ready. What is gone is created again."""
    body, path = _placed(site, wanted.plain)
    live = site.api.look(path)
    if live is None:
        return create(site, wanted)
    _refuse_strangers(live, wanted)
    settle_ownership(site, path, live, wanted.manager)
    return _finished(site, wanted, apply(site, path, _without_ignored(body, live, wanted), wanted.manager))


def preview_update(site: Site, wanted: Wanted) -> Plain | None:
    """The object as a dry run of the server has it; None where nothing can be tried yet."""
    body, path, live = _looked(site, wanted)
    if body is None or live is None:
        return None
    _refuse_strangers(live, wanted)
    return _tried(site, path, _without_ignored(body, live, wanted), wanted.manager)


def read(site: Site, wanted: Wanted) -> Made | None:
    """Look at it; None when it is gone. Without an id it is what a lost create of ours left, if anything."""
    before, inputs = secrecy.plain(wanted.outputs), wanted.plain
    kind, path = _found(
        site, wanted, inputs if inputs.get("kind") else before, wanted.id or objects.id_of(inputs)
    )
    live = site.api.look(path) if path else None
    if (
        live is None
        or _is_strangers(live, wanted)
        or (not wanted.id and not ownership.is_ours(live, wanted.manager))
    ):
        return None
    live = secrecy.plain(live)
    judged = bool(before) or not wanted.id
    reasons = ready_now(site, {**inputs, **kind}, live) if judged else []
    found = drift.observed(wanted.inputs, before, live) if inputs.get("kind") else drift.from_scratch(live)
    return Made(live, reasons, found, unchanged=not reasons and drift.is_unchanged(before, live))


def delete(site: Site, wanted: Wanted) -> None:
    """Remove it and wait until it is gone; one that does not exist, or is another user's by now, is gone already."""
    before = secrecy.plain(wanted.outputs)
    kind, path = _found(site, wanted, before if before.get("kind") else wanted.plain, wanted.id)
    live = site.api.look(path) if path else None
    if live is None or _is_strangers(live, wanted):
        return
    notes = wanted.plain if wanted.inputs else before
    policy = PROPAGATION.get(objects.annotation(notes, objects.DELETION_PROPAGATION).lower(), "Foreground")
    try:
        site.api.delete(path, propagationPolicy=policy, preconditions={"uid": objects.uid_of(live)})
    except ApiError as error:
        if error.status == 409 and "UID" in str(error):
            return
        raise ApiError(error.status, error.reason, f"{objects.title(live)}: {error}", error.details) from None
    if not (objects.is_set(notes, objects.SKIP_AWAIT) and kind["kind"] in _SKIPPING):
        until_gone(site, path, live, seconds_of(notes, wanted.seconds, DEFAULT_SECONDS))


def _placed(site: Site, inputs: Plain) -> tuple[Plain, str]:
    """The inputs with the namespace that fits their kind, and the object's path.

    A Secret's stringData goes as data: the server forgets who applied a key of stringData, so one that the program drops would
    remain (seen with v1.35).
    """
    metadata = dict(inputs.get("metadata") or {})
    place = site.place_of(inputs)
    if place.namespaced:
        metadata["namespace"] = metadata.get("namespace") or site.default_namespace
    else:
        metadata.pop("namespace", None)
    if inputs["kind"] == "Secret" and isinstance(inputs.get("stringData"), dict):
        inputs = difference.coded(inputs)
    body = {**inputs, "metadata": metadata}
    return body, place.path(objects.namespace_of(body), objects.name_of(body))


def _looked(site: Site, wanted: Wanted) -> tuple[Plain | None, str, Plain | None]:
    """For a preview: the body, its path, and what is there; no body where nothing can be tried yet."""
    inputs = wanted.plain
    if contains_unknown(inputs) or site.kinds.find(inputs["apiVersion"], inputs["kind"]) is None:
        return None, "", None
    body, path = _placed(site, inputs)
    return body, path, site.api.look(path)


def _found(site: Site, wanted: Wanted, source: Plain, id_: str) -> tuple[Plain, str]:
    """apiVersion and kind of what the state knows, and its path; "" where it has no name or the cluster no such kind."""
    api_version, kind = tokens.kind_of(urns.type_of(wanted.urn), source)
    namespace, name = objects.split_id(id_)
    place = site.kinds.find(api_version, kind) if name else None
    path = place.path(namespace or site.default_namespace, name) if place else ""
    return {"apiVersion": api_version, "kind": kind}, path


def _is_ending(live: Plain) -> bool:
    return bool(objects.inside(live, "metadata", "deletionTimestamp"))


def _finished(site: Site, wanted: Wanted, answer: Answer) -> Made:
    try:
        live = until_ready(site, wanted.plain, answer.body, wanted.seconds, answer.warnings)
        return Made(secrecy.plain(live))
    except NotReadyError as error:
        return Made(secrecy.plain(error.live), error.reasons)


def _tried(site: Site, path: str, body: Plain, manager: str) -> Plain | None:
    try:
        return secrecy.plain(apply(site, path, body, manager, dry=True).body)
    except ApiError as error:
        if cannot_be_tried(error):
            return None
        raise


def _is_strangers(live: Plain, wanted: Wanted) -> bool:
    """Whether this is not the object that the state knows, but one that another user made under its name."""
    known = objects.uid_of(secrecy.plain(wanted.outputs))
    return bool(known) and objects.uid_of(live) != known and not ownership.is_ours(live, wanted.manager)


def _refuse_strangers(live: Plain, wanted: Wanted) -> None:
    if _is_strangers(live, wanted):
        raise RefusalError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"{objects.title(live)} is not the one this resource made: that is gone, and another user "
            f"({ownership.others(live)}) made this one; it is left as it is. Run a refresh",
        )


def _without_ignored(body: Plain, live: Plain, wanted: Wanted) -> Plain:
    """Ignored fields as they are in the cluster; omitted where others manage them."""
    for text in wanted.ignore:
        path = parse(text)
        if not all(isinstance(part, str) for part in path) or objects.inside(body, *map(str, path)) is None:
            continue
        now = objects.inside(live, *map(str, path))
        drop = now is None or ownership.only_theirs(live, wanted.manager, path)
        body = _with(body, path, None if drop else now)
    return body


def _with(thing: Plain, path: Path, value: object) -> Plain:
    key = str(path[0])
    if len(path) > 1:
        return {**thing, key: _with(thing[key], path[1:], value)}
    rest = {name: item for name, item in thing.items() if name != key}
    return rest if value is None else {**rest, key: value}
