"""What pods say when they do not run."""

from __future__ import annotations

from engine.providers.kubernetes.readiness import pods
from engine.providers.kubernetes.readiness.view import View
from tests.unit.clients.kubernetes.fake_api import FakeApi, Fault
from tests.unit.engine.providers.kubernetes.staging import conditions, crashing, rollout


def test_what_pods_say(view: View, fake: FakeApi) -> None:
    """States, exit codes, events and last lines of the pods in question, and of no others."""
    live = rollout(fake, "1", 0)
    ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    pod = crashing(fake, "web-1-a", containerStatuses=[{"name": "c", "state": waiting, "lastState": ended}])
    crashing(fake, "web-1-b", conditions=conditions(Ready="True"))
    fake.logs["/api/v1/namespaces/default/pods/web-1-a"] = "first\nno such table\n"
    metadata = {"name": "e", "namespace": "default"}
    event = {
        "type": "Warning",
        "reason": "BackOff",
        "message": "restarting",
        "involvedObject": {"uid": pod["metadata"]["uid"]},
    }
    fake.put({"apiVersion": "v1", "kind": "Event", "metadata": metadata, **event})
    assert pods.troubles(view, live) == [
        "pod web-1-a, container c: CrashLoopBackOff: back-off 10s",
        "pod web-1-a, container c ended with exit code 3: Error",
        "pod web-1-a, container c printed last:\n    first\n    no such table",
        "Pod web-1-a: BackOff: restarting",
    ]


def test_run_before_is_asked_of_a_container_that_runs_again(view: View, fake: FakeApi) -> None:
    """A container that was restarted and is not ready tells the log of the run that crashed."""
    live = rollout(fake, "1", 0)
    again = {
        "name": "c",
        "ready": False,
        "state": {"running": {}},
        "lastState": {"terminated": {"exitCode": 1}},
    }
    crashing(fake, "web-1-a", containerStatuses=[again])
    fake.logs["/api/v1/namespaces/default/pods/web-1-a"] = "starting"
    fake.logs["/api/v1/namespaces/default/pods/web-1-a:previous"] = "boom"
    assert "pod web-1-a, container c printed last:\n    boom" in pods.troubles(view, live)


def test_pods_that_cannot_be_made_or_asked(view: View, fake: FakeApi) -> None:
    """A refusal by quota or policy is told; a cluster that does not answer is no second error."""
    live = rollout(fake, "1", 0)
    fake.status(
        "/apis/apps/v1/namespaces/default/replicasets/web-1", conditions=conditions(ReplicaFailure="True")
    )
    assert pods.troubles(view, live) == ["Deployment default/web: words"]
    fake.faults = [Fault("GET", "/pods", status=403, message="you may not", times=9)]
    assert pods.troubles(view, live) == ["and its pods cannot be asked why: you may not"]
