"""Deployment, StatefulSet, DaemonSet, ReplicationController, Job, Pod.

A Deployment is ready when its controller has seen it, the newest ReplicaSet has every replica ready, and its claims are bound.
Sooner than the official provider: a rollout that Kubernetes itself gave up (`progressDeadlineSeconds`) and a Job or Pod that
has failed permanently are not waited for any longer, and a Job that is suspended on purpose is ready.
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


def stateful_set(view: View, live: Plain) -> Verdict:
    """Every replica is ready, and of the newest revision unless the user updates pods by deleting them."""
    if not is_observed(live):
        return UNSEEN
    status = live.get("status") or {}
    wanted = inside(live, "spec", "replicas", default=1)
    strategy = inside(live, "spec", "updateStrategy", default={})
    rolls = strategy.get("type") != "OnDelete" and not inside(strategy, "rollingUpdate", "partition")
    for key in ("replicas", "readyReplicas", *(("currentReplicas",) if rolls else ())):
        if status.get(key, 0) != wanted:
            return Verdict(f"its pods: {key} is {status.get(key, 0)} of {wanted}")
    if rolls and status.get("updateRevision") != status.get("currentRevision"):
        return Verdict(f"the rollout of revision {status.get('updateRevision')}")
    return READY


def daemon_set(view: View, live: Plain) -> Verdict:
    """Every node that should have a pod has one of the newest revision, available."""
    if not is_observed(live):
        return UNSEEN
    status = live.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    for key in ("currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable"):
        if status.get(key, 0) < wanted:
            return Verdict(f"its pods: {key} is {status.get(key, 0)} of {wanted}")
    return READY


def replication_controller(view: View, live: Plain) -> Verdict:
    """Every replica exists."""
    wanted = inside(live, "spec", "replicas", default=1)
    have = inside(live, "status", "fullyLabeledReplicas", default=0)
    return READY if have == wanted else Verdict(f"its pods: {have} of {wanted} exist")


def job(view: View, live: Plain) -> Verdict:
    """It has completed."""
    failed = condition(live, "Failed")
    if failed.get("status") == "True":
        why = f"{failed.get('reason')}: {failed.get('message')}"
        return Verdict(f"its end, but it failed: {why}", hopeless=True)
    if is_true(live, "Complete") or inside(live, "spec", "suspend") is True:
        return READY
    counts = {key: inside(live, "status", key, default=0) for key in ("active", "succeeded", "failed")}
    return Verdict("its end: " + ", ".join(f"{value} {key}" for key, value in counts.items()))


def pod(view: View, live: Plain) -> Verdict:
    """It is scheduled, initialised and ready, or has succeeded."""
    phase = inside(live, "status", "phase", default="Pending")
    if phase == "Succeeded":
        return READY
    if phase == "Failed":
        status = live["status"]
        why = status.get("message") or status.get("reason") or "its containers ended with an error"
        return Verdict(f"it to be ready, but it failed: {why}", hopeless=True)
    for type_ in ("PodScheduled", "Initialized", "Ready"):
        found = condition(live, type_)
        if found.get("status") != "True":
            reason = found.get("message") or found.get("reason") or f"phase {phase}"
            return Verdict(f"the condition {type_}: {reason}")
    return READY


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
