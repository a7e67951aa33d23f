"""Which cluster, and as whom: kubeconfigs, credential plugins, the provider's own inputs."""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from pulumi.runtime.proto import provider_pb2

from engine.providers.kubernetes import kubeconfig as kubeconfigs
from engine.providers.kubernetes.api import Api
from engine.providers.kubernetes.refusal import RefusalError
from engine.values.wire import to_struct
from tests.unit.engine.providers.kubernetes.conftest import kubeconfig
from tests.unit.engine.providers.kubernetes.driver import Engine
from tests.unit.engine.providers.kubernetes.fake_api import FakeApi

MAP = "core/v1:ConfigMap"


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
        ("{broken", "is no YAML"),
        ("[]\n", "is no kubeconfig"),
        (json.dumps({**config("one"), "current-context": "gone"}), "has no context 'gone'; it has one"),
        (json.dumps(config("one", **{"auth-provider": {"name": "x"}})), "uses auth-provider, which"),
        (json.dumps(config("one", **{"client-key-data": "!"})), "client-key-data is not base64"),
        (json.dumps(config("one", **{"client-key": "/no/such"})), "client-key /no/such cannot be read"),
    ],
)
def test_bad_kubeconfigs_are_refused(content: str, says: str) -> None:
    """One line says what is wrong, and never what the file holds."""
    with pytest.raises(RefusalError, match=says):
        kubeconfigs.access(content)


def test_no_kubeconfig_at_all() -> None:
    """It is said how to name one."""
    with pytest.raises(
        RefusalError, match="there is no kubeconfig: name one with KUBECONFIG or kubernetes:kubeconfig"
    ):
        kubeconfigs.access()


def test_plugin_gives_a_token_and_a_new_one_when_refused(stub: Any, fake: FakeApi, tmp_path: Path) -> None:
    """The plugin is run once, and once more when the server no longer takes what it gave."""
    counter = tmp_path / "count"
    script = tmp_path / "plugin"
    script.write_text(
        "#!/bin/sh\n"
        f"echo x >> {counter}\n"
        'version=$(echo "$KUBERNETES_EXEC_INFO" | grep -o "client[^\\"]*v1")\n'
        f'echo "{{\\"apiVersion\\": \\"$version\\", \\"kind\\": \\"ExecCredential\\", '
        f'\\"status\\": {{\\"token\\": \\"$PREFIX$(wc -l < {counter})\\"}}}}"\n'
    )
    script.chmod(0o755)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(script),
        "env": [{"name": "PREFIX", "value": "token-"}],
    }
    fake.accepted_token = "token-1"
    engine = Engine(stub, kubeconfig=kubeconfig(fake.url, exec=plugin))
    state = engine.create(engine.urn(MAP), {"metadata": {"name": "a"}})
    fake.accepted_token = "token-2"
    engine.refresh(state)
    assert counter.read_text() == "x\nx\n"
    fake.accepted_token = "token-9"
    with pytest.raises(grpc.RpcError, match="does not accept its credentials"):
        engine.refresh(state)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("exit 7", "credential plugin .* gave nothing: it ended with 7"),
        ("echo hello", "what it printed is no ExecCredential"),
    ],
)
def test_broken_plugin_is_named(stub: Any, fake: FakeApi, tmp_path: Path, lines: str, says: str) -> None:
    """A plugin that fails is named with what it said last."""
    script = tmp_path / "plugin"
    script.write_text(f"#!/bin/sh\n{lines}\n")
    script.chmod(0o755)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}
    engine = Engine(stub, kubeconfig=kubeconfig(fake.url, exec=plugin))
    with pytest.raises(grpc.RpcError, match=says):
        engine.check(engine.urn(MAP), {})


def test_nobody_there(stub: Any) -> None:
    """A server that does not answer is named once, with the kubeconfig, within seconds; a wrong one is told apart."""
    engine = Engine(stub, kubeconfig=kubeconfig("https://127.0.0.1:1"))
    says = "the kubeconfig given to the provider points at https://127.0.0.1:1, which does not answer: Connection refused"
    with pytest.raises(grpc.RpcError, match=says) as refused:
        engine.check(engine.urn(MAP), {})
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        engine = Engine(stub, kubeconfig=kubeconfig(f"http://127.0.0.1:{port}"))
        silent.close()
        with pytest.raises(grpc.RpcError, match="which does not answer"):
            engine.check(engine.urn(MAP), {})


def test_client_certificate_never_touches_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate and key of a kubeconfig are loaded from memory; broken ones are an error, not a crash."""
    user = {
        name: base64.b64encode(b"no pem").decode() for name in ("client-certificate-data", "client-key-data")
    }
    api = Api(kubeconfigs.access(kubeconfig("https://127.0.0.1:1", **user)))
    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: pytest.fail("a file was opened"))
    with pytest.raises(RefusalError, match="client certificate"):
        api.get("/version")


@pytest.mark.parametrize(
    ("inputs", "refused"),
    [
        ({"namespace": "n", "enablePatchForce": "true", "deleteUnreachable": True, "version": "4.34.2"}, []),
        (
            {"renderYamlToDirectory": "d", "helmReleaseSettings": "{}"},
            ["helmReleaseSettings", "renderYamlToDirectory"],
        ),
        ({"enableServerSideApply": "false"}, ["enableServerSideApply"]),
        ({"enableSecretMutable": "perhaps"}, ["enableSecretMutable"]),
        ({"kubeconfig": "/no/such/file"}, ["kubeconfig"]),
    ],
)
def test_own_inputs_are_refused_by_name(stub: Any, fake: FakeApi, inputs: Any, refused: list[str]) -> None:
    """What is not implemented is never ignored."""
    request = provider_pb2.CheckRequest(news=to_struct({"kubeconfig": kubeconfig(fake.url), **inputs}))
    assert sorted(failure.property for failure in stub.CheckConfig(request).failures) == refused


def test_what_replaces_the_provider(stub: Any) -> None:
    """Another server does, another token does not; with clusterIdentifier on both sides only that decides."""

    def replaces(old: Any, new: Any) -> list[str]:
        request = provider_pb2.DiffRequest(old_inputs=to_struct(old), news=to_struct(new))
        return list(stub.DiffConfig(request).replaces)

    one, two = (kubeconfig(f"https://{name}") for name in ("one", "two"))
    assert replaces({"kubeconfig": one}, {"kubeconfig": two}) == ["kubeconfig"]
    assert replaces({"kubeconfig": one}, {"kubeconfig": kubeconfig("https://one", token="new")}) == []
    assert (
        replaces({"kubeconfig": one, "clusterIdentifier": "c"}, {"kubeconfig": two, "clusterIdentifier": "c"})
        == []
    )
    assert replaces({"clusterIdentifier": "c"}, {"clusterIdentifier": "d"}) == ["clusterIdentifier"]
