"""Keys and kubeconfigs: signed by the right authority, readable by root alone."""

from __future__ import annotations

import ipaddress
import json
import stat

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from host.kubernetes import kubeconfigs, layout, pki
from machine import addresses


def load(name: str) -> x509.Certificate:
    """A certificate as it lies there."""
    return x509.load_pem_x509_certificate(pki.certificate(name).read_bytes())


def test_certificates_and_their_authorities() -> None:
    """Each is signed by its own authority and no other, and the API server's holds for every way to it."""
    pki.make()

    for leaf in pki.LEAVES:
        load(leaf.name).verify_directly_issued_by(load(leaf.authority))
    names = load("apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert pki.complete()
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    assert {addresses.NODE, addresses.API_SERVICE, "127.0.0.1"} == {
        str(one) for one in names.get_values_for_type(x509.IPAddress)
    }
    assert len({load(name).fingerprint(hashes.SHA256()) for name in pki.AUTHORITIES}) == 3


def test_nobody_else_can_read_them() -> None:
    """Keys and kubeconfigs are 0600, their folders closed."""
    pki.make()
    kubeconfigs.make()

    private = [
        *layout.pki().glob("*.key"),
        *layout.kubeconfig("kubelet").parent.iterdir(),
        layout.kubeconfig(),
    ]
    assert len(private) > 20
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE(layout.pki().stat().st_mode) == 0o700


def test_the_labs_kubeconfig_is_complete() -> None:
    """It names one cluster, with everything inside, and is not the default of any user."""
    pki.make()
    kubeconfigs.make()

    content = json.loads(layout.kubeconfig().read_text())

    assert content["clusters"][0]["cluster"]["server"] == f"https://{addresses.NODE}:6443"
    assert set(content["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
    assert ".kube" not in str(layout.kubeconfig())


def test_addresses_are_those_set_aside() -> None:
    """Node, pods and services are in the range for benchmarks, and do not overlap."""
    ours = ipaddress.ip_network(addresses.OURS)
    pods, services = ipaddress.ip_network(addresses.PODS), ipaddress.ip_network(addresses.SERVICES)

    assert all(one.subnet_of(ours) for one in (pods, services))  # type: ignore[arg-type]
    assert ipaddress.ip_address(addresses.NODE) in ours
    assert not pods.overlaps(services)
    assert {ipaddress.ip_address(a) in services for a in (addresses.API_SERVICE, addresses.DNS_SERVICE)} == {
        True
    }
