"""A real provider over gRPC against a real Docker, a tiny image to run, and a census that must balance.

Everything a test makes carries the labels of the stack `tests/<random>`, and is removed by them even when it fails.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from concurrent import futures
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from docker import APIClient
from docker.errors import APIError, DockerException
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from engine.providers.docker import ownership
from engine.providers.docker.servicer import create
from engine.providers.serving import DETAILS_KEY
from engine.values import Properties
from engine.values.wire import from_struct, to_struct
from machine.waiting import Deadline

SETTLE_SECONDS = 20.0
HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
IMAGE = "vmlab-docker-provider-test:busybox"
TYPES = {
    "Container": "docker:index/container:Container",
    "Network": "docker:index/network:Network",
    "Volume": "docker:index/volume:Volume",
    "Image": "docker:index/image:Image",
    "RemoteImage": "docker:index/remoteImage:RemoteImage",
}


class HalfMade(Exception):
    """ErrorResourceInitFailed."""

    def __init__(self, detail: Any) -> None:
        super().__init__("; ".join(detail.reasons))
        self.id = detail.id
        self.reasons = list(detail.reasons)
        self.outputs = from_struct(detail.properties)


class Engine:
    """What a Pulumi engine does with a provider, one resource at a time."""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub) -> None:
        self.stub = stub
        self.project = f"t{uuid.uuid4().hex[:8]}"

    def urn(self, kind: str, name: str = "thing") -> str:
        """The URN of a resource of this test."""
        return f"urn:pulumi:test::{self.project}::{TYPES[kind]}::{name}"

    def check(self, urn: str, news: Properties, olds: Properties | None = None) -> Any:
        """Check, with a fixed seed."""
        request = provider_pb2.CheckRequest(
            urn=urn,
            news=to_struct(news),
            olds=to_struct(olds or {}),
            randomSeed=bytes.fromhex(self.project[1:]),
        )
        return self.stub.Check(request)

    def checked(self, urn: str, news: Properties, olds: Properties | None = None) -> Properties:
        """The checked inputs of what must be right."""
        answer = self.check(urn, news, olds)
        assert not answer.failures, answer.failures
        return from_struct(answer.inputs)

    def create(self, urn: str, news: Properties) -> SimpleNamespace:
        """Check and create: id, inputs, outputs."""
        inputs = self.checked(urn, news)
        answer = self.call(
            self.stub.Create, provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs))
        )
        return SimpleNamespace(urn=urn, id=answer.id, inputs=inputs, outputs=from_struct(answer.properties))

    def diff(self, state: SimpleNamespace, news: Properties) -> Any:
        """Diff of checked news."""
        request = provider_pb2.DiffRequest(
            id=state.id,
            urn=state.urn,
            olds=to_struct(state.outputs),
            news=to_struct(self.checked(state.urn, news, state.inputs)),
            old_inputs=to_struct(state.inputs),
        )
        return self.stub.Diff(request)

    def update(self, state: SimpleNamespace, news: Properties) -> None:
        """Update in place."""
        inputs = self.checked(state.urn, news, state.inputs)
        request = provider_pb2.UpdateRequest(
            id=state.id,
            urn=state.urn,
            olds=to_struct(state.outputs),
            news=to_struct(inputs),
            old_inputs=to_struct(state.inputs),
        )
        answer = self.call(self.stub.Update, request)
        state.inputs, state.outputs = inputs, from_struct(answer.properties)

    def up(self, state: SimpleNamespace, news: Properties) -> tuple[SimpleNamespace, str]:
        """Do what Diff says: nothing, update or replace."""
        diff = self.diff(state, news)
        if diff.changes == provider_pb2.DiffResponse.DIFF_NONE:
            return state, "same"
        if not diff.replaces:
            self.update(state, news)
            return state, "updated"
        if diff.deleteBeforeReplace:
            self.delete(state)
            return self.create(state.urn, news), "replaced"
        new = self.create(state.urn, news)
        self.delete(state)
        return new, "replaced"

    def read(self, urn: str, id_: str, inputs: Properties, outputs: Properties | None = None) -> Any:
        """Read; the raw answer."""
        request = provider_pb2.ReadRequest(
            id=id_, urn=urn, inputs=to_struct(inputs), properties=to_struct(outputs or {})
        )
        return self.call(self.stub.Read, request)

    def refresh(self, state: SimpleNamespace) -> bool:
        """Read into the state; whether it is still there."""
        answer = self.read(state.urn, state.id, state.inputs, state.outputs)
        state.inputs, state.outputs = from_struct(answer.inputs), from_struct(answer.properties)
        return bool(answer.id)

    def delete(self, state: SimpleNamespace) -> None:
        """Delete."""
        request = provider_pb2.DeleteRequest(
            id=state.id,
            urn=state.urn,
            properties=to_struct(state.outputs),
            old_inputs=to_struct(state.inputs),
        )
        self.stub.Delete(request)

    @staticmethod
    def call(method: Any, request: Any) -> Any:
        """A call whose ErrorResourceInitFailed is raised as HalfMade."""
        try:
            return method(request)
        except grpc.RpcError as error:
            metadata: Any = error.trailing_metadata() or ()
            for key, value in metadata:
                if key == DETAILS_KEY:
                    detail = provider_pb2.ErrorResourceInitFailed()
                    status_pb2.Status.FromString(value).details[0].Unpack(detail)
                    raise HalfMade(detail) from error
            raise


@pytest.fixture(scope="session")
def docker() -> Iterator[APIClient]:
    """The real Docker; a test that cannot have it fails in CI and is skipped elsewhere."""
    try:
        client = APIClient(base_url=HOST, timeout=60, version="auto")
    except DockerException as error:
        reason = f"no Docker at {HOST}: {error}; start it with: vmlab host up docker"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(docker: APIClient) -> Iterator[str]:
    """A busybox FROM scratch."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox; install it with: apt-get install busybox-static")
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(busybox, arcname="bin/busybox")
        archive.add(__file__, arcname="context-marker")
        recipe = b'FROM scratch\nCOPY bin /bin\nRUN ["/bin/busybox","--install","-s","/bin"]\nCMD ["sleep","600"]\n'
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(recipe)
        archive.addfile(info, BytesIO(recipe))
    content.seek(0)
    log = list(
        docker.build(fileobj=content, custom_context=True, tag=IMAGE, rm=True, forcerm=True, decode=True)
    )
    assert not [line for line in log if "error" in line], log
    yield IMAGE
    docker.remove_image(IMAGE, force=True)


@pytest.fixture(scope="session")
def stub() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """The provider, served as any engine has it."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    provider = create(Path("/"))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(1).wait()
    provider.close()


@pytest.fixture
def engine(stub: Any, docker: APIClient, image: str) -> Iterator[Engine]:
    """An engine with a configured provider; what its test leaves is removed, and was an error."""
    engine = Engine(stub)
    before = census(docker, engine.project)
    stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"host": HOST}), acceptSecrets=True))
    yield engine
    sweep(docker, engine.project)
    # Copies that the lab's tests boot beside this have anonymous volumes without a label for as long as they live.
    Deadline(SETTLE_SECONDS).until(lambda: not more(census(docker, engine.project), before), 0.1)
    assert more(census(docker, engine.project), before) == {}


@pytest.fixture
def settings(docker: APIClient) -> Any:
    """What Docker says of a container."""
    return docker.inspect_container


def census(docker: APIClient, project: str) -> dict[str, set[str]]:
    """Everything that Docker has, but for what other stacks have labelled as theirs: they may run beside this."""
    mine = f"{project}/test"

    def ids(rows: Any, key: str = "Id") -> set[str]:
        return {
            row[key]
            for row in rows or []
            if (row.get("Labels") or {}).get(ownership.STACK_LABEL, mine) == mine
        }

    return {
        "containers": ids(docker.containers(all=True)),
        "networks": ids(docker.networks()),
        "volumes": ids(docker.volumes()["Volumes"], "Name"),
        "images": ids(row for row in docker.images() if project in str(row)),
    }


def more(after: dict[str, set[str]], before: dict[str, set[str]]) -> dict[str, set[str]]:
    """What there is now and was not before, by kind."""
    return {kind: found for kind in after if (found := after[kind] - before[kind])}


def sweep(docker: APIClient, project: str) -> None:
    """Remove what carries this test's label."""
    mine: dict[str, Any] = {"label": f"{ownership.STACK_LABEL}={project}/test"}
    for container in docker.containers(all=True, filters=mine):
        docker.remove_container(container["Id"], force=True, v=True)
    for network in docker.networks(filters=mine):
        docker.remove_network(network["Id"])
    for volume in docker.volumes(filters=mine)["Volumes"] or []:
        docker.remove_volume(volume["Name"], force=True)
    for found in docker.images(filters=mine):
        try:
            docker.remove_image(found["Id"], force=True)
        except APIError as error:
            if error.status_code != 404:
                raise
