"""Deployment: its controller has seen it, the newest ReplicaSet has every replica ready, its claims are bound.

Sooner than the official provider: a rollout that Kubernetes itself gave up (`progressDeadlineSeconds`) is not waited
for any longer.
"""

from __future__ import annotations

from engine.providers.kubernetes.objects import (
    annotation,
    condition,
    inside,
    is_observed,
    is_true,
    name_of,
    namespace_of,
    owners,
    uid_of,
)
from engine.providers.kubernetes.readiness.view import READY, UNSEEN, Verdict, View, first, selector_text
from engine.providers.kubernetes.refusal import Plain

REVISION = "deployment.kubernetes.io/revision"


def deployment(view: View, live: Plain) -> Verdict:
    """By the five conditions."""
    if not is_observed(live):
        return UNSEEN
    progress = condition(live, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return Verdict(f"the rollout, which Kubernetes gave up: {progress.get('message', '')}", hopeless=True)
    if inside(live, "spec", "paused") is True:  # nothing will happen until it is resumed
        return READY
    replicas = current_replica_set(view, live) or {}
    wanted = inside(live, "spec", "replicas", default=1)
    ready = inside(replicas, "status", "readyReplicas", default=0)
    return first(
        READY if ready >= wanted else Verdict(f"its pods: {ready} of {wanted} are ready"),
        READY if is_true(live, "Available") else Verdict("enough pods to be available"),
        _rolled_out(live, progress),
        _claims(view, live),
    )


def current_replica_set(view: View, live: Plain) -> Plain | None:
    """The ReplicaSet of the newest revision."""
    selector, revision = selector_text(inside(live, "spec", "selector")), annotation(live, REVISION)
    for found in view.listed("apps/v1", "ReplicaSet", namespace_of(live), labelSelector=selector):
        if uid_of(live) in owners(found) and annotation(found, REVISION) == revision:
            return found
    return None


def _rolled_out(live: Plain, progress: Plain) -> Verdict:
    revision = annotation(live, REVISION) or "0"
    if not revision.isdigit() or int(revision) <= 1:
        return READY
    if progress.get("status") == "True" and progress.get("reason") == "NewReplicaSetAvailable":
        return READY
    return Verdict(f"the rollout of revision {revision}: {progress.get('message', 'it has not begun')}")


def _claims(view: View, live: Plain) -> Verdict:
    for volume in inside(live, "spec", "template", "spec", "volumes", default=[]):
        claim = inside(volume, "persistentVolumeClaim", "claimName")
        if not claim:
            continue
        found = view.look("v1", "PersistentVolumeClaim", namespace_of(live), claim)
        phase = inside(found or {}, "status", "phase", default="absent")
        if phase != "Bound" and inside(live, "spec", "replicas", default=1) > 0:
            return Verdict(f"PersistentVolumeClaim {claim} of {name_of(live)}, which is {phase}")
    return READY
