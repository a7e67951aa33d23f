"""Kubeconfigs: which context counts, where files are found, and what is wrong with a bad one, in one line."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.kubernetes import kubeconfig as kubeconfigs
from clients.kubernetes.api import Api
from clients.kubernetes.errors import BadKubeconfig, NoAnswer
from tests.unit.clients.kubernetes.fake_api import kubeconfig


def config(*names: str, **user: Any) -> dict[str, Any]:
    """A kubeconfig with a cluster and a context of each name."""
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443/"}} for name in names],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "u", "namespace": f"in-{name}"}}
            for name in names
        ],
        "users": [{"name": "u", "user": user}],
        "current-context": names[0],
    }


def test_active_context_is_chosen(tmp_path: Path) -> None:
    """The current context counts, another by name, and another cluster under it."""
    text = json.dumps(config("one", "two", token="t"))
    found = kubeconfigs.access(text)
    assert (found.server, found.namespace, found.token) == ("https://one:6443", "in-one", "t")
    assert kubeconfigs.access(text, context="two").server == "https://two:6443"
    mixed = kubeconfigs.access(text, context="one", cluster="two")
    assert (mixed.server, mixed.namespace) == ("https://two:6443", "in-one")


def test_files_are_merged_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBECONFIG's files are laid over one another, paths in them start where they lie, then comes ~/.kube/config."""
    one, two = tmp_path / "one", tmp_path / "sub" / "two"
    two.parent.mkdir()
    (two.parent / "token").write_text("from the file")
    one.write_text(yaml.safe_dump({**config("one"), "users": None}))
    two.write_text(yaml.safe_dump(config("two", tokenFile="token")))
    monkeypatch.setenv("KUBECONFIG", f"{one}:{tmp_path / 'absent'}:{two}")
    found = kubeconfigs.access(context="two")
    assert found.server == "https://two:6443"
    assert found.token_file == str(two.parent / "token")
    assert kubeconfigs.access().server == "https://one:6443"
    both = f"{one}:{tmp_path / 'absent'}:{two}"
    assert kubeconfigs.access(both, context="two").server == "https://two:6443", "as the SDK hands it over"
    monkeypatch.delenv("KUBECONFIG")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(yaml.safe_dump(config("home")))
    assert kubeconfigs.access().server == "https://home:6443"
    (tmp_path / "relative").write_text(yaml.safe_dump(config("relative")))
    assert kubeconfigs.access("relative", base=tmp_path).server == "https://relative:6443"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{broken", "is not YAML"),
        ("[]\n", "is not a kubeconfig"),
        (json.dumps({**config("one"), "current-context": "gone"}), "has no context 'gone'; it has: one"),
        (json.dumps({**config("one"), "users": []}), "has no user 'u'; it has: none"),
        (
            json.dumps({**config("one"), "clusters": [{"name": "one", "cluster": {}}]}),
            "names no server for its cluster",
        ),
        (
            json.dumps(config("one", **{"auth-provider": {"name": "x"}})),
            "uses auth-provider, which is not supported",
        ),
        (json.dumps(config("one", **{"client-key-data": "!"})), "client-key-data is not base64"),
        (json.dumps(config("one", **{"client-key": "/no/such"})), "client-key /no/such cannot be read"),
    ],
)
def test_bad_kubeconfigs_are_refused(content: str, says: str) -> None:
    """One line states what is wrong, and never what the file holds."""
    with pytest.raises(BadKubeconfig, match=says):
        kubeconfigs.access(content)


def test_no_kubeconfig_at_all() -> None:
    """The message states how to name one."""
    with pytest.raises(
        NoAnswer, match="there is no kubeconfig: name one with KUBECONFIG or kubernetes:kubeconfig"
    ):
        kubeconfigs.access()


def test_client_certificate_never_touches_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate and key of a kubeconfig are loaded from memory; broken ones are an error, not a crash."""
    user = {
        name: base64.b64encode(b"no pem").decode() for name in ("client-certificate-data", "client-key-data")
    }
    api = Api(kubeconfigs.access(kubeconfig("https://127.0.0.1:1", **user)))
    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: pytest.fail("a file was opened"))
    with pytest.raises(BadKubeconfig, match="client certificate"):
        api.get("/version")
