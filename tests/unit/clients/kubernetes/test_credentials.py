"""Credentials: read, renewed before they expire, and never written to a file; one TLS context, and none for plain HTTP."""

from __future__ import annotations

import base64
import datetime
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from clients.kubernetes import connection, credentials, kubeconfig
from clients.kubernetes.choice import Choice, connect
from clients.kubernetes.credentials import Credentials
from clients.kubernetes.errors import BadKubeconfig, BadPlugin, ClientError
from tests.unit.clients.kubernetes.fake_api import FakeApi, Fault
from tests.unit.clients.kubernetes.fake_api import kubeconfig as written


def plugin(folder: Path, *, seconds: float, certificate: bool = False) -> dict[str, Any]:
    """A credential plugin that counts its runs, and whose nth token expires after `seconds`."""
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    status = {"token": "token-COUNT", "expirationTimestamp": until.isoformat()}
    if certificate:
        status |= {"clientCertificateData": "certificate-COUNT", "clientKeyData": "key"}
    answer = json.dumps({"kind": "ExecCredential", "status": status})
    lines = ["#!/bin/sh", f"echo x >> {folder}/count", f"n=$(wc -l < {folder}/count)"]
    (folder / "plugin").write_text("\n".join([*lines, f"echo '{answer}' | sed s/COUNT/$n/g"]) + "\n")
    (folder / "plugin").chmod(0o755)
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}


def test_expiring_token_is_renewed(fake: FakeApi, tmp_path: Path) -> None:
    """A client of the substrate that outlives its plugin's token has a new one before the old one expires."""
    path = tmp_path / "kubeconfig"
    path.write_text(written(fake.url, exec=plugin(tmp_path, seconds=credentials.EARLY_SECONDS - 1)))
    api = connect(Choice(path, ours=False))

    for _ in range(2):
        api.get("/version")

    assert fake.tokens == ["Bearer token-1", "Bearer token-2"]


def test_valid_token_is_kept(fake: FakeApi, tmp_path: Path) -> None:
    """The plugin is not run again while its token is valid."""
    access = kubeconfig.access(written(fake.url, exec=plugin(tmp_path, seconds=900)), base=tmp_path)
    found = Credentials(access)

    assert {found.current()[0]["Authorization"] for _ in range(3)} == {"Bearer token-1"}


def test_renewed_certificate_is_presented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin's new client certificate makes a new context; the same one keeps the context there is."""
    made: list[str] = []

    def present(context: ssl.SSLContext, certificate: str, said: str) -> None:
        made.append(certificate)

    monkeypatch.setattr(connection, "_present", present)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.1)
    user = {"exec": plugin(tmp_path, seconds=900, certificate=True)}
    found = connection.Connection(kubeconfig.access(written("https://127.0.0.1:1", **user), base=tmp_path))

    def ask() -> None:
        with pytest.raises(ClientError):
            found.exchange("GET", "/version", {}, None, "application/json")

    ask()
    ask()
    assert made == ["certificate-1\nkey"]
    found._credentials.forget()
    ask()
    assert made == ["certificate-1\nkey", "certificate-2\nkey"]


def test_token_file_is_read_again(fake: FakeApi, tmp_path: Path) -> None:
    """A token that is rotated in its file is used for the next request; a missing file is named."""
    (tmp_path / "token").write_text("first\n")
    path = tmp_path / "kubeconfig"
    path.write_text(written(fake.url, tokenFile="token"))
    api = connect(Choice(path, ours=False))

    api.get("/version")
    (tmp_path / "token").write_text("second\n")
    api.get("/version")
    (tmp_path / "token").unlink()

    assert fake.tokens == ["Bearer first", "Bearer second"]
    with pytest.raises(BadKubeconfig, match=r"tokenFile .*token cannot be read"):
        api.get("/version")


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Neither a failed plugin's output nor a key is in a message or a repr."""
    (tmp_path / "plugin").write_text("#!/bin/sh\necho top secret\necho no network >&2\nexit 3\n")
    (tmp_path / "plugin").chmod(0o755)
    key = base64.b64encode(b"KEY").decode()
    access = kubeconfig.access(
        written("https://one", exec={"command": "./plugin"}, **{"client-key-data": key}), base=tmp_path
    )

    with pytest.raises(
        BadPlugin, match=r"its credential plugin './plugin' failed: it exited with 3: no network"
    ) as raised:
        Credentials(access).current()

    assert "top secret" not in str(raised.value)
    assert "KEY" not in repr(access)


def test_plugin_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed with what it started, and named."""
    monkeypatch.setattr(credentials, "PLUGIN_SECONDS", 0.2)
    (tmp_path / "plugin").write_text("#!/bin/sh\nsleep 60\n")
    (tmp_path / "plugin").chmod(0o755)
    access = kubeconfig.access(written("https://one", exec={"command": "./plugin"}), base=tmp_path)

    with pytest.raises(BadPlugin, match=r"it did not end within 0.2 s"):
        Credentials(access).current()


def test_contexts(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP needs no TLS context, and a client of HTTPS makes one however often it is used; none reads the system's."""
    made: list[object] = []
    real = connection._context

    def counted(*arguments: Any) -> ssl.SSLContext:
        made.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(connection, "_context", counted)
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("17 ms of CPU"))
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.1)
    plain = connection.Connection(kubeconfig.access(written(fake.url)))
    plain.exchange("GET", "/version", {}, None, "application/json")
    assert made == []

    secure = connection.Connection(kubeconfig.access(written("https://127.0.0.1:1")))
    for _ in range(3):
        with pytest.raises(ClientError):
            secure.exchange("GET", "/version", {}, None, "application/json")
    assert len(made) == 1


def test_create_is_not_repeated(fake: FakeApi, tmp_path: Path) -> None:
    """A create whose answer is lost may have been carried out, so it is not sent again; a read is."""
    path = tmp_path / "kubeconfig"
    path.write_text(written(fake.url))
    api = connect(Choice(path, ours=False))
    fake.faults = [Fault("POST", "/pods", status=0, done=True), Fault("GET", "/version", status=503)]

    with pytest.raises(ClientError):
        api.create("/api/v1/namespaces/default/pods", {"kind": "Pod", "metadata": {"name": "one"}})

    assert api.get("/version") == {"gitVersion": "v1.2.3"}
    assert fake.count("POST", "/pods") == 1
    assert fake.count("GET", "/version") == 2
