"""StatefulSet, DaemonSet, ReplicationController, Job, Pod.

Sooner than the official provider: a Job or Pod that has failed permanently is not waited for any longer, and a Job that is
suspended on purpose is ready.
"""

from __future__ import annotations

from engine.providers.kubernetes.objects import condition, inside, is_true
from engine.providers.kubernetes.readiness.view import READY, Verdict, View
from engine.providers.kubernetes.refusal import Plain

SEEN = Verdict("its controller to see the change")


def stateful_set(view: View, live: Plain) -> Verdict:
    """Every replica is ready, and of the newest revision unless the user updates pods by deleting them."""
    if not _observed(live):
        return SEEN
    status = live.get("status") or {}
    wanted = inside(live, "spec", "replicas", default=1)
    keys = ["replicas", "readyReplicas"]
    on_delete = inside(live, "spec", "updateStrategy", "type") == "OnDelete"
    partition = inside(live, "spec", "updateStrategy", "rollingUpdate", "partition", default=0)
    rolls = not on_delete and not partition
    if rolls:
        keys.append("currentReplicas")
    for key in keys:
        if status.get(key, 0) != wanted:
            return Verdict(f"its pods: {key} is {status.get(key, 0)} of {wanted}")
    if rolls and status.get("updateRevision") != status.get("currentRevision"):
        return Verdict(f"the rollout of revision {status.get('updateRevision')}")
    return READY


def daemon_set(view: View, live: Plain) -> Verdict:
    """Every node that should have a pod has one of the newest revision, available."""
    if not _observed(live):
        return SEEN
    status = live.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    for key in ("currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable"):
        if status.get(key, 0) < wanted:
            return Verdict(f"its pods: {key} is {status.get(key, 0)} of {wanted}")
    return READY


def replication_controller(view: View, live: Plain) -> Verdict:
    """Every replica exists."""
    wanted, have = (
        inside(live, "spec", "replicas", default=1),
        inside(live, "status", "fullyLabeledReplicas", default=0),
    )
    return READY if have == wanted else Verdict(f"its pods: {have} of {wanted} exist")


def job(view: View, live: Plain) -> Verdict:
    """It has completed."""
    failed = condition(live, "Failed")
    if failed.get("status") == "True":
        return Verdict(
            f"its end, but it failed: {failed.get('reason')}: {failed.get('message')}", hopeless=True
        )
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
        why = (
            inside(live, "status", "message")
            or inside(live, "status", "reason")
            or "its containers ended with an error"
        )
        return Verdict(f"it to be ready, but it failed: {why}", hopeless=True)
    for type_ in ("PodScheduled", "Initialized", "Ready"):
        found = condition(live, type_)
        if found.get("status") != "True":
            reason = found.get("message") or found.get("reason") or f"phase {phase}"
            return Verdict(f"the condition {type_}: {reason}")
    return READY


def _observed(live: Plain) -> bool:
    generation = inside(live, "metadata", "generation", default=0)
    return bool(inside(live, "status", "observedGeneration", default=0) >= generation)
