"""TLS with a real handshake: authority and client certificate from memory, and what is reported when they do not fit."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clients.kubernetes import kubeconfig
from clients.kubernetes.api import Api
from clients.kubernetes.errors import NoAnswer
from tests.unit.clients.kubernetes.fake_api import kubeconfig as written


def self_signed(name: str) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and `name` that is its own authority, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(name)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    own = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return made.public_bytes(pem).decode(), own.decode()


class Handler(BaseHTTPRequestHandler):
    """Answers with the common name of its client."""

    def do_GET(self) -> None:
        peer: Any = self.connection.getpeercert()
        body = f'{{"client": "{peer["subject"][0][0][1]}"}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


SERVER, CLIENT = self_signed("server"), self_signed("client")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server that requires the client's certificate."""
    for name, text in (("certificate", SERVER[0]), ("key", SERVER[1]), ("client", CLIENT[0])):
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    context.load_verify_locations(tmp_path / "client")
    context.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def access_of(url: str, authority: str, **cluster: Any) -> kubeconfig.Access:
    """The client's access to it; of the server it trusts `authority`."""
    user = {
        f"client-{part}-data": base64.b64encode(text.encode()).decode()
        for part, text in zip(("certificate", "key"), CLIENT, strict=True)
    }
    found = kubeconfig.access(written(url, **user))
    return kubeconfig.Access(**{**vars(found), "authority_pem": authority, **cluster})


@pytest.mark.parametrize(
    ("authority", "cluster"),
    [(SERVER[0], {}), (SERVER[0], {"tls_server_name": "server"}), ("", {"insecure": True})],
)
def test_both_sides_are_verified(url: str, authority: str, cluster: dict[str, Any]) -> None:
    """A server of the kubeconfig's authority is trusted, under another name too, and it sees the client's certificate."""
    assert Api(access_of(url, authority, **cluster)).get("/version") == {"client": "client"}


@pytest.mark.parametrize(
    ("authority", "cluster", "reason"),
    [
        (CLIENT[0], {}, "its certificate is not the one the kubeconfig trusts"),
        (SERVER[0], {"tls_server_name": "other"}, "hostname 'other' doesn't match"),
    ],
)
def test_another_server_is_not_trusted(
    url: str, authority: str, cluster: dict[str, Any], reason: str
) -> None:
    """A server of another authority or name gets no request, and the message says why."""
    with pytest.raises(NoAnswer, match=reason) as raised:
        Api(access_of(url, authority, **cluster)).send("GET", "/version", patience_seconds=0)

    assert not raised.value.sent
