"""etcd: one member, on loopback, with certificates, for any user may connect to loopback.

Without fsync: a power cut may cost the cluster's objects, which Pulumi makes again; on a slow disk it would be most of
what is measured. Out of scope: snapshots and compaction by time, which a lab of some hours does not need.
"""

from __future__ import annotations

from host.kubernetes import build, layout, pki, probes

NAME = "etcd"
AFTER: tuple[str, ...] = ()
CLIENTS, PEERS = "https://127.0.0.1:2379", "https://127.0.0.1:2380"


def configure() -> None:
    folder = layout.data() / "etcd"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def command() -> list[str]:
    own, key = pki.pair("etcd")
    authority = str(pki.certificate("etcd-ca"))
    return [
        build.program(NAME),
        "--name=vmlab",
        f"--data-dir={layout.data() / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={CLIENTS}",
        f"--advertise-client-urls={CLIENTS}",
        f"--listen-peer-urls={PEERS}",
        f"--initial-advertise-peer-urls={PEERS}",
        f"--initial-cluster=vmlab={PEERS}",
        *(f"--{kind}cert-file={own}" for kind in ("", "peer-")),
        *(f"--{kind}key-file={key}" for kind in ("", "peer-")),
        *(f"--{kind}trusted-ca-file={authority}" for kind in ("", "peer-")),
        *(f"--{kind}client-cert-auth" for kind in ("", "peer-")),
        "--log-level=warn",
    ]


def ready() -> bool:
    return probes.listens("127.0.0.1", 2379)
