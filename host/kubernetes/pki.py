"""Keys and certificates of the cluster, made here because kubeadm refuses to make them for an address like ours.

Three authorities as kubeadm has them: the cluster's, etcd's, and that of the aggregator, which must differ from the
cluster's or any client could impersonate others. Out of scope: renewal; a lab is up for less than a year.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from host.kubernetes import layout
from machine import addresses, files

DAYS = 365
AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")
Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Leaf:
    """One certificate: who it is for (name, groups), who signs it, and under which names it serves."""

    name: str
    common: str
    authority: str = "ca"
    group: str = ""
    serves: Sequence[str] = ()


SERVICE_NAMES = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
LEAVES = (
    Leaf("etcd", "etcd", "etcd-ca", serves=["127.0.0.1", "localhost"]),
    Leaf("etcd-client", "kube-apiserver", "etcd-ca"),
    Leaf(
        "apiserver",
        "kube-apiserver",
        serves=[
            *SERVICE_NAMES,
            f"kubernetes.default.svc.{layout.DOMAIN}",
            "localhost",
            "127.0.0.1",
            addresses.NODE,
            addresses.API_SERVICE,
        ],
    ),
    Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client"),
    Leaf("front-proxy", "front-proxy", "front-proxy-ca"),
    Leaf("kubelet-serving", layout.NODE, serves=[layout.NODE, addresses.NODE]),
    Leaf("metrics-serving", "metrics-server", serves=["metrics-server.kube-system.svc"]),
    Leaf("admin", "vmlab", group="system:masters"),
    Leaf("kubelet", f"system:node:{layout.NODE}", group="system:nodes"),
    Leaf("kube-controller-manager", "system:kube-controller-manager"),
    Leaf("kube-scheduler", "system:kube-scheduler"),
    Leaf("kube-proxy", "system:kube-proxy"),
    Leaf("coredns", "system:coredns"),
    Leaf("metrics-server", "system:metrics-server"),
)


def certificate(name: str) -> Path:
    """Where a certificate lies."""
    return layout.pki() / f"{name}.crt"


def key(name: str) -> Path:
    """Where a private key lies."""
    return layout.pki() / f"{name}.key"


def pair(name: str) -> tuple[Path, Path]:
    """Certificate and key."""
    return certificate(name), key(name)


def complete() -> bool:
    """Whether everything is there: the key of the service accounts is made last."""
    return key("service-accounts").exists()


def make() -> None:
    """Make them all, 17 keys in a few milliseconds each."""
    layout.pki().mkdir(mode=0o700, parents=True, exist_ok=True)
    authorities = {name: _authority(name) for name in AUTHORITIES}
    for leaf in LEAVES:
        _leaf(leaf, *authorities[leaf.authority])
    _write_key("service-accounts", ec.generate_private_key(ec.SECP256R1()))


def _authority(name: str) -> tuple[x509.Certificate, Key]:
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"vmlab {name}")])
    usage = _usage(signs_certificates=True)
    builder = _builder(subject, subject, own).add_extension(x509.BasicConstraints(True, None), critical=True)
    signed = builder.add_extension(usage, critical=True).sign(own, hashes.SHA256())
    _write(name, signed, own)
    return signed, own


def _leaf(leaf: Leaf, authority: x509.Certificate, authority_key: Key) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.group)] if leaf.group else []
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, leaf.common)])
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    purposes += [ExtendedKeyUsageOID.SERVER_AUTH] if leaf.serves else []
    builder = (
        _builder(subject, authority.subject, own)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    )
    if leaf.serves:
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in leaf.serves])
        builder = builder.add_extension(alternatives, critical=False)
    _write(leaf.name, builder.sign(authority_key, hashes.SHA256()), own)


def _builder(subject: x509.Name, issuer: x509.Name, own: Key) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # for a clock that is set back a little
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """An authority signs certificates and revocation lists, a leaf its handshakes (RFC 5280, 4.2.1.3)."""
    authority = signs_certificates
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(name: str, signed: x509.Certificate, own: Key) -> None:
    certificate(name).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    _write_key(name, own)


def _write_key(name: str, own: Key) -> None:
    """Never readable by others. The API server reads a service account's key in this format only."""
    text = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    files.write(key(name), text, mode=0o600)
