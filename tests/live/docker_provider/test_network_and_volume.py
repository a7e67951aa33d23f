"""Networks and volumes: every input, ownership, and an end that is an end."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from engine.providers.docker import network, ownership, volume
from engine.values.wire import from_struct, to_struct

pytestmark = pytest.mark.live
LABELS = [[{"label": "a", "value": value}] for value in ("1", "2")]
NETWORK = [
    ("internal", False, True, "Internal"),
    ("attachable", False, True, "Attachable"),
    (
        "ipamConfigs",
        [{"subnet": "198.18.201.0/24"}],
        [{"subnet": "198.18.202.0/24", "gateway": "198.18.202.9", "ipRange": "198.18.202.128/25"}],
        "IPAM.Config.0.Subnet",
    ),
    (
        "options",
        {"com.docker.network.bridge.name": "vmlabt0"},
        {"com.docker.network.bridge.name": "vmlabt1"},
        "Options",
    ),
    ("labels", *LABELS, "Labels.a"),
]
VOLUME = [
    ("driverOpts", {"type": "tmpfs", "device": "a"}, {"type": "tmpfs", "device": "b"}, "Options"),
    ("labels", *LABELS, "Labels.a"),
]


def shown(found: Any, where: str) -> Any:
    for part in where.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


@pytest.mark.parametrize(("key", "first", "second", "where"), NETWORK)
def test_a_changed_network_input_reaches_docker(engine, docker, key, first, second, where):
    """A network's input is in Docker, and its new value is in the network that replaced it."""
    common = {"name": f"vmlab-{engine.project}"}
    state = engine.create(engine.urn("Network"), common | {key: first})
    before = shown(docker.inspect_network(state.id), where)
    assert engine.up(state, common | {key: first})[1] == "same"
    engine.refresh(state)
    assert engine.up(state, common | {key: first})[1] == "same"
    state, how = engine.up(state, common | {key: second})
    after = shown(docker.inspect_network(state.id), where)
    assert (how, before != after) == ("replaced", True)
    engine.delete(state)


@pytest.mark.parametrize(("key", "first", "second", "where"), VOLUME)
def test_a_changed_volume_input_reaches_docker(engine, docker, key, first, second, where):
    """A volume's input is in Docker, and its new value is in the volume that replaced it."""
    common = {"name": f"vmlab-{engine.project}", "driver": "local"}
    state = engine.create(engine.urn("Volume"), common | {key: first})
    before = shown(docker.inspect_volume(state.id), where)
    assert engine.up(state, common | {key: first})[1] == "same"
    engine.refresh(state)
    state, how = engine.up(state, common | {key: second})
    assert (how, shown(docker.inspect_volume(state.id), where) != before) == ("replaced", True)
    engine.delete(state)


def test_another_driver_is_another_network(engine, docker):
    """The driver reaches Docker, and another one, which not every kernel has, needs a new network."""
    news = {"name": f"vmlab-{engine.project}", "driver": "bridge"}
    state = engine.create(engine.urn("Network"), news)
    assert docker.inspect_network(state.id)["Driver"] == "bridge"
    assert engine.diff(state, news | {"driver": "macvlan"}).replaces == ["driver"]
    engine.delete(state)


def test_ipv6(engine, docker):
    """A network with IPv6 has it."""
    news = {"name": f"vmlab-{engine.project}", "ipv6": True, "ipamConfigs": [{"subnet": "fd00:198:18::/64"}]}
    state = engine.create(engine.urn("Network"), news)
    assert docker.inspect_network(state.id)["EnableIPv6"]
    engine.delete(state)


def test_every_input_has_a_case():
    """No implemented input goes untried."""
    assert {case[0] for case in NETWORK} | {"name", "ipv6", "driver"} == set(network.INPUTS)
    assert {case[0] for case in VOLUME} | {"name", "driver"} == set(volume.INPUTS)


@pytest.mark.parametrize("kind", ["Network", "Volume"])
def test_names_are_made_and_a_new_name_replaces(engine, kind):
    """Without a name one is made and kept; a new name is a new object."""
    state = engine.create(engine.urn(kind), {})
    assert state.outputs["name"] == f"thing-{engine.project[1:8]}"
    assert engine.up(state, {})[1] == "same"
    state, how = engine.up(state, {"name": f"vmlab-{engine.project}"})
    assert how == "replaced"
    engine.delete(state)


@pytest.mark.parametrize("kind", ["Network", "Volume"])
def test_a_foreign_one_is_never_touched(engine, kind):
    """A name that somebody else's object has is refused, and reading it finds nothing of ours."""
    name = f"vmlab-{engine.project}"
    other = engine.create(engine.urn(kind, "other"), {"name": name})
    with pytest.raises(grpc.RpcError, match=f"named {name} exists and is not ours"):
        engine.create(engine.urn(kind), {"name": name})
    assert engine.read(engine.urn(kind), name, other.inputs).id == ""
    assert engine.refresh(other)
    engine.delete(other)


@pytest.mark.parametrize("kind", ["Network", "Volume"])
def test_a_lost_create_is_found_or_made_again(engine, kind):
    """An object whose answer was lost is found by its name, and a second create succeeds."""
    news = {"name": f"vmlab-{engine.project}"}
    lost = engine.create(engine.urn(kind), news)
    assert engine.read(lost.urn, news["name"], lost.inputs).id == lost.id
    again = engine.create(lost.urn, news)
    assert (again.id == lost.id) is (kind == "Volume")
    assert ownership.URN_LABEL not in str(engine.diff(again, news).diffs)
    engine.delete(again)


def test_a_leftover_volume_with_other_options_is_refused(engine, docker):
    """A volume of ours that cannot be adopted as it is may hold data, and stays."""
    news = {"name": f"vmlab-{engine.project}"}
    lost = engine.create(engine.urn("Volume"), news)
    with pytest.raises(grpc.RpcError, match="with other options"):
        engine.create(lost.urn, news | {"driverOpts": {"type": "tmpfs", "device": "tmpfs"}})
    assert docker.inspect_volume(lost.id)


@pytest.mark.parametrize("kind", ["Network", "Volume"])
def test_gone_is_gone(engine, kind):
    """An object that is not there is gone for Read, and deleting it twice is a success."""
    state = engine.create(engine.urn(kind), {"name": f"vmlab-{engine.project}"})
    engine.delete(state)
    engine.delete(state)
    assert engine.read(state.urn, state.id, state.inputs, state.outputs).id == ""


def test_a_network_in_use_is_removed_when_it_is_free(engine, docker, image):
    """Removing a network waits for its last container to go."""
    state = engine.create(engine.urn("Network"), {"name": f"vmlab-{engine.project}", "internal": True})
    user = engine.create(
        engine.urn("Container"),
        {"image": image, "networksAdvanced": [{"name": state.id}], "name": f"vmlab-{engine.project}"},
    )
    timer = threading.Timer(0.5, lambda: docker.remove_container(user.id, force=True))
    timer.start()
    engine.delete(state)
    timer.join()


def test_a_volume_in_use_says_by_whom(engine, stub, image):
    """A volume that stays in use is refused after the deadline with Docker's own words."""
    state = engine.create(engine.urn("Volume"), {"name": f"vmlab-{engine.project}"})
    user = engine.create(
        engine.urn("Container"),
        {"image": image, "volumes": [{"volumeName": state.id, "containerPath": "/m"}], "start": False},
    )
    request = provider_pb2.DeleteRequest(
        id=state.id, urn=state.urn, old_inputs=to_struct(state.inputs), timeout=0.5
    )
    with pytest.raises(grpc.RpcError, match=user.id[:12]):
        stub.Delete(request)


def test_get_network(engine, stub):
    """The function getNetwork finds a network by its name, and says so when there is none."""
    state = engine.create(engine.urn("Network"), {"name": f"vmlab-{engine.project}"})
    token = "docker:index/getNetwork:getNetwork"
    answer = stub.Invoke(
        provider_pb2.InvokeRequest(tok=token, args=to_struct({"name": state.outputs["name"]}))
    )
    assert from_struct(getattr(answer, "return"))["id"] == state.id
    with pytest.raises(grpc.RpcError, match="there is no network"):
        stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=to_struct({"name": "no-such"})))
    engine.delete(state)
