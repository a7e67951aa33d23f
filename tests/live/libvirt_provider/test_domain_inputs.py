"""Every input of a domain: made, changed, applied as Diff says, read back from the live XML of the running guest."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from clients.libvirt import connection, domains
from providers.libvirt.domain import IN_PLACE, INPUTS
from tests.live.libvirt_provider import guest
from tests.live.libvirt_provider.world import MIB, World

pytestmark = pytest.mark.live


class Case(NamedTuple):
    """One input: its value before and after, and where the XML shows both."""

    key: str
    first: Any
    second: Any
    where: str  # a path, with @attribute at its end for an attribute
    shown_first: str | None
    shown_second: str | None
    others: dict[str, Any] = {}  # inputs that it needs beside it  # noqa: RUF012


CASES = [
    Case("cpus", 0.5, 1.0, "cputune/quota", "50000", "-1"),
    Case("cpus", 1.0, 1 / 3, "cputune/quota", None, "33333"),
    Case("vcpus", 1, 2, "vcpu@current", "1", "2", {"max_vcpus": 3, "cpus": 1}),
    Case("max_vcpus", 2, 3, "vcpu", "2", "3"),
    Case("max_memory_bytes", 96 * MIB, 112 * MIB, "memory", str(96 * 1024), str(112 * 1024)),
    Case(
        "uuid", "", "0a0b0c0d-0000-4000-8000-00000000f00d", "uuid", "", "0a0b0c0d-0000-4000-8000-00000000f00d"
    ),
    Case("balloon", False, True, "devices/memballoon@model", "none", "virtio"),
    Case("cpu_model", "max", "qemu64", "cpu@mode", "maximum", "custom"),
    Case("machine", "pc", "q35", "os/type@machine", "pc-i440fx-", "pc-q35-"),
    Case("cmdline", "quiet a=<&>\"'", "quiet", "os/cmdline", "quiet a=<&>\"'", "quiet"),
    Case("console", "{console}", "{console}2", "devices/serial/source@path", "{console}", "{console}2"),
    Case("disks", [{"path": "{disk}"}], [], "devices/disk/source@file", "{disk}", None),
    Case(
        "disks",
        [{"path": "{disk}", "read_only": True}],
        [{"path": "{overlay}", "format": "qcow2", "backing": "{disk}", "cache": "unsafe", "target": "vdb"}],
        "devices/disk/backingStore/source@file",
        None,
        "{disk}",
    ),
    Case(
        "interfaces",
        [{"network": "{net}", "mac": "52:54:00:00:00:0a"}],
        [{"network": "{net}", "mac": "52:54:00:00:00:0B"}],
        "devices/interface/mac@address",
        "52:54:00:00:00:0a",
        "52:54:00:00:00:0b",
    ),
]
# No XML shows these, or another test changes them: its own name below.
ELSEWHERE = {
    "name", "memory_bytes", "autostart", "running", "ready", "stop_seconds", "kernel", "initrd", "accelerator", "stack",
}  # fmt: skip


def filled(world: World, value: Any) -> Any:
    """The value with this world's names in it."""
    if isinstance(value, dict):
        return {key: filled(world, one) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(world, one) for one in value]
    if not isinstance(value, str) or value.startswith("metadata/"):
        return value
    pool = world.pool()[1]["path"]
    names = {"console": str(world.console), "label": world.label, "net": world.name("net")}
    for word, text in {
        **names,
        "disk": f"{pool}/{world.name('disk')}",
        "overlay": f"{pool}/{world.name('over')}",
    }.items():
        value = value.replace("{" + word + "}", text)
    return value


def shown(world: World, where: str) -> str | None:
    """What the live XML has there; None when it has nothing."""
    path, _, attribute = where.rpartition("@") if "@" in where else (where, "", "")
    found = world.xml().find(path)
    return None if found is None else found.get(attribute) if attribute else found.text


def test_every_input_is_in_a_case() -> None:
    """No input is left untested."""
    assert {case.key for case in CASES} | ELSEWHERE == set(INPUTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.key}-{case.second}"[:40])
def test_input(world: World, case: Case) -> None:
    """A changed input shows in the live XML, in place or by a new guest as Diff says; a second up changes nothing."""
    others = {"pool": world.pool(), "disk": world.volume(capacity_bytes=MIB), "net": world.network()}
    path = f"{world.pool()[1]['path']}/{world.name('disk')}"
    over = world.volume("over", format="qcow2", backing=path)
    modules = guest.BALLOON if case.key == "max_memory_bytes" else ()
    vm = world.domain(*modules, **filled(world, {**case.others, case.key: case.first}))
    world.ask(**others, over=over, vm=vm)
    world.up()
    assert_shown(world, case, case.shown_first)
    before = domains.find(world.name("vm"))
    assert before is not None

    world.change("vm", **{case.key: filled(world, case.second)})
    changes = world.up()

    assert changes.get("update" if case.key in IN_PLACE else "replace") == 1, changes
    assert_shown(world, case, case.shown_second)
    after = domains.find(world.name("vm"))
    assert after is not None
    assert after.running
    assert (after.pid == before.pid) == (case.key in IN_PLACE)
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def assert_shown(world: World, case: Case, expected: str | None) -> None:
    found = shown(world, case.where)
    if case.key == "uuid" and not expected:
        assert found
    elif case.key == "machine":
        assert found is not None
        assert found.startswith(str(expected))
    else:
        assert found == filled(world, expected)


def test_memory_of_a_living_guest(world: World) -> None:
    """A guest with a balloon driver gives memory back and takes it again without a restart."""
    world.ask(vm=world.domain(*guest.BALLOON, memory_bytes=96 * MIB, max_memory_bytes=128 * MIB))
    world.up()
    before = domains.find(world.name("vm"))
    for mib in (112, 80):
        world.change("vm", memory_bytes=mib * MIB)
        assert world.up().get("update") == 1
        assert world.xml().findtext("currentMemory") == str(mib * 1024)
    after = domains.find(world.name("vm"))
    assert before is not None
    assert after is not None
    assert after.pid == before.pid
    world.engine("destroy", "--skip-preview").good()


def test_memory_of_a_guest_without_a_balloon_driver(world: World) -> None:
    """A guest that keeps its memory is not said to have given it back: up fails, names the module, and says what it uses."""
    world.more["VMLAB_TIMEOUT"] = "4"
    world.ask(vm=world.domain(memory_bytes=128 * MIB, max_memory_bytes=128 * MIB))
    world.up()

    world.change("vm", memory_bytes=96 * MIB)
    failed = world.engine("up", "--skip-preview")

    assert failed.code == 1
    assert "virtio_balloon" in failed.err + failed.out
    world.engine("refresh").good()
    outputs = world.outputs("vm")
    assert outputs is not None
    assert outputs["memory_bytes"] == int(world.xml().findtext("currentMemory") or 0) * 1024
    world.engine("destroy", "--skip-preview").good()


def test_processor_that_the_guest_does_not_let_go(world: World) -> None:
    """Where a living guest cannot be made smaller it is started again, with the size that was asked for."""
    world.ask(vm=world.domain(vcpus=2, max_vcpus=2, cpus=1))
    world.up()
    world.change("vm", vcpus=1)

    assert world.up().get("update") == 1

    assert shown(world, "vcpu@current") == "1"
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_power_and_autostart(world: World) -> None:
    """A guest can be asked for shut off, changed so, and started later; autostart is what libvirt says."""
    world.ask(vm=world.domain(running=False, max_memory_bytes=128 * MIB, max_vcpus=2))
    world.up()
    handle = connection.open().lookupByName(world.name("vm"))
    assert not handle.isActive()

    world.change("vm", memory_bytes=112 * MIB, vcpus=2, cpus=2, autostart=True)
    assert world.up().get("update") == 1
    assert world.xml().findtext("currentMemory") == str(112 * 1024)
    assert handle.autostart() == 1
    assert not handle.isActive()

    world.change("vm", memory_bytes=128 * MIB, running=True, stop_seconds=0.5)
    assert world.up().get("update") == 1
    assert handle.isActive()
    world.change("vm", running=False, memory_bytes=128 * MIB, autostart=False)
    assert world.up().get("update") == 1
    assert not handle.isActive()
    assert handle.autostart() == 0
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_accelerator_of_a_guest_that_is_shut_off(world: World) -> None:
    """Another accelerator is another guest, of libvirt's type for it and with its best processor."""
    if "<domain type='kvm'/>" not in connection.open().getCapabilities():
        pytest.skip("this libvirt lets nobody define a guest for KVM")
    world.ask(vm=world.domain(running=False))
    world.up()
    before = world.xml()
    assert (before.get("type"), shown(world, "cpu@mode")) == ("qemu", "maximum")

    world.change("vm", accelerator="kvm")
    assert world.up().get("replace") == 1

    assert (world.xml().get("type"), shown(world, "cpu@mode")) == ("kvm", "host-passthrough")
    assert world.xml().findtext("uuid") != before.findtext("uuid")
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_stack_of_a_guest(world: World) -> None:
    """Another stack's name on the same guest is refused, and the guest stays; under another name it is that stack's."""
    world.ask(vm=world.domain(running=False))
    world.up()
    world.change("vm", stack=f"{world.label}/b")

    failed = world.engine("up", "--skip-preview")

    assert failed.code == 2
    assert f"belongs to the stack {world.label}" in failed.err + failed.out
    stays = domains.find(world.name("vm"))
    assert stays is not None
    assert stays.spec.stack == world.label
    world.change("vm", name=world.name("other"))
    assert world.up().get("replace") == 1
    assert domains.find(world.name("vm")) is None
    other = domains.find(world.name("other"))
    assert other is not None
    assert other.spec.stack == f"{world.label}/b"
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_kernel_name_and_initramfs(world: World) -> None:
    """Another kernel file, initramfs or name is another guest."""
    world.ask(vm=world.domain())
    world.up()
    copy = world.files / "kernel"
    copy.write_bytes(guest.kernel().read_bytes())
    for key, value, where in (
        ("kernel", str(copy), "os/kernel"),
        ("initrd", world.domain(*guest.POWER)[1]["initrd"], "os/initrd"),
    ):
        world.change("vm", **{key: value})
        assert world.up().get("replace") == 1
        assert world.xml().findtext(where) == value
    world.change("vm", name=world.name("other"))
    assert world.up().get("replace") == 1
    assert domains.find(world.name("vm")) is None
    assert domains.find(world.name("other")) is not None
    world.engine("destroy", "--skip-preview").good()
