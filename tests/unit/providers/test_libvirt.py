"""What differs, and what that means: the providers' Diff, without a libvirtd."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.output import Unknown

from clients.libvirt import content, domains
from providers.libvirt import DomainProvider, NetworkProvider, PoolProvider, VolumeProvider

MIB = 1024**2
UNKNOWN = Unknown()  # type: ignore[no-untyped-call]
GUEST: dict[str, Any] = {
    "name": "vm", "stack": "vmlab/vm", "memory_bytes": 256 * 1024.0**2, "cpus": 0.3, "ready": {"url": "http://a/"},
    "disks": [{"path": "/a", "format": "qcow2", "backing": "/b"}, {"path": "/c"}], "kernel": "/k",
    "interfaces": [{"network": "n", "mac": "52:54:00:00:00:0A"}],
}  # fmt: skip
DISK: dict[str, Any] = {"name": "disk", "pool": "p", "files": {"a": "1", "b": "2"}}


def made(**more: Any) -> dict[str, Any]:
    """The outputs of a guest that runs as it was asked for."""
    filled = DomainProvider().filled({**GUEST, **more})
    return DomainProvider().outputs(filled, domains.Found(DomainProvider().spec(filled), running=True))


def disk(**more: Any) -> dict[str, Any]:
    """The outputs of a volume that holds what it was asked to."""
    sha256 = content.fingerprint(content.archive(DISK["files"]))
    own = {
        "name": "disk",
        "pool": "p",
        "capacity_bytes": 10240,
        "format": "raw",
        "backing": "",
        "backing_format": "",
    }
    return {**own, "mode": "0600", "copy_of": "", "path": "/p/disk", "blank": False, "sha256": sha256, **more}


def test_same_guest_is_no_change() -> None:
    """What goes without saying, floats for whole numbers and a MAC in capitals are no difference."""
    assert DomainProvider().diff("vm", made(), GUEST).changes is False
    assert DomainProvider().diff("vm", made(), {**GUEST, "vcpus": 1.0, "max_vcpus": 1.0}).changes is False


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({"cpus": 0.4}, []), ({"autostart": True}, []), ({"running": False}, []), ({"stop_seconds": 1}, []),
        ({"memory_bytes": 128 * 1024**2, "max_memory_bytes": 256 * 1024**2}, []),
        ({"memory_bytes": 512 * 1024**2}, ["max_memory_bytes"]), ({"vcpus": 2}, ["max_vcpus"]),
        ({"kernel": "/other"}, ["kernel"]), ({"kernel": UNKNOWN}, ["kernel"]), ({"balloon": True}, ["balloon"]),
        ({"disks": [{"path": UNKNOWN}]}, ["disks"]), ({"interfaces": []}, ["interfaces"]), ({"name": "b"}, ["name"]),
    ],
)  # fmt: skip
def test_what_a_change_does(change: dict[str, Any], replaces: list[str]) -> None:
    """Size within the maximum, quota, power and autostart are updates; the rest is another guest, the old one first gone."""
    found = DomainProvider().diff("vm", made(), {**GUEST, **change})
    assert found.changes is True
    assert found.replaces == replaces
    assert found.delete_before_replace is True


@pytest.mark.parametrize("key", ["memory_bytes", "max_memory_bytes"])
@pytest.mark.parametrize("given", [256 * MIB + 1024, 257 * MIB - 1, 260e6])
def test_memory_is_whole_mebibytes(key: str, given: float) -> None:
    """What libvirt would round, and then read back otherwise for ever, is refused in one line that says so."""
    failures = DomainProvider().check({}, {**GUEST, key: given}).failures
    assert [failure.property for failure in failures] == [key]
    assert f"it must be whole MiB (1048576 bytes), because libvirt rounds to them; not {given:.0f}" == (
        failures[0].reason
    )


def test_waiting_is_no_property_of_a_guest() -> None:
    """How long a create waits changes nothing; a guest that was never waited for is, and so is one that was shut off."""
    assert DomainProvider().diff("vm", made(), {**GUEST, "ready": {"url": "http://b/"}}).changes is False
    found = DomainProvider().diff("vm", {**made(), "answered": False}, GUEST)
    assert (found.changes, found.replaces) == (True, [])
    assert DomainProvider().diff("vm", {**made(), "running": False}, GUEST).changes is True


def test_files_show_by_their_fingerprint() -> None:
    """The same files in another order are no change; other files, an unfinished disk and an unknown secret are another disk."""
    diff = VolumeProvider().diff
    assert diff("disk", disk(), {**DISK, "files": {"b": "2", "a": "1"}}).changes is False
    for olds, files in ((disk(), {"a": "1"}), (disk(sha256="0"), DISK["files"]), (disk(), {"a": UNKNOWN})):
        assert diff("disk", olds, {**DISK, "files": files}).replaces == ["files"]
    assert diff("disk", disk(), {**DISK, "files": None, "capacity_bytes": 10240}).replaces == ["files"]


def test_disks_grow_and_do_not_shrink() -> None:
    """More capacity is an update, less is another disk; an archive's disk is always made anew."""
    plain = {"name": "disk", "pool": "p", "capacity_bytes": 2048}
    olds = disk(sha256="", capacity_bytes=1024)
    assert VolumeProvider().diff("disk", olds, plain).replaces == []
    assert VolumeProvider().diff("disk", olds, plain).changes is True
    assert VolumeProvider().diff("disk", olds, {**plain, "capacity_bytes": 512}).replaces == [
        "capacity_bytes"
    ]
    assert VolumeProvider().diff("disk", disk(), {**DISK, "capacity_bytes": 20480}).changes is True


def test_template_that_was_never_finished() -> None:
    """A copy that begins with zeros is made again."""
    olds = disk(sha256="", copy_of="/t", blank=True)
    assert VolumeProvider().diff("disk", olds, {"name": "disk", "pool": "p", "copy_of": "/t"}).replaces == [
        "copy_of"
    ]
    assert (
        VolumeProvider()
        .diff("disk", {**olds, "blank": False}, {"name": "disk", "pool": "p", "copy_of": "/t"})
        .changes
        is False
    )


def test_stopped_things_are_started() -> None:
    """A network or pool that does not run is an update."""
    network = {"name": "n", "stack": "s", "address": "198.18.1.1/26", "bridge": "b"}
    olds = {**network, "isolated": True, "dns": False, "dhcp": [], "autostart": False, "running": True}
    assert NetworkProvider().diff("n", olds, network).changes is False
    found = NetworkProvider().diff("n", {**olds, "running": False}, network)
    assert (found.changes, found.replaces) == (True, [])
    pool = {"name": "p", "path": "/p"}
    whole = {**pool, "mode": "0711", "autostart": False, "running": True}
    assert PoolProvider().diff("p", whole, pool).changes is False
    assert PoolProvider().diff("p", {**whole, "running": False}, pool).changes is True
    assert PoolProvider().diff("p", whole, {**pool, "path": "/q"}).replaces == ["path"]


def test_read_and_made_by_one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh of an unchanged guest gives its state; one that never answered, or has another owner, is not taken for it."""
    state = made()
    there = domains.Found(DomainProvider().spec(DomainProvider().filled(GUEST)), running=True)
    monkeypatch.setattr(domains, "find", lambda _: there)
    read = DomainProvider().read
    assert read("vm", state).outs == state
    for other in ({**state, "answered": False}, {key: state[key] for key in ("name", "stack")}):
        assert (read("vm", other).outs or {})["answered"] is False
    assert read("vm", {**state, "stack": "other"}).id == ""
