"""The inputs of a container: how each must look and how a change of it reaches Docker.

UPDATE is what `docker update` changes on a running container; all else that Docker stores needs a new
container. The official provider accepts changes of healthcheck, init, tmpfs, rm, cpuPeriod and cpuQuota and
does not apply them.
Out of scope: attach, logs, uploads, platform, gpus, deviceRequests, storageOpts, the device rate limits,
containerReadRefreshTimeoutMilliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from engine.providers.docker import ownership
from engine.providers.docker.forms import LABELS, Applied, Flag, Input, Many, Mapped, Number, Record, Text

DURATION = Text(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0", says="a duration such as 1s or 1m30s")
ADDRESS = Text(r"[0-9a-fA-F.:]*", says="an address")
PATH = Text(r"/.*", says="an absolute path")
PORT = Record(
    {
        "internal": Number(1, 65535),
        "external": Number(0, 65535),
        "ip": ADDRESS,
        "protocol": Text(words=("tcp", "udp", "sctp")),
    },
    required=("internal",),
)
MOUNT = Record(
    {
        "target": PATH,
        "type": Text(words=("bind", "volume", "tmpfs")),
        "source": Text(),
        "readOnly": Flag(),
        "bindOptions": Record(
            {"propagation": Text(words=("private", "rprivate", "shared", "rshared", "slave", "rslave"))}
        ),
        "tmpfsOptions": Record({"mode": Number(0), "sizeBytes": Number(0)}),
        "volumeOptions": Record(
            {"driverName": Text(), "driverOptions": Mapped(), "labels": LABELS, "noCopy": Flag()}
        ),
    },
    required=("target", "type"),
)
VOLUME = Record(
    {
        "containerPath": PATH,
        "fromContainer": Text(),
        "hostPath": PATH,
        "volumeName": Text(),
        "readOnly": Flag(),
        "selinuxRelabel": Text(words=("z", "Z")),
    }
)
NETWORK = Record({"name": Text(r".+"), "aliases": Many(Text()), "ipv4Address": ADDRESS}, required=("name",))
HEALTHCHECK = Record(
    {
        "tests": Many(Text(), ordered=True),
        "interval": DURATION,
        "timeout": DURATION,
        "startPeriod": DURATION,
        "retries": Number(0),
    },
    required=("tests",),
)
ULIMIT = Record({"name": Text(), "soft": Number(-1), "hard": Number(-1)}, required=("name", "soft", "hard"))
DEVICE = Record(
    {"hostPath": PATH, "containerPath": PATH, "permissions": Text(r"[rwm]+")}, required=("hostPath",)
)
HOST = Record({"host": Text(), "ip": ADDRESS}, required=("host", "ip"))
WORDS = Many(Text(), ordered=True)
ANY_ORDER = Many(Text())
RESTART = Text(words=("no", "on-failure", "always", "unless-stopped"))


_replace = partial(Input, applied=Applied.REPLACE)
_update = partial(Input, applied=Applied.UPDATE)
_stored = partial(Input, applied=Applied.STORED)

INPUTS: Mapping[str, Input] = {
    "image": _replace(Text(r".+"), required=True),
    "name": _replace(Text(ownership.NAME_PATTERN, says=ownership.NAME_SAYS)),
    # what runs
    "command": _replace(WORDS),
    "entrypoints": _replace(WORDS),
    "envs": _replace(Many(Text(r"[^=]+(=.*)?(?s:.*)", says="NAME=value"))),
    "user": _replace(Text()),
    "workingDir": _replace(PATH),
    "stdinOpen": _replace(Flag(), default=False),
    "tty": _replace(Flag(), default=False),
    "init": _replace(Flag(), default=False),
    "labels": _replace(LABELS),
    "stopSignal": _replace(Text()),
    "stopTimeout": _replace(Number(0)),
    "healthcheck": _replace(HEALTHCHECK),
    # network
    "ports": _replace(Many(PORT)),
    "publishAllPorts": _replace(Flag(), default=False),
    "networksAdvanced": _replace(Many(NETWORK, ordered=True)),
    "networkMode": _replace(Text()),
    "hostname": _replace(Text()),
    "domainname": _replace(Text()),
    "dns": _replace(WORDS),
    "dnsOpts": _replace(ANY_ORDER),
    "dnsSearches": _replace(WORDS),
    "hosts": _replace(Many(HOST)),
    # files
    "mounts": _replace(Many(MOUNT)),
    "volumes": _replace(Many(VOLUME)),
    "tmpfs": _replace(Mapped()),
    "readOnly": _replace(Flag(), default=False),
    "shmSize": _replace(Number(1)),
    "devices": _replace(Many(DEVICE)),
    "deviceCgroupRules": _replace(ANY_ORDER),
    # walls
    "privileged": _replace(Flag(), default=False),
    "capabilities": _replace(Record({"adds": ANY_ORDER, "drops": ANY_ORDER})),
    "securityOpts": _replace(ANY_ORDER),
    "groupAdds": _replace(ANY_ORDER),
    "ulimits": _replace(Many(ULIMIT)),
    "sysctls": _replace(Mapped()),
    "ipcMode": _replace(Text()),
    "pidMode": _replace(Text()),
    "usernsMode": _replace(Text(words=("host", ""))),
    "cgroupnsMode": _replace(Text(words=("private", "host"))),
    "cgroupParent": _replace(Text()),
    "runtime": _replace(Text()),
    "logDriver": _replace(Text()),
    "logOpts": _replace(Mapped()),
    "rm": _replace(Flag(), default=False),
    # what `docker update` can change
    "restart": _update(RESTART, default="no"),
    "maxRetryCount": _update(Number(0), default=0),
    "memory": _update(Number(0)),
    "memorySwap": _update(Number(-1)),
    "memoryReservation": _update(Number(0)),
    "cpuShares": _update(Number(0)),
    "cpuSet": _update(Text(r"\d+([,-]\d+)*", says="CPUs such as 0-1 or 0,2")),
    "cpuPeriod": _update(Number(0)),
    "cpuQuota": _update(Number(-1)),
    "cpus": _update(Text(r"\d+(\.\d+)?|\.\d+", says="a number such as 1.5")),
    # our own knobs
    "destroyGraceSeconds": _stored(Number(0)),
    "removeVolumes": _stored(Flag(), default=True),
    "mustRun": _stored(Flag(), default=True),
    "start": _stored(Flag(), default=True),
    "wait": _stored(Flag(), default=False),
    "waitTimeout": _stored(Number(1), default=60),
}
