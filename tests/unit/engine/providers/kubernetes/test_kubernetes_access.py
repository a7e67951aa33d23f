"""The provider's cluster and credentials: plugins, a server that does not answer, the provider's own inputs."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from engine.values.wire import to_struct
from tests.unit.clients.kubernetes.fake_api import FakeApi, kubeconfig
from tests.unit.engine.providers.kubernetes.driver import Engine

MAP = "core/v1:ConfigMap"


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
        ("exit 7", "credential plugin .* failed: it exited with 7"),
        ("echo hello", "what it printed is not an ExecCredential"),
    ],
)
def test_broken_plugin_is_named(stub: Any, fake: FakeApi, tmp_path: Path, lines: str, says: str) -> None:
    """A plugin that fails is named with the last line it printed."""
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
