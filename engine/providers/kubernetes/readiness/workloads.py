"""StatefulSet, DaemonSet, ReplicationController, Job, Pod.

Sooner than the official provider: a Job or Pod that has failed permanently is not waited for any longer, and a Job that is
suspended on purpose is ready.
"""

from __future__ import annotations

from engine.providers.kubernetes.objects import condition, inside, is_observed, is_true
from engine.providers.kubernetes.readiness.view import READY, UNSEEN, Verdict, View
from engine.providers.kubernetes.refusal import Plain


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
