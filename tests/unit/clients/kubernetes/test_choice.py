"""Kubeconfigs: which one counts, and what is wrong with a bad one, in one line."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.kubernetes import access as kubernetes_access
from clients.kubernetes.choice import Choice, access
from machine.errors import InvalidInput, Unavailable


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab without a cluster, and a user who names none."""
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path / "home"))
    for name in ("VMLAB_KUBECONFIG", "VMLAB_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def content(**user: Any) -> dict[str, Any]:
    """A kubeconfig of one context."""
    authority = base64.b64encode(b"AUTHORITY").decode()
    return {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [
            {
                "name": "here",
                "cluster": {"server": "https://198.18.3.1:6443/", "certificate-authority-data": authority},
            }
        ],
        "users": [{"name": "me", "user": user}],
    }


def written(folder: Path, document: object) -> Choice:
    """It as a file."""
    path = folder / "kubeconfig"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return Choice(path)


def test_the_labs_own_is_not_up() -> None:
    """Without a kubeconfig of the lab's the substrate is unavailable, and the fix brings it up."""
    with pytest.raises(Unavailable) as raised:
        kubernetes_access.chosen()

    assert raised.value.fix == "vmlab host up kubernetes"


def test_the_labs_own(home: Path) -> None:
    """It is taken when nobody names another, and is the lab's even when it is named by its path."""
    written(home / "run" / "cluster", content())

    assert kubernetes_access.chosen() == Choice(home / "run" / "cluster" / "kubeconfig", ours=True)


def test_another(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user names is not the lab's; the lab's own by another name is."""
    choice, own = written(tmp_path, content()), written(home / "run" / "cluster", content())
    monkeypatch.setenv("VMLAB_CONTEXT", "lab")

    monkeypatch.setenv("VMLAB_KUBECONFIG", str(choice.path))
    assert kubernetes_access.chosen() == Choice(choice.path, "lab", ours=False)
    monkeypatch.setenv("VMLAB_KUBECONFIG", str(own.path))
    assert kubernetes_access.chosen().ours


def test_certificate_and_token(tmp_path: Path) -> None:
    """Data, files beside the kubeconfig and a token are all read."""
    (tmp_path / "key.pem").write_text("KEY")
    (tmp_path / "token").write_text("from a file\n")
    user = {"client-certificate-data": base64.b64encode(b"CERT").decode(), "client-key": "key.pem"}

    found = access(written(tmp_path, content(**user)))
    assert (found.server, found.authority_pem) == ("https://198.18.3.1:6443", "AUTHORITY")
    assert found.certificate_pem == "CERT\nKEY"
    assert access(written(tmp_path, content(token="given"))).token == "given"
    assert access(written(tmp_path, content(tokenFile="token"))).token == "from a file"
    assert "KEY" not in repr(found)


def test_credential_plugin(tmp_path: Path) -> None:
    """A plugin is run as the clouds' kubeconfigs have it; one that fails is named, without what it printed."""
    answer = json.dumps({"kind": "ExecCredential", "status": {"token": "of the plugin"}})
    plugin = {"command": sys.executable, "args": ["-c", f"print({answer!r})"]}

    assert access(written(tmp_path, content(exec=plugin))).token == "of the plugin"
    plugin["args"] = ["-c", "print('top secret'); raise SystemExit(1)"]
    with pytest.raises(InvalidInput, match=r"its credential plugin .* gave nothing") as raised:
        access(written(tmp_path, content(exec=plugin)))
    assert "top secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: c.pop("clusters"), "has no clusters: it is no kubeconfig"),
        (lambda c: c.update({"current-context": "other"}), "has no context 'other'; it has: lab"),
        (lambda c: c["users"].clear(), "has no user 'me'; it has: none"),
        (lambda c: c["clusters"][0]["cluster"].pop("server"), "names no server for its cluster"),
        (lambda c: c["users"][0]["user"].update({"client-key": "away.pem"}), "its client-key cannot be read"),
        (lambda c: c["users"][0]["user"].update({"tokenFile": "away"}), "its tokenFile cannot be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, spoil: Any, said: str) -> None:
    """Each defect of a kubeconfig is refused with the file's name."""
    document = content(**{"client-certificate-data": base64.b64encode(b"CERT").decode()})
    spoil(document)
    choice = written(tmp_path, document)

    with pytest.raises(InvalidInput) as raised:
        access(choice)
    assert str(choice.path) in str(raised.value)
    assert said in str(raised.value)
