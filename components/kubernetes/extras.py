"""A DaemonSet and a CronJob that are there to be seen working.

The node probe answers on each node as the service does, with that node's kernel and boot id, and its name as `instance`.
The pulse asks the service through its Service from inside the cluster. Both run the lab's own service's image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes.family import Family
from components.kubernetes.ground import SMALL, Ground
from components.kubernetes.pod import restricted
from substrates.inputs.artifact import Artifact

# `http.client` is not in python3-minimal; neither is a shell.
_PULSE = """
import _socket, os
link = _socket.socket()
link.settimeout(5)
link.connect((os.environ["HOST"], int(os.environ["PORT"])))
link.send(f"GET {os.environ['ASKED']} HTTP/1.0\\r\\n\\r\\n".encode())
answer = link.recv(64).split(b"\\r")[0].decode()
print(answer)
raise SystemExit(" 200 " not in answer)
"""
_SAME = {"requests": SMALL, "limits": SMALL}


def node_probe(family: Family, ground: Ground, image: str, ours: Artifact) -> Any:
    """One pod on each node."""
    labels = family.selector("node-probe")
    fields = {"INSTANCE": "spec.nodeName"}
    own = {
        "command": ours.command_inside(),
        "env": [
            *(
                {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
                for name, path in fields.items()
            ),
            {"name": "PORT", "value": str(ours.port)},
            {"name": "DATA_DIR", "value": "/tmp"},
        ],
        "ports": [{"name": "http", "containerPort": ours.port}],
        "readinessProbe": {"httpGet": {"path": ours.health, "port": "http"}, "periodSeconds": 5},
        "resources": _SAME,
    }
    template = {
        "metadata": {"labels": labels | family.labels("node-probe")},
        "spec": restricted(image, own)
        | {
            "serviceAccountName": ground.identity.metadata.name,
            "terminationGracePeriodSeconds": 5,
            "tolerations": [{"operator": "Exists"}],  # each node: those with a taint, too
        },
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return family.make(k8s.apps.v1.DaemonSet, "node-probe", namespace=ground.namespace, spec=spec)


def pulse(
    family: Family,
    ground: Ground,
    image: str,
    ours: Artifact,
    schedule: str,
    target: dict[str, pulumi.Input[str]],
    after: Sequence[pulumi.Resource],
) -> Any:
    """Asks the service now and then. Seldom by default: its pod's start would be in a boot that is timed meanwhile."""
    interpreter = ours.command_inside()[:-1]
    own = {
        "command": [*interpreter, "-c", _PULSE],
        "env": [{"name": name, "value": value} for name, value in target.items()],
        "resources": _SAME,
    }
    pod = restricted(image, own) | {
        "serviceAccountName": ground.identity.metadata.name,
        "restartPolicy": "Never",
    }
    template = {"metadata": {"labels": family.selector("pulse") | family.labels("pulse")}, "spec": pod}
    job = {"backoffLimit": 0, "activeDeadlineSeconds": 30, "template": template}
    spec = {
        "schedule": schedule,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 30,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {"spec": job},
    }
    return family.make(k8s.batch.v1.CronJob, "pulse", namespace=ground.namespace, after=after, spec=spec)
