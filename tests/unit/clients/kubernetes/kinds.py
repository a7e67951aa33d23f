"""The kinds of the fake API server: plural, kind and whether it is namespaced, by path, as recorded from v1.35."""

from __future__ import annotations

VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
KINDS: dict[str, list[tuple[str, str, bool]]] = {
    "/api/v1": [
        ("namespaces", "Namespace", False),
        ("configmaps", "ConfigMap", True),
        ("secrets", "Secret", True),
        ("services", "Service", True),
        ("pods", "Pod", True),
        ("events", "Event", True),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True),
        ("persistentvolumes", "PersistentVolume", False),
        ("resourcequotas", "ResourceQuota", True),
    ],
    "/apis/apps/v1": [
        ("deployments", "Deployment", True),
        ("replicasets", "ReplicaSet", True),
        ("statefulsets", "StatefulSet", True),
        ("daemonsets", "DaemonSet", True),
    ],
    "/apis/batch/v1": [("jobs", "Job", True)],
    "/apis/discovery.k8s.io/v1": [("endpointslices", "EndpointSlice", True)],
    "/apis/storage.k8s.io/v1": [("storageclasses", "StorageClass", False)],
    "/apis/authentication.k8s.io/v1": [("tokenreviews", "TokenReview", False)],
}
