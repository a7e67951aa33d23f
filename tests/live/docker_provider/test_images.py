"""Images: built, pushed to a registry on loopback, pulled from it, and removed."""

from __future__ import annotations

import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from engine.providers.docker import image as image_kind
from engine.providers.docker import ownership, remote_image
from engine.values import UNKNOWN
from engine.values.wire import from_struct, to_struct
from tests.live.docker_provider.conftest import HalfMade

pytestmark = pytest.mark.live
READY_SECONDS = 10.0


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry on a free loopback port."""
    directory = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = directory / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    try:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except FileNotFoundError:
        pytest.skip("no docker-registry; install it with: apt-get install docker-registry")
    address = f"127.0.0.1:{port}"
    for _ in range(int(READY_SECONDS / 0.05)):
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=1).close()
            break
        except OSError:
            try:
                process.wait(0.05)  # a registry that ended will not answer
                break
            except subprocess.TimeoutExpired:
                continue
    yield address
    process.send_signal(signal.SIGTERM)
    process.wait(10)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context of three files, one of them ignored."""
    (tmp_path / "Dockerfile").write_text(
        "FROM scratch AS base\nARG WHO=nobody\nLABEL who=$WHO\nCOPY . /\nFROM base AS other\nLABEL o=1\n"
    )
    (tmp_path / "file").write_text("one")
    (tmp_path / "ignored").write_text("noise")
    (tmp_path / ".dockerignore").write_text("ignored\n")
    return tmp_path


def inputs_of(engine: Any, context: Path, **rest: Any) -> dict[str, Any]:
    build = {"context": str(context), "target": "base", **rest.pop("build", {})}
    return {"imageName": f"vmlab-{engine.project}:1", "skipPush": True, "build": build, **rest}


def test_built_labelled_and_removed(engine, docker, context):
    """An image is built without what is ignored, carries our label, is not built twice, and goes on destroy."""
    news = inputs_of(engine, context)
    state = engine.create(engine.urn("Image"), news)
    found = docker.inspect_image(news["imageName"])
    assert found["Config"]["Labels"][ownership.URN_LABEL] == ownership.urn_hash(state.urn)
    assert state.outputs["repoDigest"] == state.outputs["imageId"] == found["Id"]
    assert state.id == news["imageName"]
    assert engine.up(state, news)[1] == "same"
    assert engine.refresh(state)
    assert engine.up(state, news)[1] == "same"
    engine.delete(state)
    assert engine.read(state.urn, state.id, state.inputs, state.outputs).id == ""


def test_a_changed_file_is_a_new_image_and_an_ignored_one_is_not(engine, docker, context):
    """The context's digest decides; the old image goes with the update."""
    news = inputs_of(engine, context)
    state = engine.create(engine.urn("Image"), news)
    old = state.outputs["imageId"]
    (context / "ignored").write_text("more noise")
    assert engine.up(state, news)[1] == "same"
    (context / "file").write_text("two")
    state, how = engine.up(state, news)
    assert how == "updated"
    assert state.outputs["imageId"] != old
    assert old not in {found["Id"] for found in docker.images()}
    engine.delete(state)


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"args": {"WHO": "me"}}, ("who", "me")),
        ({"target": "other"}, ("o", "1")),
        ({"platform": "linux/amd64"}, None),
    ],
)
def test_build_inputs_reach_docker(engine, docker, context, change, label):
    """Arguments, target and platform change the image in place."""
    news = inputs_of(engine, context)
    state = engine.create(engine.urn("Image"), news)
    state, how = engine.up(state, inputs_of(engine, context, build=change))
    found = docker.inspect_image(news["imageName"])
    assert how == "updated"
    assert label is None or found["Config"]["Labels"][label[0]] == label[1]
    assert state.outputs["imageId"] == found["Id"]
    engine.delete(state)


def test_another_dockerfile_and_another_name(engine, docker, context, tmp_path_factory):
    """A Dockerfile outside of the context works, and a new name is a new object."""
    outside = tmp_path_factory.mktemp("recipes") / "small.Dockerfile"
    outside.write_text("FROM scratch AS base\nCOPY file /outside\n")
    news = inputs_of(engine, context)
    state = engine.create(engine.urn("Image"), news)
    news = inputs_of(engine, context, build={"dockerfile": str(outside), "builderVersion": "BuilderV1"})
    state, how = engine.up(state, news)
    assert how == "updated"
    state, how = engine.up(state, news | {"imageName": f"vmlab-{engine.project}:2"})
    assert how == "replaced"
    assert not docker.images(name=f"vmlab-{engine.project}:1")
    engine.delete(state)


def test_a_failed_build_shows_the_log(engine, image, context):
    """The error of a failed build holds the last lines of its log."""
    (context / "Dockerfile").write_text(
        f'FROM {image} AS base\nRUN ["sh", "-c", "echo the-reason; exit 3"]\n'
    )
    with pytest.raises(grpc.RpcError, match=r"(?s)returned a non-zero code: 3.*the-reason"):
        engine.create(engine.urn("Image"), inputs_of(engine, context))


def test_an_image_in_use_stays(engine, docker, context):
    """Deleting an image that a container uses leaves it; the container goes on."""
    state = engine.create(engine.urn("Image"), inputs_of(engine, context))
    user = engine.create(
        engine.urn("Container"), {"image": state.outputs["repoDigest"], "command": ["/x"], "start": False}
    )
    engine.delete(state)
    assert docker.inspect_image(state.id)
    engine.delete(user)
    engine.delete(state)
    assert not docker.images(name=state.id)


def test_a_foreign_image_is_never_touched(engine, docker, image, context):
    """A tag that is not ours is neither built over nor removed."""
    name = f"vmlab-{engine.project}"
    docker.tag(image, name, "1")
    with pytest.raises(grpc.RpcError, match="exists and is not ours"):
        engine.create(engine.urn("Image"), inputs_of(engine, context))
    request = provider_pb2.DeleteRequest(id=f"{name}:1", urn=engine.urn("Image"))
    engine.stub.Delete(request)
    assert docker.inspect_image(f"{name}:1")
    docker.remove_image(f"{name}:1")


def test_build_on_preview(engine, stub, docker, context):
    """A preview builds only when it is told to, and then knows the image's id."""
    urn = engine.urn("Image")
    for wanted in (False, True):
        inputs = engine.checked(urn, inputs_of(engine, context, buildOnPreview=wanted))
        request = provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs), preview=True)
        outputs = from_struct(stub.Create(request).properties)
        assert (outputs["imageId"] is UNKNOWN) is not wanted
        assert bool(docker.images(name=inputs["imageName"])) is wanted


def test_pushed_and_pulled(engine, docker, registry, context):
    """An image goes to a registry and comes back by its digest; a trigger pulls again, keepLocally keeps it."""
    name = f"{registry}/vmlab-{engine.project}:1"
    news = inputs_of(engine, context, imageName=name, skipPush=False, registry={"server": registry})
    built = engine.create(engine.urn("Image"), news)
    assert built.outputs["repoDigest"].startswith(f"{registry}/vmlab-{engine.project}@sha256:")
    changed = news | {"registry": {"server": registry, "username": "u", "password": "p"}}
    assert not engine.diff(built, changed).replaces
    docker.remove_image(name)
    assert engine.refresh(built), "a pushed image lives on in its registry"

    remote = {"name": built.outputs["repoDigest"], "keepLocally": True}
    state = engine.create(engine.urn("RemoteImage"), remote)
    assert state.outputs["imageId"] == built.outputs["imageId"]
    assert state.outputs["repoDigest"] == built.outputs["repoDigest"]
    assert state.id == state.outputs["imageId"] + remote["name"]
    assert engine.up(state, remote)[1] == "same"
    engine.delete(state)
    assert docker.inspect_image(remote["name"])
    for key, value in (("pullTriggers", ["x"]), ("triggers", {"a": "b"})):
        docker.remove_image(remote["name"])
        state, how = engine.up(state, {**remote, key: value})
        assert how == "updated"
        assert docker.inspect_image(remote["name"])
    docker.remove_image(remote["name"])
    user = engine.create(
        engine.urn("Container"), {"image": remote["name"], "command": ["/x"], "start": False}
    )
    engine.delete(user)
    assert docker.inspect_image(remote["name"]), "a container's image is pulled when it is not here"
    state, how = engine.up(
        state, {**remote, "keepLocally": False, "triggers": {"a": "b"}, "forceRemove": True}
    )
    assert how == "updated"
    engine.delete(state)
    assert engine.read(state.urn, state.id, state.inputs, state.outputs).id == ""
    engine.delete(built)


def test_a_failed_push_is_half_made(engine, context):
    """An image that was built and could not be pushed exists, and the reason says so."""
    news = inputs_of(engine, context, imageName=f"127.0.0.1:1/vmlab-{engine.project}:1", skipPush=False)
    with pytest.raises(HalfMade, match="was built and not pushed"):
        engine.create(engine.urn("Image"), news)


def test_an_image_nobody_has(engine, registry):
    """A pull of what is not there is refused with the registry's words."""
    with pytest.raises(grpc.RpcError, match=r"cannot pull|not found|manifest unknown"):
        engine.create(engine.urn("RemoteImage"), {"name": f"{registry}/no-such:1"})


def test_get_remote_image(engine, stub, image, docker):
    """The function getRemoteImage finds an image that is here."""
    request = provider_pb2.InvokeRequest(
        tok="docker:index/getRemoteImage:getRemoteImage", args=to_struct({"name": image})
    )
    assert from_struct(getattr(stub.Invoke(request), "return"))["id"] == docker.inspect_image(image)["Id"]


def test_every_input_has_a_case():
    """No implemented input goes untried."""
    source = Path(__file__).read_text()
    keys = [*image_kind.INPUTS, *remote_image.INPUTS, *image_kind.BUILD.keys]
    assert [key for key in keys if f'"{key}"' not in source and f"{key}=" not in source] == []
