"""What is done to one object: create, update, read, delete, and the previews of the first two.

All in plain values, without gRPC. Objects that differ from the state are handled here: one that exists already, is gone, is
being deleted, or was created again by another user.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc

from clients.kubernetes.errors import ApiError
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
    body = _placed(site, wanted.plain)
    path, manager = site.path_of(body), wanted.manager
    seconds = seconds_of(body, wanted.seconds, DEFAULT_SECONDS)
    found = site.api.look(path)
    if found is not None and objects.inside(found, "metadata", "deletionTimestamp"):
        _see_gone(site, path, found, seconds)
        found = None
    if found is not None and not site.settings.upsert:
        raise already_there(found, manager)
    answer = apply(site, path, body, manager)
    if (
        answer.status == 200 and found is None and not answer.repeated
    ):  # it came between the look and the apply
        relinquish(site, path, body, manager)
        raise already_there(answer.body, manager)
    return _finished(site, wanted, answer.body, answer.warnings)


def preview_create(site: Site, wanted: Wanted, *, replaces: bool) -> Plain | None:
    """The object as a dry run of the server has it; None where nothing can be tried yet."""
    inputs = wanted.plain
    if contains_unknown(inputs) or site.kinds.find(inputs["apiVersion"], inputs["kind"]) is None:
        return None
    body = _placed(site, inputs)
    path = site.path_of(body)
    found = site.api.look(path)
    if found is not None and (replaces or objects.inside(found, "metadata", "deletionTimestamp")):
        return None
    if found is not None and not site.settings.upsert:
        raise already_there(found, wanted.manager)
    return _tried(site, path, body, wanted.manager)


def update(site: Site, wanted: Wanted) -> Made:
    """Change it where it is, and wait until it is ready. What is gone is created again."""
    body = _placed(site, wanted.plain)
    path, manager = site.path_of(body), wanted.manager
    live = site.api.look(path)
    if live is None:
        return create(site, wanted)
    _refuse_strangers(live, wanted)
    settle_ownership(site, path, live, manager)
    answer = apply(site, path, _without_ignored(body, live, wanted), manager)
    return _finished(site, wanted, answer.body, answer.warnings)


def preview_update(site: Site, wanted: Wanted) -> Plain | None:
    """The object as a dry run of the server has it; None where nothing can be tried yet."""
    inputs = wanted.plain
    if contains_unknown(inputs) or site.kinds.find(inputs["apiVersion"], inputs["kind"]) is None:
        return None
    body = _placed(site, inputs)
    path = site.path_of(body)
    live = site.api.look(path)
    if live is None:
        return None
    _refuse_strangers(live, wanted)
    return _tried(site, path, _without_ignored(body, live, wanted), wanted.manager)


def read(site: Site, wanted: Wanted, type_: str) -> Made | None:
    """Look at it; None when it is gone. Without an id it is what a lost create of ours left, if anything."""
    before, inputs = secrecy.plain(wanted.outputs), wanted.plain
    api_version, kind = tokens.kind_of(type_, inputs if inputs.get("kind") else before)
    namespace, name = objects.split_id(wanted.id or objects.id_of(inputs))
    place = site.kinds.find(api_version, kind)
    if place is None or not name:
        return None
    namespace = (namespace or site.default_namespace) if place.namespaced else ""
    live = site.api.look(place.path(namespace, name))
    if (
        live is None
        or _is_strangers(live, wanted)
        or (not wanted.id and not ownership.is_ours(live, wanted.manager))
    ):
        return None
    live = secrecy.plain(live)
    judged = bool(before) or not wanted.id
    reasons = ready_now(site, {**inputs, "apiVersion": api_version, "kind": kind}, live) if judged else []
    found = drift.observed(wanted.inputs, before, live) if inputs.get("kind") else drift.from_scratch(live)
    return Made(live, reasons, found, unchanged=not reasons and drift.is_unchanged(before, live))


def delete(site: Site, wanted: Wanted, type_: str) -> None:
    """Remove it and wait until it is gone; one that does not exist, or is another user's by now, is gone already."""
    before = secrecy.plain(wanted.outputs)
    source = before if before.get("kind") else wanted.plain
    api_version, kind = tokens.kind_of(type_, source)
    place = site.kinds.find(api_version, kind)
    if place is None:
        return
    namespace, name = objects.split_id(wanted.id)
    path = place.path((namespace or site.default_namespace) if place.namespaced else "", name)
    live = site.api.look(path)
    if live is None or _is_strangers(live, wanted):
        return
    notes = wanted.plain if wanted.inputs else before
    policy = PROPAGATION.get(objects.annotation(notes, objects.DELETION_PROPAGATION).lower(), "Foreground")
    options = {"propagationPolicy": policy, "preconditions": {"uid": objects.uid_of(live)}}
    try:
        site.api.send("DELETE", path, body={"apiVersion": "v1", "kind": "DeleteOptions", **options})
    except ApiError as error:
        if error.status == 404 or (error.status == 409 and "UID" in str(error)):
            return
        raise ApiError(error.status, error.reason, f"{objects.title(live)}: {error}", error.details) from None
    if not (objects.is_set(notes, objects.SKIP_AWAIT) and kind in _SKIPPING):
        _see_gone(site, path, live, seconds_of(notes, wanted.seconds, DEFAULT_SECONDS))


def _placed(site: Site, inputs: Plain) -> Plain:
    """The inputs with the namespace that fits their kind.

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
    return {**inputs, "metadata": metadata}


def _finished(site: Site, wanted: Wanted, live: Plain, warnings: list[str]) -> Made:
    try:
        return Made(secrecy.plain(until_ready(site, wanted.plain, live, wanted.seconds, warnings)))
    except NotReadyError as error:
        return Made(secrecy.plain(error.live), error.reasons)


def _tried(site: Site, path: str, body: Plain, manager: str) -> Plain | None:
    try:
        return secrecy.plain(apply(site, path, body, manager, dry=True).body)
    except ApiError as error:
        if cannot_be_tried(error):
            return None
        raise


def _see_gone(site: Site, path: str, thing: Plain, seconds: float) -> None:
    held = until_gone(site, path, thing, seconds)
    if held:
        raise RefusalError(grpc.StatusCode.DEADLINE_EXCEEDED, "; ".join(held))


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
