"""Check: inputs completed and refused before anything is created; and the one question of Diff that only the cluster
can answer.

Completed: apiVersion and kind from the type, the name, the namespace. Refused: kinds that are not supported, annotations
that cannot be read, a cluster that does not answer. Fields are validated by the server itself, in the preview's dry
run.
"""

from __future__ import annotations

from pulumi.runtime.proto import provider_pb2

from clients.kubernetes.errors import NoAnswer
from engine import urn as urns
from engine.providers.kubernetes import difference, discovery, naming, objects, secrecy, tokens
from engine.providers.kubernetes.readiness import expressions
from engine.providers.kubernetes.readiness.waiting import ready_now
from engine.providers.kubernetes.refusal import Plain
from engine.providers.kubernetes.secrecy import with_member
from engine.providers.kubernetes.site import Site
from engine.values import Properties, Unknown
from engine.values.wire import to_struct

_POLICIES = ("foreground", "background", "orphan")
_FLAGS = (objects.SKIP_AWAIT, objects.PATCH_FORCE, objects.REPLACE_UNREADY)


def check(
    site: Site, request: provider_pb2.CheckRequest, news: Properties, olds: Properties
) -> provider_pb2.CheckResponse:
    """The checked inputs, or the faults."""
    inputs = secrecy.plain(news)
    api_version, kind = tokens.kind_of(urns.type_of(request.urn), inputs)
    _, typed = tokens.kind_of(urns.type_of(request.urn))
    checked: Properties = {**news, "apiVersion": api_version, "kind": kind}
    faults = [] if kind == typed else [("kind", f"must be {typed} as in the type, not {kind}")]
    faults += _annotation_faults(inputs)
    checked = naming.named(request, checked, inputs, secrecy.plain(olds))
    place = site.kinds.find(api_version, kind)  # and so meets a cluster that does not answer
    if place is None and not discovery.may_come(api_version):
        faults.append(("", discovery.unknown(api_version, kind)))
    metadata = secrecy.plain(checked).get("metadata")
    settled = isinstance(metadata, Unknown) or objects.inside(metadata, "namespace")
    if not settled and (place is None or place.namespaced):
        checked = with_member(checked, ("metadata", "namespace"), site.default_namespace)
    checked.pop("status", None)
    return answer(secrecy.sealed(checked), faults)


def answer(inputs: Properties, faults: list[tuple[str, str]]) -> provider_pb2.CheckResponse:
    """The answer with these inputs, or with these faults."""
    failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in faults]
    return provider_pb2.CheckResponse(inputs=None if failures else to_struct(inputs), failures=failures)


def with_unready(
    site: Site, found: provider_pb2.DiffResponse, news: Plain, live: Plain
) -> provider_pb2.DiffResponse:
    """A Job with `pulumi.com/replaceUnready` that did not get ready is replaced."""
    asked = objects.is_set(news, objects.REPLACE_UNREADY) and news.get("kind") == "Job"
    try:
        now = site.live(live) if asked and objects.name_of(live) else None
    except NoAnswer:
        return found
    if now is None or not ready_now(site, news, now):
        return found
    found.changes = provider_pb2.DiffResponse.DIFF_SOME
    found.replaces.append(f'metadata.annotations["{objects.REPLACE_UNREADY}"]')
    found.deleteBeforeReplace = difference.collides(live, difference.normal(news), live)
    return found


def _annotation_faults(inputs: Plain) -> list[tuple[str, str]]:
    notes = objects.inside(inputs, "metadata", "annotations", default={})
    return [
        (f'metadata.annotations["{key}"]', reason)
        for key, value in (notes.items() if isinstance(notes, dict) else ())
        if not isinstance(value, Unknown) and (reason := _fault(key, str(value)))
    ]


def _fault(key: str, value: str) -> str:
    if key in _FLAGS and value.lower() not in ("true", "false"):
        return f'must be "true" or "false", not {value!r}'
    if key == objects.TIMEOUT_SECONDS and not value.isdigit():
        return f"must be a whole number of seconds, not {value!r}"
    if key == objects.DELETION_PROPAGATION and value.lower() not in _POLICIES:
        return f"must be one of {', '.join(_POLICIES)}, not {value!r}"
    if key == objects.WAIT_FOR:
        try:
            expressions.rule(value)
        except ValueError as error:
            return str(error)
    return ""
