"""Why pods are not running, as the cluster reports it: states of containers, events, the last lines of logs.

A crash is reported with the log of the run that crashed. Few pods and few lines: siblings fail alike, and the rest is one
`kubectl describe` away. Whoever asks masks the secrets; an application may print its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.providers.kubernetes.objects import (
    condition,
    inside,
    is_true,
    name_of,
    namespace_of,
    owners,
    title,
    uid_of,
)
from engine.providers.kubernetes.readiness.view import View, selector_text
from engine.providers.kubernetes.readiness.workloads import current_replica_set
from engine.providers.kubernetes.refusal import Failures, Plain

PODS = 3
EVENTS = 3
LOG_LINES = 10
_NO_LOG = "unable to retrieve container logs"  # kubelet answers so with status 200
_BEGINNING = {"ContainerCreating", "PodInitializing", ""}


def troubles(view: View, live: Plain) -> list[str]:
    """What stands in the way of this object's pods, most specific first; never raises."""
    try:
        return list(dict.fromkeys(line.rstrip() for line in _troubles(view, live)))
    except Failures as refusal:
        return [f"and its pods cannot be asked why: {refusal}"]


def _troubles(view: View, live: Plain) -> Iterable[str]:
    if live.get("kind") == "Pod":
        yield from _of_pod(view, live)
        return
    controller = (live.get("kind") == "Deployment" and current_replica_set(view, live)) or live
    for thing in (live, controller):
        failure = condition(thing, "ReplicaFailure")
        if failure.get("status") == "True":
            yield f"{title(live)}: {failure.get('message')}"
    if not condition(controller, "ReplicaFailure"):
        yield from _events(view, controller)
    pods = [pod for pod in _pods(view, live) if uid_of(controller) in owners(pod)]
    for pod in sorted(pods, key=lambda pod: is_true(pod, "Ready"))[:PODS]:
        yield from _of_pod(view, pod)


def _pods(view: View, live: Plain) -> list[Plain]:
    selector = inside(live, "spec", "selector", default={})
    if live.get("kind") == "ReplicationController":
        selector = {"matchLabels": selector}
    return view.listed("v1", "Pod", namespace_of(live), labelSelector=selector_text(selector))


def _of_pod(view: View, pod: Plain) -> Iterable[str]:
    if is_true(pod, "Ready") or inside(pod, "status", "phase") == "Succeeded":
        return
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"pod {name_of(pod)} cannot be scheduled: {scheduled.get('message')}"
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in inside(pod, "status", kind, default=[]):
            yield from _of_container(view, pod, status)
    yield from _events(view, pod)


def _of_container(view: View, pod: Plain, status: Plain) -> Iterable[str]:
    subject = f"pod {name_of(pod)}, container {status.get('name')}"
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    if waiting.get("reason", "") not in _BEGINNING:
        yield f"{subject}: {waiting['reason']}: {waiting.get('message') or 'no message'}"
    ended = state.get("terminated") or last.get("terminated")
    if ended and ended.get("exitCode") != 0:
        words = " ".join(filter(None, (ended.get("reason"), ended.get("message"))))
        yield f"{subject} ended with exit code {ended.get('exitCode')}" + (f": {words}" if words else "")
        yield from _log(view, pod, status, subject)
    elif "running" in state and status.get("ready") is False:
        yield f"{subject} runs but is not ready"
        yield from _log(view, pod, status, subject)


def _log(view: View, pod: Plain, status: Plain, subject: str) -> Iterable[str]:
    """Of a container that runs again, the run before; of one that does not, kubelet keeps only the last run's log."""
    path = f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}/log"
    query = {"container": str(status.get("name")), "tailLines": str(LOG_LINES)}
    runs_again = inside(status, "state", "running") is not None and inside(status, "lastState", "terminated")
    for more in ({"previous": "true"}, {}) if runs_again else ({},):
        try:
            lines = view.site.api.text(path, **query, **more).strip()
        except Failures:
            continue
        if lines and not lines.startswith(_NO_LOG):
            yield f"{subject} printed last:\n" + "\n".join(f"    {line}" for line in lines.splitlines())
            return


def _events(view: View, thing: Plain) -> Iterable[str]:
    fields = f"involvedObject.uid={uid_of(thing)},type=Warning"
    found = view.listed("v1", "Event", namespace_of(thing), fieldSelector=fields)
    found.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    for event in found[-EVENTS:]:
        yield f"{thing.get('kind', 'Pod')} {name_of(thing)}: {event.get('reason')}: {event.get('message')}"
