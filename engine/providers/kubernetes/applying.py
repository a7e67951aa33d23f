"""Server-side apply of one object: the request, and its errors as messages for the user.

Unknown fields are refused by the server (`fieldValidation=Strict`), in a preview too, so before anything is created.
A namespace that is not there yet, or whose default service account is not, is waited for: it may be the work of this
very run.
"""

from __future__ import annotations

import time

import grpc

from clients.kubernetes.api import APPLY, JSON_PATCH, Answer
from clients.kubernetes.errors import ApiError
from engine.providers.kubernetes import objects, ownership
from engine.providers.kubernetes.refusal import Plain, RefusalError
from engine.providers.kubernetes.site import Site

NAMESPACE_SECONDS = 10.0
CONFLICT_SECONDS = 10.0
PAUSE_SECONDS = 0.25


def apply(
    site: Site, path: str, body: Plain, manager: str, *, dry: bool = False, force: bool = False
) -> Answer:
    """Apply `body` as `manager`. The error names the object and has the server's message."""
    query = {
        "fieldManager": manager,
        "force": "true" if force or forces(site, body) else "false",
        "fieldValidation": "Strict",
        **({"dryRun": "All"} if dry else {}),
    }
    started = time.monotonic()
    while True:
        try:
            return site.api.send("PATCH", path, query=query, body=body, content_type=APPLY)
        except ApiError as error:
            seconds = 0.0 if dry else _worth_waiting(error)
            if time.monotonic() - started > seconds:
                raise _told(body, error) from None
        site.api.pause(PAUSE_SECONDS, f"{objects.title(body)} to be accepted")


def forces(site: Site, body: Plain) -> bool:
    """Whether fields that others manage are taken over; the annotation has the last word."""
    given = objects.annotation(body, objects.PATCH_FORCE)
    return given.lower() == "true" if given else site.settings.patch_force


def settle_ownership(site: Site, path: str, live: Plain, manager: str) -> None:
    """Record as applied what was created by a POST (ownership.py)."""
    fields = ownership.as_applied(live, manager)
    if fields is None:
        return
    version = objects.inside(live, "metadata", "resourceVersion")
    change = [
        {"op": "replace", "path": "/metadata/managedFields", "value": fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]
    site.api.send("PATCH", path, query={"fieldManager": manager}, body=change, content_type=JSON_PATCH)


def relinquish(site: Site, path: str, body: Plain, manager: str) -> None:
    """Release an object that turned out to be another user's: only our fields are removed."""
    nothing = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "metadata": {"name": objects.name_of(body)},
    }
    site.api.send("PATCH", path, query={"fieldManager": manager}, body=nothing, content_type=APPLY)


def cannot_be_tried(error: ApiError) -> bool:
    """Whether a dry run is not a prediction of the real one: the namespace comes later, or this user may only look."""
    if error.status == 404 or error.reason == "NamespaceMissing":
        return True
    words = str(error)
    if error.status == 403:
        return "cannot patch resource" in words or "cannot create resource" in words
    return error.status == 400 and "dry run" in words


def _worth_waiting(error: ApiError) -> float:
    words = str(error)
    if error.status == 404 and error.details.get("kind") in ("namespaces", None):
        return NAMESPACE_SECONDS
    if error.status == 403 and "serviceaccount" in words and "not found" in words:
        return NAMESPACE_SECONDS
    if error.status == 409 and not _conflicts(error):
        return CONFLICT_SECONDS
    return 0.0


def _conflicts(error: ApiError) -> bool:
    causes = error.details.get("causes") or []
    return any(cause.get("reason") == "FieldManagerConflict" for cause in causes)


def _told(body: Plain, error: ApiError) -> ApiError:
    message = f"{objects.title(body)}: {error}"
    if _conflicts(error):
        message += (
            f'; take them over with the annotation {objects.PATCH_FORCE}: "true" or the provider\'s enablePatchForce, '
            "or leave them out of the program"
        )
    return ApiError(error.status, error.reason, message, error.details)


def already_there(live: Plain, manager: str) -> RefusalError:
    """The refusal of a create that met an object of its name."""
    if ownership.is_ours(live, manager):
        whose = "was made by this very resource and is missing from the state"
    else:
        whose = f"is not this resource's (its managers: {ownership.others(live)})"
    message = (
        f"{objects.title(live)} exists already and {whose}; it is left as it is: choose another name, delete it, "
        f"or take it over with the option import_={objects.id_of(live)!r}"
    )
    return RefusalError(grpc.StatusCode.ALREADY_EXISTS, message)
