"""What cannot be changed in place: the fields whose change needs a new object, by group and kind.

The table is the official provider's (`forceNew` in provider/pkg/provider/diff.go), plus a few fields that the API
server holds immutable and that table leaves to fail: those of StorageClass, ReplicaSet, PriorityClass, RuntimeClass,
PVC volumeMode. ConfigMaps and Secrets are replaced by default, so that with an automatic name each content has a name
of its own and pods roll.
"""

from __future__ import annotations

from engine.providers.kubernetes.objects import inside
from engine.providers.kubernetes.refusal import Plain
from engine.values.paths import Path, covers, parse

_SELECTOR = ("spec.selector",)
_POD_FIELDS = """
    affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork hostPID
    hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority priorityClassName readinessGates
    restartPolicy runtimeClassName schedulerName securityContext serviceAccount serviceAccountName shareProcessNamespace
    subdomain terminationGracePeriodSeconds volumes
"""
_CONTAINER_FIELDS = """
    args command env image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resources securityContext
    startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir
"""
_VOLUME_FIELDS = """
    awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs hostPath
    iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume
"""
_STATEFUL_SET_FIELDS = "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates"
_CLAIM_FIELDS = "accessModes selector storageClassName volumeName volumeMode"
_JOB_FIELDS = "completions parallelism selector template"
_STORAGE_CLASS = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


def _under(prefix: str, fields: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{field}" for field in fields.split())


_CONTAINERS = _under("spec.containers[*]", _CONTAINER_FIELDS) + _under(
    "spec.initContainers[*]", _CONTAINER_FIELDS
)
_RBAC = "rbac.authorization.k8s.io"

TABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "ReplicaSet"): _SELECTOR,
    ("apps", "StatefulSet"): _under("spec", _STATEFUL_SET_FIELDS),
    ("batch", "Job"): _under("spec", _JOB_FIELDS),
    ("", "Pod"): _under("spec", _POD_FIELDS) + _CONTAINERS,
    ("", "PersistentVolume"): _under("spec", _VOLUME_FIELDS),
    ("", "PersistentVolumeClaim"): _under("spec", _CLAIM_FIELDS),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
    (_RBAC, "RoleBinding"): ("roleRef",),
    (_RBAC, "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): _STORAGE_CLASS,
    ("scheduling.k8s.io", "PriorityClass"): ("value", "preemptionPolicy"),
    ("node.k8s.io", "RuntimeClass"): ("handler",),
}
IDENTITY = ("metadata.name", "metadata.namespace", "kind")
CONTENTS = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData", "type")}


def triggers(thing: Plain, *, mutable: frozenset[str] = frozenset()) -> list[Path]:
    """The paths whose change replaces this object. `mutable`: of ConfigMap and Secret, those that may change in place."""
    api_version, kind = str(thing.get("apiVersion", "")), str(thing.get("kind", ""))
    group = api_version.rpartition("/")[0]
    fields = IDENTITY + TABLE.get((group, kind), ())
    if group == "" and kind in CONTENTS and (kind not in mutable or inside(thing, "immutable") is True):
        fields += CONTENTS[kind]
    return [parse(field) for field in fields]


def replaces(path: Path, patterns: list[Path]) -> bool:
    """Whether a change at `path` touches one of them."""
    return any(covers(pattern, path) or covers(path, pattern) for pattern in patterns)
