"""Check and Diff of the docker provider: what is accepted, what is refused by name, what a change means."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pulumi_docker
import pytest
from pulumi_docker import _inputs

from engine.providers.docker import container, difference, image, network, ownership, remote_image, volume
from engine.providers.docker.forms import Applied, Form, Many, Record, faults_of
from engine.values import UNKNOWN

KINDS: dict[str, Any] = {
    "Container": container,
    "Network": network,
    "Volume": volume,
    "Image": image,
    "RemoteImage": remote_image,
}
URN = "urn:pulumi:dev::lab::docker:index/container:Container::web"
NESTED = {  # our nested tables and the classes that declare them
    "ContainerPortArgs": (container.INPUTS, "ports"),
    "ContainerMountArgs": (container.INPUTS, "mounts"),
    "ContainerVolumeArgs": (container.INPUTS, "volumes"),
    "ContainerNetworksAdvancedArgs": (container.INPUTS, "networksAdvanced"),
    "ContainerHealthcheckArgs": (container.INPUTS, "healthcheck"),
    "ContainerUlimitArgs": (container.INPUTS, "ulimits"),
    "ContainerDeviceArgs": (container.INPUTS, "devices"),
    "ContainerHostArgs": (container.INPUTS, "hosts"),
    "ContainerCapabilitiesArgs": (container.INPUTS, "capabilities"),
    "ContainerLabelArgs": (container.INPUTS, "labels"),
    "NetworkIpamConfigArgs": (network.INPUTS, "ipamConfigs"),
    "DockerBuildArgs": (image.INPUTS, "build"),
    "RegistryArgs": (image.INPUTS, "registry"),
}


def declared(cls: type) -> list[str]:
    """The wire names of an Args class of pulumi_docker."""
    names = []
    for name, found in inspect.getmembers(cls, lambda member: isinstance(member, property)):
        names.append(getattr(found.fget, "_pulumi_name", name))
    return names


@pytest.mark.parametrize("kind", KINDS)
def test_each_declared_input_is_implemented_or_refused_by_name(kind):
    """No input that pulumi_docker declares is silently ignored, and none is invented."""
    names = declared(getattr(pulumi_docker, f"{kind}Args"))
    table = KINDS[kind].INPUTS
    assert len(names) >= 5
    assert set(table) <= set(names)
    for name in set(names) - set(table):
        faults = [fault for fault in faults_of(table, {name: "x"}) if fault.path == name]
        assert [f"{name} is not implemented by the embedded engine's docker provider; implemented are: "] == [
            fault.reason[: fault.reason.index("are: ") + 5] for fault in faults
        ]


@pytest.mark.parametrize("name", NESTED)
def test_each_nested_input_is_implemented_or_refused_by_name(name):
    """The same inside of ports, mounts and the like."""
    table, key = NESTED[name]
    form: Form = table[key].form
    record = form.of if isinstance(form, Many) else form
    assert isinstance(record, Record)
    names = declared(getattr(_inputs, name))
    assert set(record.keys) <= set(names)
    for each in set(names) - set(record.keys):
        faults = list(record.faults({each: "x"}, key))
        assert any(f"{key}.{each} is not implemented" in fault.reason for fault in faults)


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        ({"memory": "64"}, "memory", "must be a whole number"),
        ({"memory": True}, "memory", "must be a whole number"),
        ({"memory": -1}, "memory", "must be in 0 and above"),
        ({"ports": [{"internal": 70000}]}, "ports[0].internal", "must be in 1 to 65535"),
        ({"ports": [{"external": 80}]}, "ports[0].internal", "is required"),
        ({"ports": [{"internal": 80, "speed": 1}]}, "ports[0].speed", "is not implemented"),
        ({"ports": {"internal": 80}}, "ports", "must be a list"),
        ({"name": "a/b"}, "name", "letters, digits"),
        ({"name": "-a"}, "name", "letters, digits"),
        ({"restart": "sometimes"}, "restart", "must be one of"),
        ({"cpus": "much"}, "cpus", "a number such as"),
        ({"cpuSet": "0,"}, "cpuSet", "CPUs such as"),
        ({"healthcheck": {"tests": ["NONE"], "interval": "soon"}}, "healthcheck.interval", "a duration"),
        ({"tmpfs": {"/t": 1}}, 'tmpfs["/t"]', "must be a string"),
        ({"mounts": [{"target": "t", "type": "tmpfs"}]}, "mounts[0].target", "an absolute path"),
        ({"readOnly": "yes"}, "readOnly", "must be true or false"),
        ({"image": None}, "image", "is required"),
        ({"nonsense": 1}, "nonsense", "is not implemented"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(inputs, path, reason):
    """Types, bounds, patterns and unknown keys are named where they are."""
    faults = faults_of(container.INPUTS, {"image": "i", **inputs})
    assert [(fault.path, reason in fault.reason) for fault in faults] == [(path, True)]


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"maxRetryCount": 3}, "maxRetryCount"),
        ({"rm": True, "restart": "always"}, "rm"),
        ({"networkMode": "host", "networksAdvanced": [{"name": "n"}]}, "networkMode"),
        ({"volumes": [{"readOnly": True}]}, "volumes[0].containerPath"),
        ({"mounts": [{"type": "bind", "target": "/m"}]}, "mounts[0].source"),
    ],
)
def test_what_does_not_go_together_is_refused(inputs, path):
    """Docker would refuse these after other resources exist."""
    assert [fault.path for fault in container.check(inputs, Path())[1]] == [path]


@pytest.mark.parametrize(
    "inputs", [{"maxRetryCount": 3, "restart": UNKNOWN}, {"mounts": UNKNOWN}, {"memory": UNKNOWN}]
)
def test_an_unknown_is_not_judged(inputs):
    """A preview's unknown passes every check."""
    assert not faults_of(container.INPUTS, {"image": UNKNOWN, **inputs})
    assert not container.check(inputs, Path())[1]


@pytest.mark.parametrize(
    ("olds", "news", "replaces", "updates"),
    [
        ({"memory": 1}, {"memory": 2}, [], ["memory"]),
        ({"memory": 1}, {}, ["memory"], []),
        ({}, {"memory": 1}, [], ["memory"]),
        ({"cpuQuota": 5}, {"cpus": "1"}, ["cpuQuota", "cpus"], []),
        ({"restart": "always"}, {}, [], ["restart"]),
        ({}, {"restart": "no", "mustRun": True, "rm": False, "start": True}, [], []),
        ({"healthcheck": {"tests": ["a"]}}, {"healthcheck": {"tests": ["b"]}}, ["healthcheck"], []),
        ({"init": False}, {"init": True}, ["init"], []),
        ({"tmpfs": {"/a": ""}}, {"tmpfs": {"/b": ""}}, ["tmpfs"], []),
        ({"destroyGraceSeconds": 1}, {"destroyGraceSeconds": 2}, [], ["destroyGraceSeconds"]),
        ({"envs": ["A=1", "B=2"]}, {"envs": ["B=2", "A=1"]}, [], []),
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}, ["command"], []),
        ({"envs": []}, {}, [], []),
        ({"image": "a"}, {"image": UNKNOWN}, ["image"], []),
        ({"ports": [{"internal": 80, "__defaults": []}]}, {"ports": [{"internal": 80}]}, [], []),
    ],
)
def test_a_change_is_applied_as_the_table_says(olds, news, replaces, updates):
    """In place where Docker can, by replacement where it cannot, not at all where nothing changed."""
    answer = difference.answer(container.KIND, olds, news, {})
    assert sorted(answer.replaces) == sorted(replaces)
    assert sorted(set(answer.diffs) - set(answer.replaces)) == sorted(updates)
    assert answer.deleteBeforeReplace is bool(replaces)
    assert set(answer.detailedDiff) == set(answer.diffs)


def test_a_stopped_container_is_a_difference_only_when_it_must_run():
    """What Read put into the outputs starts a container again, unless the program says otherwise."""
    assert list(difference.answer(container.KIND, {}, {}, {"mustRun": False}).diffs) == ["mustRun"]
    assert not difference.answer(container.KIND, {"start": False}, {"start": False}, {"mustRun": False}).diffs
    assert not difference.answer(
        container.KIND, {"mustRun": False}, {"mustRun": False}, {"mustRun": False}
    ).diffs


def test_every_network_and_volume_change_replaces():
    """Docker can change neither; a volume of another name need not wait for the old one's end."""
    assert {row.applied for kind in (network, volume) for row in kind.INPUTS.values()} == {Applied.REPLACE}
    assert volume.KIND.deletes_first({"name": "a"}, {"name": "a"})
    assert not volume.KIND.deletes_first({"name": "a"}, {"name": "b"})


def test_credentials_are_no_reason_to_build():
    """Only another registry server is; a new password is remembered."""
    olds = {"registry": {"server": "a", "password": "x"}}
    assert image.how("registry", olds, {"registry": {"server": "a", "password": "y"}}) is Applied.STORED
    assert image.how("registry", olds, {"registry": {"server": "b", "password": "x"}}) is Applied.UPDATE


def test_names_come_from_urn_and_seed():
    """The same seed gives the same name, in letters that Docker allows."""
    urn = "urn:pulumi:dev::lab::docker:index/container:Container::my web/1"
    assert ownership.automatic_name(urn, bytes.fromhex("a1b2c3d4e5")) == "my-web-1-a1b2c3d"
    assert ownership.automatic_name(urn, b"") == ownership.automatic_name(urn, b"")


def test_labels_name_stack_and_resource():
    """The URN's hash cannot be overridden by the program, the stack's label can."""
    labels = ownership.labels_of(
        URN, [{"label": ownership.URN_LABEL, "value": "x"}, {"label": ownership.STACK_LABEL, "value": "mine"}]
    )
    assert labels == {ownership.STACK_LABEL: "mine", ownership.URN_LABEL: ownership.urn_hash(URN)}
    assert ownership.labels_of(URN)[ownership.STACK_LABEL] == "lab/dev"
    assert ownership.is_ours(labels, URN)
    assert not ownership.is_ours(labels, URN + "x")
    assert not ownership.is_ours(None, URN)
