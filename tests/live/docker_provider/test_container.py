"""A container's life: made, found, half-made, drifted, cancelled, removed."""

from __future__ import annotations

import threading
import time
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from engine.providers.docker import ownership
from engine.values import UNKNOWN, Secret
from engine.values.wire import from_struct, to_struct
from tests.live.docker_provider.conftest import HalfMade

pytestmark = pytest.mark.live
LIVING = ["sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]


def inputs_of(engine: Any, image: str, **rest: Any) -> dict[str, Any]:
    return {"image": image, "name": f"vmlab-{engine.project}", "command": LIVING, **rest}


def test_it_runs_and_a_second_up_changes_nothing(engine, image, settings):
    """A container runs, is labelled, and neither a second up nor one after a refresh changes anything."""
    news = inputs_of(engine, image, ports=[{"internal": 80, "ip": "127.0.0.1"}])
    state = engine.create(engine.urn("Container"), news)
    found = settings(state.id)
    assert found["State"]["Running"]
    assert found["Config"]["Labels"][ownership.URN_LABEL] == ownership.urn_hash(state.urn)
    assert state.outputs["ports"][0]["external"] >= 1024
    assert state.outputs["networkDatas"][0]["ipAddress"]
    assert engine.up(state, news)[1] == "same"
    assert engine.refresh(state)
    assert engine.up(state, news)[1] == "same"
    engine.delete(state)


def test_the_image_by_id_is_no_other_image(engine, image, docker):
    """An image given by its id, and refreshed, is no difference."""
    news = inputs_of(engine, docker.inspect_image(image)["Id"], start=False)
    state = engine.create(engine.urn("Container"), news)
    engine.refresh(state)
    assert engine.up(state, news)[1] == "same"
    assert engine.diff(state, news | {"image": image}).replaces == ["image"]
    engine.delete(state)


def test_a_name_is_made_and_kept(engine, image):
    """A container without a name gets one from its URN and seed and keeps it; a new name is a new container."""
    news = {"image": image, "start": False}
    state = engine.create(engine.urn("Container", "web server"), news)
    assert state.outputs["name"] == f"web-server-{engine.project[1:8]}"
    assert engine.up(state, news)[1] == "same"
    state, how = engine.up(state, news | {"name": f"vmlab-{engine.project}"})
    assert (how, state.outputs["name"]) == ("replaced", f"vmlab-{engine.project}")
    engine.delete(state)


def test_limits_change_on_a_running_container(engine, image, settings):
    """Memory, CPU and restart policy change while the container goes on running."""
    news = inputs_of(engine, image, memory=64, cpus="0.5")
    state = engine.create(engine.urn("Container"), news)
    pid = settings(state.id)["State"]["Pid"]
    state, how = engine.up(state, news | {"memory": 32, "cpus": "0.25", "restart": "always"})
    found = settings(state.id)
    assert (how, found["State"]["Pid"]) == ("updated", pid)
    assert (found["HostConfig"]["Memory"], found["HostConfig"]["NanoCpus"]) == (32 << 20, 250_000_000)
    engine.delete(state)


def test_a_limit_changed_from_outside_is_drift(engine, image, docker, settings):
    """A limit changed by `docker update` is found by Read and put back by the next up."""
    news = inputs_of(engine, image, cpuShares=512, start=False)
    state = engine.create(engine.urn("Container"), news)
    docker.update_container(state.id, cpu_shares=100)
    engine.refresh(state)
    assert state.inputs["cpuShares"] == 100
    state, how = engine.up(state, news)
    assert (how, settings(state.id)["HostConfig"]["CpuShares"]) == ("updated", 512)
    engine.delete(state)


def test_a_stopped_container_is_drift_and_started_again(engine, image, docker, settings):
    """A container that must run and was killed is started by the up after a refresh."""
    news = inputs_of(engine, image)
    state = engine.create(engine.urn("Container"), news)
    docker.kill(state.id)
    docker.wait(state.id)
    engine.refresh(state)
    assert (state.outputs["mustRun"], state.outputs["exitCode"]) == (False, 137)
    state, how = engine.up(state, news)
    assert (how, settings(state.id)["State"]["Running"], state.outputs["mustRun"]) == ("updated", True, True)
    assert engine.up(state, news)[1] == "same"
    engine.delete(state)


def test_without_must_run_it_is_left_alone(engine, image, docker, settings):
    """A container that need not run is not started again, until it must."""
    news = inputs_of(engine, image, mustRun=False)
    state = engine.create(engine.urn("Container"), news)
    docker.kill(state.id)
    docker.wait(state.id)
    engine.refresh(state)
    assert engine.up(state, news)[1] == "same"
    state, how = engine.up(state, news | {"mustRun": True})
    assert (how, settings(state.id)["State"]["Running"]) == ("updated", True)
    engine.delete(state)


def test_start_can_come_later(engine, image, settings):
    """A container made with start=false is started in place when the program says so."""
    news = inputs_of(engine, image, start=False)
    state = engine.create(engine.urn("Container"), news)
    assert settings(state.id)["State"]["Status"] == "created"
    engine.refresh(state)
    state, how = engine.up(state, news | {"start": True})
    assert (how, settings(state.id)["State"]["Running"]) == ("updated", True)
    engine.delete(state)


def test_networks_with_alias_and_address(engine, image, settings):
    """A container joins every network it names, with alias and address, and a changed address replaces it."""
    network = engine.create(
        engine.urn("Network"),
        {"name": f"vmlab-{engine.project}", "ipamConfigs": [{"subnet": "198.18.200.0/24"}], "internal": True},
    )
    second = engine.create(
        engine.urn("Network", "second"), {"name": f"vmlab-{engine.project}-2", "internal": True}
    )
    one = {"name": network.outputs["name"], "aliases": ["web"], "ipv4Address": "198.18.200.7"}
    news = inputs_of(engine, image, networksAdvanced=[one, {"name": second.id}])
    state = engine.create(engine.urn("Container"), news)
    joined = settings(state.id)["NetworkSettings"]["Networks"]
    assert joined[network.outputs["name"]]["IPAddress"] == "198.18.200.7"
    assert "web" in joined[network.outputs["name"]]["Aliases"]
    assert set(joined) == {network.outputs["name"], second.outputs["name"]}
    assert [row["networkName"] for row in state.outputs["networkDatas"]] == sorted(joined)
    assert engine.refresh(state)
    state, how = engine.up(state, news | {"networksAdvanced": [one | {"ipv4Address": "198.18.200.8"}]})
    joined = settings(state.id)["NetworkSettings"]["Networks"]
    assert (how, joined[network.outputs["name"]]["IPAddress"]) == ("replaced", "198.18.200.8")
    for each in (state, network, second):
        engine.delete(each)


def test_a_named_volume_is_mounted(engine, image, settings):
    """Volumes and mounts of a Volume resource reach the container, and its data outlives it."""
    volume = engine.create(engine.urn("Volume"), {"name": f"vmlab-{engine.project}"})
    mount = {"type": "volume", "source": volume.id, "target": "/n", "volumeOptions": {"noCopy": True}}
    news = inputs_of(
        engine, image, volumes=[{"volumeName": volume.id, "containerPath": "/m"}], mounts=[mount]
    )
    state = engine.create(engine.urn("Container"), news)
    assert {row["Name"] for row in settings(state.id)["Mounts"]} == {volume.id}
    heir = engine.create(
        engine.urn("Container", "heir"),
        {"image": image, "volumes": [{"fromContainer": state.id}], "start": False},
    )
    assert settings(heir.id)["HostConfig"]["VolumesFrom"] == [state.id]
    for each in (heir, state):
        engine.delete(each)
    assert engine.refresh(volume)
    engine.delete(volume)


@pytest.mark.parametrize("removed", [True, False])
def test_anonymous_volumes_go_when_asked(engine, image, docker, removed):
    """removeVolumes decides whether a container's anonymous volumes go with it; changing it touches nothing."""
    news = inputs_of(engine, image, start=False, volumes=[{"containerPath": "/m"}])
    state = engine.create(engine.urn("Container"), news)
    name = docker.inspect_container(state.id)["Mounts"][0]["Name"]
    state, how = engine.up(state, news | {"removeVolumes": removed, "destroyGraceSeconds": 5})
    assert how == "updated"
    engine.delete(state)
    left = [found["Name"] for found in docker.volumes()["Volumes"] or []]
    assert (name in left) is not removed
    if not removed:
        docker.remove_volume(name)


def test_grace_lets_it_end_by_itself(engine, image, docker):
    """With destroyGraceSeconds a container is asked to stop first, and ends with its own exit code."""
    state = engine.create(engine.urn("Container"), inputs_of(engine, image, destroyGraceSeconds=10))
    started = int(time.time()) - 1
    engine.delete(state)
    filters: dict[str, Any] = {"container": state.id, "event": "die"}
    dead = list(docker.events(since=started, until=int(time.time()) + 1, filters=filters, decode=True))
    assert dead[0]["Actor"]["Attributes"]["exitCode"] == "0"


def test_wait_for_health(engine, image):
    """With wait, create answers when the container is healthy."""
    check = {"tests": ["CMD", "true"], "interval": "100ms", "retries": 1}
    state = engine.create(engine.urn("Container"), inputs_of(engine, image, wait=True, healthcheck=check))
    assert state.id
    engine.delete(state)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ({"healthcheck": {"tests": ["CMD", "false"], "interval": "100ms", "retries": 1}}, "unhealthy"),
        (
            {"healthcheck": {"tests": ["CMD", "true"], "interval": "1m"}, "waitTimeout": 1},
            "did not come within 1 s",
        ),
        ({}, "neither the container nor its image has a healthcheck"),
    ],
)
def test_not_healthy_is_half_made(engine, image, settings, rest, said):
    """A container that does not become healthy exists, is answered as half-made with its log, and is mended by Update."""
    news = inputs_of(engine, image, wait=True, **rest)
    with pytest.raises(HalfMade, match=said) as failed:
        engine.create(engine.urn("Container"), news)
    assert settings(failed.value.id)["State"]["Running"]
    assert "up" in failed.value.reasons[-1]
    assert failed.value.outputs["name"] == news["name"]


def test_a_command_that_cannot_start_is_half_made(engine, image, settings):
    """Docker's own words about a command that does not exist are in the reason; Read and Update tell it again."""
    news = inputs_of(engine, image, command=["/no/such"])
    urn = engine.urn("Container")
    with pytest.raises(HalfMade, match="no such file") as failed:
        engine.create(urn, news)
    id_ = failed.value.id
    assert settings(id_)["State"]["Status"] == "created"
    with pytest.raises(HalfMade, match="never started") as found:
        engine.read(urn, news["name"], news)
    assert found.value.id == id_


def test_a_missing_network_is_half_made(engine, image):
    """A second network that does not exist leaves a container, so it is answered as half-made."""
    network = engine.create(engine.urn("Network"), {"name": f"vmlab-{engine.project}", "internal": True})
    news = inputs_of(engine, image, networksAdvanced=[{"name": network.id}, {"name": "no-such-network"}])
    with pytest.raises(HalfMade, match="no-such-network not found"):
        engine.create(engine.urn("Container"), news)


def test_a_lost_create_is_found_or_made_anew(engine, image, docker):
    """A container whose answer was lost is found by its name, and a second create replaces it instead of failing."""
    news = inputs_of(engine, image)
    urn = engine.urn("Container")
    lost = engine.create(urn, news)
    assert engine.read(urn, news["name"], lost.inputs).id == lost.id
    again = engine.create(urn, news)
    assert again.id != lost.id
    assert [found["Id"] for found in docker.containers(filters={"name": news["name"]})] == [again.id]
    engine.delete(again)


def test_a_foreign_container_is_never_touched(engine, image, docker):
    """A name that another URN's container has is refused, and Read by that name does not find it."""
    news = inputs_of(engine, image, start=False)
    other = engine.create(engine.urn("Container", "other"), news)
    with pytest.raises(grpc.RpcError, match=f"{news['name']} exists and is not ours"):
        engine.create(engine.urn("Container"), news)
    assert engine.read(engine.urn("Container"), news["name"], other.inputs).id == ""
    assert docker.inspect_container(other.id)
    engine.delete(other)


def test_gone_is_gone(engine, image, docker):
    """A container removed by somebody is gone for Read, and deleting it is a success."""
    state = engine.create(engine.urn("Container"), inputs_of(engine, image))
    docker.remove_container(state.id, force=True)
    assert engine.read(state.urn, state.id, state.inputs, state.outputs).id == ""
    engine.delete(state)


def test_it_may_remove_itself(engine, image):
    """With rm a container that ran to its end is gone, and nothing failed."""
    news = inputs_of(engine, image, rm=True, mustRun=False, command=["true"])
    state = engine.create(engine.urn("Container"), news)
    assert state.outputs["name"] == news["name"]
    engine.delete(state)


def test_secrets_stay_secret(engine, image, settings):
    """A secret in the environment reaches the container, is secret in the outputs, and is masked in a failure."""
    news = inputs_of(engine, image, envs=[Secret("TOKEN=hunter2-hunter2")])
    state = engine.create(engine.urn("Container"), news)
    assert settings(state.id)["Config"]["Env"][0] == "TOKEN=hunter2-hunter2"
    assert state.outputs["envs"] == Secret(["TOKEN=hunter2-hunter2"])
    answer = engine.read(state.urn, state.id, state.inputs, state.outputs)
    assert isinstance(from_struct(answer.properties)["envs"], Secret)
    assert from_struct(answer.inputs)["envs"] == [Secret("TOKEN=hunter2-hunter2")]
    assert engine.up(state, news)[1] == "same"
    leaky = news | {"command": ["sh", "-c", "echo $TOKEN; sleep 60"], "wait": True}
    with pytest.raises(HalfMade) as failed:
        engine.up(state, leaky)
    assert "hunter2" not in str(failed.value)


def test_cancel_interrupts_a_wait(engine, image, stub):
    """Cancel ends a wait for health within two seconds, and the container is answered as half-made."""
    check = {"tests": ["CMD", "true"], "interval": "1m"}
    outcome: list[Any] = []

    def create() -> None:
        try:
            engine.create(engine.urn("Container"), inputs_of(engine, image, wait=True, healthcheck=check))
        except HalfMade as error:
            outcome.append((error, time.monotonic()))

    thread = threading.Thread(target=create)
    thread.start()
    thread.join(1.0)
    cancelled = time.monotonic()
    stub.Cancel(empty_pb2.Empty())
    thread.join(10)
    assert "cancelled" in str(outcome[0][0])
    assert outcome[0][1] - cancelled < 2


def test_cancel_interrupts_a_stop(engine, image, stub):
    """Cancel ends a long grace period within two seconds."""
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    state = engine.create(
        engine.urn("Container"), inputs_of(engine, image, command=stubborn, destroyGraceSeconds=30)
    )
    timer = threading.Timer(0.5, lambda: stub.Cancel(empty_pb2.Empty()))
    timer.start()
    began = time.monotonic()
    with pytest.raises(grpc.RpcError, match="cancelled"):
        engine.delete(state)
    assert time.monotonic() - began < 2.5
    timer.join()


def test_preview_makes_nothing(engine, image, stub, docker):
    """A preview's create answers with unknowns and leaves Docker alone."""
    before = len(docker.containers(all=True))
    inputs = engine.checked(engine.urn("Container"), inputs_of(engine, image, ports=[{"internal": 80}]))
    request = provider_pb2.CreateRequest(
        urn=engine.urn("Container"), properties=to_struct(inputs), preview=True
    )
    outputs = from_struct(stub.Create(request).properties)
    assert outputs["networkDatas"] is UNKNOWN
    assert outputs["ports"] is UNKNOWN
    assert len(docker.containers(all=True)) == before
