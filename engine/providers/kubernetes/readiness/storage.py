"""Volumes, claims, quotas and token Secrets: what a controller has to fill in before others can use it."""

from __future__ import annotations

from engine.providers.kubernetes.objects import inside, is_set
from engine.providers.kubernetes.quantities import same
from engine.providers.kubernetes.readiness.view import READY, Verdict, View
from engine.providers.kubernetes.refusal import Plain

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def volume(view: View, live: Plain) -> Verdict:
    """Available or bound."""
    phase = inside(live, "status", "phase", default="Pending")
    return READY if phase in ("Available", "Bound") else Verdict(f"it to be available; it is {phase}")


def claim(view: View, live: Plain) -> Verdict:
    """Bound; or pending, where its class binds only when a pod needs it."""
    phase = inside(live, "status", "phase", default="Pending")
    if phase == "Bound" or (phase == "Pending" and _binds_late(view, live)):
        return READY
    return Verdict(f"a volume; it is {phase}", hopeless=phase == "Lost")


def quota(view: View, live: Plain) -> Verdict:
    """Its controller counts by the limits that are declared."""
    wanted, counted = (inside(live, key, "hard", default={}) for key in ("spec", "status"))
    equal = all(same(("hard", key), wanted.get(key), counted.get(key)) for key in {*wanted, *counted})
    return READY if equal else Verdict("its controller to take over the limits")


def secret(view: View, live: Plain) -> Verdict:
    """A service account's token has been put in."""
    if live.get("type") != "kubernetes.io/service-account-token" or live.get("data"):
        return READY
    return Verdict("its token")


def _binds_late(view: View, live: Plain) -> bool:
    name, kind = inside(live, "spec", "storageClassName"), ("storage.k8s.io/v1", "StorageClass", "")
    if name is None:
        found = next((row for row in view.listed(*kind) if is_set(row, DEFAULT_CLASS)), None)
    else:
        found = view.look(*kind, name) if name else None
    return bool(inside(found, "volumeBindingMode") == "WaitForFirstConsumer")
