"""The one description of a pod: Deployment, node probe, pulse and the lab's copies all meet the level `restricted`, and more.

Beyond Pod Security's rules: a read-only root, no token, no environment of other services, memory reserved as it is limited.
"""

from __future__ import annotations

from typing import Any

from components.kubernetes.ground import DRAIN_SECONDS, SECRET_FOLDER
from components.spec import ServiceArgs
from machine.addresses import USER
from machine.waiting import answer_seconds

CONTAINER = "service"
GRACE_SECONDS = DRAIN_SECONDS + 5  # a namespace's end is looked at again after half of it


def service_pod(args: ServiceArgs, image: str, cpu_request: float, names: dict[str, str]) -> dict[str, Any]:
    """The service's pod; `names` are those of `settings`, `identity`, `claim` and, if there is one, `secret`."""
    memory = str(args.memory_bytes)
    mounts, volumes = (
        [("data", "/data")],
        [{"name": "data", "persistentVolumeClaim": {"claimName": names["claim"]}}],
    )
    if "secret" in names:
        mounts.append(("secret", SECRET_FOLDER))
        volumes.append({"name": "secret", "secret": {"secretName": names["secret"], "defaultMode": 0o440}})
    own = {
        "command": args.artifact.command_inside(),
        "envFrom": [{"configMapRef": {"name": names["settings"]}}],
        "ports": [{"name": "http", "containerPort": args.artifact.port}],
        "resources": {
            "requests": {"cpu": milli(cpu_request), "memory": memory},
            "limits": {"cpu": milli(args.cpus), "memory": memory},
        },
        **_probes(args),
    }
    if not args.artifact.echoes_nonce:  # ours continues for DRAIN_SECONDS by itself
        own["lifecycle"] = {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}
    return restricted(image, own, mounts, volumes) | {
        "serviceAccountName": names["identity"],
        "terminationGracePeriodSeconds": GRACE_SECONDS,
    }


def restricted(
    image: str,
    own: dict[str, Any],
    mounts: list[tuple[str, str]] | None = None,
    volumes: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A pod of one container that may do nothing but compute, answer, and write to its mounts."""
    container = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": name, "mountPath": path} for name, path in [("tmp", "/tmp"), *(mounts or [])]
        ],
        **own,
    }
    scratch = {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [scratch, *(volumes or [])],
    }


def milli(cpus: float) -> str:
    """CPUs as Kubernetes writes them."""
    return f"{round(cpus * 1000)}m"


def _probes(args: ServiceArgs) -> dict[str, Any]:
    """Each second is as often as the kubelet asks.

    A startup probe only for a service that may be slow: it first asks when the container starts, before anything listens,
    and then a second later. Ready after 1.9 to 2.9 s with it, 0.9 s without (3 boots each, 2 cores). Ours listens after
    0.1 s, and liveness gives it 15."""
    lives = "/healthz" if args.artifact.echoes_nonce else args.artifact.health

    def asked(path: str, every: int, failures: int) -> dict[str, Any]:
        http = {"path": path, "port": "http"}
        return {"httpGet": http, "periodSeconds": every, "timeoutSeconds": 2, "failureThreshold": failures}

    slow = (
        {}
        if args.artifact.echoes_nonce
        else {"startupProbe": asked(lives, 1, max(1, round(answer_seconds())))}
    )
    return {
        **slow,
        "readinessProbe": asked(args.artifact.health, 1, 1),
        "livenessProbe": asked(lives, 5, 3),
    }
