"""The docker provider's gRPC face, without a Docker: configuration, secrets, statuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from engine.providers import serving
from engine.providers.docker import secrecy
from engine.providers.docker.servicer import create
from engine.values import Properties, Secret
from engine.values.wire import from_struct, to_struct


class Failing(provider_pb2_grpc.ResourceProviderServicer):
    """Answers with the two kinds of errors."""

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        serving.init_failed(context, "id-1", {"a": Secret("s")}, ["first", "second"], {"b": 1})

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        serving.refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "not now")


@pytest.fixture(params=[create])
def stub(request: pytest.FixtureRequest) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """A servicer over gRPC."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(request.param(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(0).wait()


@pytest.mark.parametrize("stub", [Failing], indirect=True)
def test_half_made_travels_in_the_trailing_metadata(stub):
    """An engine finds id, outputs, inputs and reasons where official providers put them."""
    with pytest.raises(grpc.RpcError) as failed:
        stub.Create(provider_pb2.CreateRequest())
    assert failed.value.code() is grpc.StatusCode.UNKNOWN
    metadata: Any = failed.value.trailing_metadata()
    details = dict(metadata)[serving.DETAILS_KEY]
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(details).details[0].Unpack(detail)
    assert (detail.id, list(detail.reasons)) == ("id-1", ["first", "second"])
    assert from_struct(detail.properties) == {"a": Secret("s")}
    assert from_struct(detail.inputs) == {"b": 1}


@pytest.mark.parametrize("stub", [Failing], indirect=True)
def test_a_refusal_has_its_code(stub):
    """A refusal is a code and a sentence."""
    with pytest.raises(grpc.RpcError, match="not now") as refused:
        stub.Delete(provider_pb2.DeleteRequest())
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_it_says_what_it_can(stub):
    """Secrets and previews yes, resources and outputs no."""
    answer = stub.Configure(provider_pb2.ConfigureRequest(variables={"docker:config:host": "unix:///x"}))
    assert (answer.acceptSecrets, answer.supportsPreview) == (True, True)
    assert (answer.acceptResources, answer.acceptOutputs) == (False, False)
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == "5.2.0"
    assert '"docker"' in stub.GetSchema(provider_pb2.GetSchemaRequest()).schema
    stub.Cancel(empty_pb2.Empty())


@pytest.mark.parametrize(
    ("news", "refused"),
    [
        ({"host": "unix:///x", "version": "5.2.0"}, []),
        ({"host": "ssh://x"}, ["host"]),
        ({"registryAuth": "[]", "certPath": "/x"}, ["certPath", "registryAuth"]),
    ],
)
def test_configuration_keys_are_refused_by_name(stub, news, refused):
    """A provider key that is not implemented is never ignored."""
    answer = stub.CheckConfig(provider_pb2.CheckRequest(news=to_struct(news)))
    assert sorted(failure.property for failure in answer.failures) == refused


def test_another_host_is_a_difference(stub):
    """DiffConfig sees a new host."""
    old, new = to_struct({"host": "unix:///a"}), to_struct({"host": "unix:///b"})
    assert list(stub.DiffConfig(provider_pb2.DiffRequest(old_inputs=old, news=new)).diffs) == ["host"]
    assert not stub.DiffConfig(provider_pb2.DiffRequest(old_inputs=old, news=old)).diffs


def test_a_kind_or_function_that_is_not_there_is_named(stub):
    """Service, and every other kind and function, is refused clearly."""
    urn = "urn:pulumi:s::p::docker:index/service:Service::x"
    with pytest.raises(grpc.RpcError, match="Service is not implemented") as refused:
        stub.Check(provider_pb2.CheckRequest(urn=urn))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError, match="getLogs is not implemented"):
        stub.Invoke(provider_pb2.InvokeRequest(tok="docker:index/getLogs:getLogs"))


def test_diff_needs_no_docker(stub):
    """Diff compares what it is given."""
    urn = "urn:pulumi:s::p::docker:index/container:Container::x"
    request = provider_pb2.DiffRequest(
        urn=urn, old_inputs=to_struct({"envs": Secret(["A=1"])}), news=to_struct({"envs": [Secret("A=1")]})
    )
    assert stub.Diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_secrets_are_opened_sealed_and_masked():
    """Plain for Docker, secret in outputs of the same name, absent from messages."""
    inputs: Properties = {"envs": ["A=1", Secret("TOKEN=long-secret")], "name": "n", "gone": None}
    assert secrecy.plain(inputs) == {"envs": ["A=1", "TOKEN=long-secret"], "name": "n"}
    assert secrecy.sealed({"envs": ["x"], "name": "n"}, inputs) == {"envs": Secret(["x"]), "name": "n"}
    assert (
        secrecy.masked("bad TOKEN=long-secret and long-secret, A=1", inputs)
        == "bad [secret] and [secret], A=1"
    )
    assert secrecy.merged(Secret({"a": 1}), {"b": 2}) == Secret({"a": 1, "b": 2})
