"""`host up libvirt` with real daemons in the sandbox: guests come and go, daemons are killed, and nothing is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.libvirt import binding
from tests.conftest import repetitions
from tests.live.host.census import GUEST
from tests.live.host.conftest import ROOT, Done, Sandbox

pytestmark = pytest.mark.live

# libvirt's own folders, each as a private copy. Definitions and state of the outside's guests are not of this machine.
FOLDERS = ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")
PRIVATE = """
set -e
for folder in "$@"; do
  copy=$(mktemp -d --tmpdir=/run)
  cp -a "$folder/." "$copy/"
  mount -t tmpfs -o mode=0755 tmpfs "$folder"
  cp -a "$copy/." "$folder/"
  rm -r "$copy"
done
find /etc/libvirt/qemu -name '*.xml' ! -name default.xml -delete
find /etc/libvirt -path '*/autostart/*' -delete
rm -rf /etc/libvirt/storage /var/lib/libvirt/dnsmasq
find /var/lib/libvirt/qemu -mindepth 1 -delete
"""
NETWORK = """
<network>
  <name>vmlab-sandbox-net</name>
  <bridge name='vmlabsb0'/>
  <dns enable='no'/>
  <ip address='198.18.1.193' netmask='255.255.255.192'/>
</network>
"""
FORWARDING = """
<network>
  <name>vmlab-sandbox-nat</name>
  <bridge name='vmlabsb1'/>
  <forward mode='nat'/>
  <ip address='198.18.1.129' netmask='255.255.255.192'><dhcp><range start='198.18.1.140' end='198.18.1.150'/></dhcp></ip>
</network>
"""
DOMAIN = f"""
<domain type='qemu'>
  <name>{GUEST}-guest</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <interface type='network'><source network='vmlab-sandbox-net'/><model type='virtio'/></interface>
    <serial type='file'><source path='/var/log/libvirt/qemu/{GUEST}-console.log'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""
Lines = Callable[[Sandbox], None]


@pytest.fixture
def machine(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with a libvirt of its own; skipped where it is not installed, but not in CI."""
    absent = [name for name in ("libvirtd", "virsh", "qemu-system-x86_64") if not _found(name)]
    if absent:
        (pytest.fail if _in_ci() else pytest.skip)(
            f"not installed: {', '.join(absent)}; vmlab host up libvirt"
        )
    done = sandbox.run("sh", "-c", PRIVATE, "private", *FOLDERS)
    assert done.code == 0, done.said
    yield sandbox
    sandbox.run("pkill", "-KILL", "-x", "qemu-system-x86")  # of a test that failed
    _remove_groups()


@pytest.fixture
def guest(tmp_path: Path) -> Lines:
    """Starts a guest without a disk on an isolated network: its firmware finds nothing to boot and waits."""
    (tmp_path / "network.xml").write_text(NETWORK)
    (tmp_path / "domain.xml").write_text(DOMAIN)

    def start(machine: Sandbox) -> None:
        virsh(machine, "net-create", str(tmp_path / "network.xml"))
        virsh(machine, "create", str(tmp_path / "domain.xml"))

    return start


def test_up_twice_a_guest_and_down(machine: Sandbox, guest: Lines) -> None:
    """What `up` starts runs a guest as libvirt-qemu; when it is gone, `down` leaves the machine as it was."""
    before = machine.census()

    first = machine.host("up", "libvirt")
    during = machine.census()
    second = machine.host("up", "libvirt")
    guest(machine)
    users = machine.run("ps", "-o", "user:20=", "-C", "qemu-system-x86").out.split()
    virsh(machine, "destroy", f"{GUEST}-guest")
    virsh(machine, "net-destroy", "vmlab-sandbox-net")
    down = machine.host("down", "libvirt")

    assert state(first) == ("running", True)
    assert {"libvirtd", "virtlogd"} <= set(during["processes"])
    assert "already running" in second.said
    assert users == ["libvirt-qemu"]
    assert "firewall changes" in down.said
    assert state(down) == ("stopped", False)
    assert machine.census() == before


def test_up_and_down_time_after_time(machine: Sandbox) -> None:
    """Going up and down again adds nothing, file by file."""
    before = machine.census()
    for _ in range(repetitions(full=5, sample=2)):
        assert state(machine.host("up", "libvirt")) == ("running", True)
        assert state(machine.host("down", "libvirt")) == ("stopped", False)
        assert machine.census() == before


def test_only_root_may_connect(machine: Sandbox) -> None:
    """The sockets are root's alone, nobody listens on TCP, and the user's network `default` stays inactive."""
    machine.host("up", "libvirt")

    modes = machine.run("sh", "-c", "stat -c '%U %a' /run/libvirt/*-sock*").out.splitlines()
    stranger = machine.run(
        "setpriv", "--reuid=65534", "--clear-groups", "virsh", "-c", "qemu:///system", "list"
    )
    listening = machine.run("sh", "-c", "tail -n +2 -q /proc/net/tcp /proc/net/tcp6").out
    networks = virsh(machine, "net-list", "--all").out

    assert len(modes) == 5
    assert set(modes) == {"root 700"}
    assert stranger.code != 0
    assert "Permission denied" in stranger.said
    assert listening == ""
    assert networks.split() in ([], ["default", "inactive", "no", "yes"])


@pytest.mark.parametrize("killed", [("libvirtd",), ("virtlogd",), ("libvirtd", "virtlogd")], ids="+".join)
def test_killed_daemons_are_told_and_mended(machine: Sandbox, guest: Lines, killed: tuple[str, ...]) -> None:
    """After kill -9 `status` tells, `up` clears what is stale, says so and finds the guest that went on running."""
    before = machine.census()
    machine.host("up", "libvirt")
    guest(machine)

    for name in killed:
        kill(machine, name)
    told = machine.host("status", "libvirt")
    mended = machine.host("up", "libvirt")
    running = virsh(machine, "list", "--name").out.split()
    down = machine.host("down", "libvirt", force=True)

    assert state(told) == ("stopped", True)
    assert killed[0] in told.json["libvirt"]["detail"]
    for name in killed:
        assert f"removed the stale /run/{name}.pid" in mended.said
    assert state(mended) == ("running", True)
    assert running == [f"{GUEST}-guest"]
    assert state(down) == ("stopped", False)
    assert machine.census() == before


def test_a_running_guest_keeps_libvirt_up(machine: Sandbox, guest: Lines) -> None:
    """`down` names the domain and stops nothing; with force it ends domain and network, and leaves no trace of them."""
    before = machine.census()
    machine.host("up", "libvirt")
    guest(machine)

    refused = machine.host("down", "libvirt")
    still = machine.host("status", "libvirt")
    forced = machine.host("down", "libvirt", force=True)

    assert refused.code == 1
    assert f"domains still run: {GUEST}-guest" in refused.said
    assert state(still) == ("running", True)
    assert state(forced) == ("stopped", False)
    assert machine.census() == before


@pytest.mark.parametrize("qemu_too", [False, True], ids=["libvirtd", "libvirtd+qemu"])
def test_a_guest_that_outlived_its_libvirtd(machine: Sandbox, guest: Lines, qemu_too: bool) -> None:
    """`down` after kill -9: a guest that lives is refused without force, and in the end nothing is left."""
    before = machine.census()
    machine.host("up", "libvirt")
    guest(machine)
    kill(machine, "libvirtd")
    if qemu_too:
        kill(machine, "qemu-system-x86")

    first = machine.host("down", "libvirt")
    forced = machine.host("down", "libvirt", force=True)

    if not qemu_too:
        assert f"domains still run: {GUEST}-guest" in first.said
    assert state(forced) == ("stopped", False)
    assert machine.census() == before


@pytest.mark.parametrize("killed", [False, True], ids=["", "killed"])
def test_a_network_that_forwards(machine: Sandbox, tmp_path: Path, killed: bool) -> None:
    """A NAT network brings dnsmasq and turns forwarding on: `down` ends the one and puts the other back."""
    before = machine.census()
    machine.host("up", "libvirt")
    (tmp_path / "nat.xml").write_text(FORWARDING)
    virsh(machine, "net-create", str(tmp_path / "nat.xml"))
    during = machine.census()
    if killed:
        kill(machine, "libvirtd")

    down = machine.host("down", "libvirt")

    assert "dnsmasq" in during["processes"]
    assert during["sysctls"]["/proc/sys/net/ipv4/ip_forward"] == "1"
    assert "net.ipv4.ip_forward = 0" in down.said
    assert state(down) == ("stopped", False)
    assert machine.census() == before


def test_somebody_elses_libvirt_is_used_and_left(machine: Sandbox) -> None:
    """One that vmlab did not start is reported as not ours and survives `up` and `down`."""
    machine.run(
        "sh",
        "-c",
        "virtlogd -d; libvirtd -d; timeout 20 sh -c 'until virsh -c qemu:///system uri; do :; done'",
    )
    machine.run("mkdir", "-p", "/var/lib/libvirt/dnsmasq")
    before = machine.census()

    up = machine.host("up", "libvirt")
    down = machine.host("down", "libvirt")

    assert state(up) == ("running", False)
    assert "not started by vmlab" in up.said
    assert state(down) == ("running", False)
    assert machine.census() == before


def test_somebody_elses_libvirt_gets_the_folder_it_lacks(machine: Sandbox, guest: Lines) -> None:
    """A libvirt that never had a dnsmasq cannot start a guest on a network without DHCP, until `up` makes the folder."""
    machine.run(
        "sh",
        "-c",
        "virtlogd -d; libvirtd -d; timeout 20 sh -c 'until virsh -c qemu:///system uri; do :; done'",
    )

    told = machine.host("status", "libvirt")
    up = machine.host("up", "libvirt")
    guest(machine)

    assert state(told) == ("stopped", False)
    assert "/var/lib/libvirt/dnsmasq" in told.json["libvirt"]["detail"]
    assert state(up) == ("running", False)


def test_a_libvirtd_that_hangs_is_named(machine: Sandbox) -> None:
    """One that runs and does not answer is neither replaced nor waited for: its pid is told."""
    machine.run("sh", "-c", "libvirtd -d; timeout 20 sh -c 'until virsh -c qemu:///system uri; do :; done'")
    machine.run("pkill", "-STOP", "-x", "libvirtd")

    refused = machine.host("up", "libvirt")

    assert refused.code == 1
    assert "runs but does not answer" in refused.said


def test_without_control_groups(machine: Sandbox, guest: Lines) -> None:
    """Where nobody mounted any, `up` mounts cgroup v2, a guest runs in a group of its own, and `down` unmounts it."""
    unmount = "cut -d' ' -f2 /proc/self/mounts | grep ^/sys/fs/cgroup | sort -r | xargs umount"
    assert machine.run("sh", "-c", unmount).code == 0
    before = machine.census()

    up = machine.host("up", "libvirt")
    guest(machine)
    group = machine.run("sh", "-c", "cat /proc/$(pidof qemu-system-x86_64)/cgroup").out
    down = machine.host("down", "libvirt", force=True)

    assert state(up) == ("running", True)
    assert f"-{GUEST}-guest.libvirt-qemu" in group
    assert state(down) == ("stopped", False)
    assert machine.census() == before


def test_the_binding_is_built_from_its_locks(tmp_path: Path) -> None:
    """An environment that was just made gets libvirt-python, once, and imports it."""
    if not _found("pkg-config") or subprocess.run(["pkg-config", "libvirt"], check=False).returncode:
        (pytest.fail if _in_ci() else pytest.skip)("not installed: libvirt-dev; vmlab host up libvirt")
    venv.create(tmp_path / "venv", with_pip=True)
    install = "from host.libvirt import binding; binding.install(print); import libvirt; print(libvirt.getVersion())"

    said = [
        subprocess.run(
            [tmp_path / "venv/bin/python", "-c", install],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]

    assert f"built libvirt-python {binding.wanted()} into {tmp_path / 'venv'}" in said[0]
    assert said[1].strip().isdigit()


def state(done: Done) -> tuple[str, bool]:
    """State and owner of the part."""
    assert done.code == 0, done.said
    one = done.json["libvirt"]
    return one["state"], one["ours"]


def virsh(machine: Sandbox, *words: str) -> Done:
    """A command to the sandbox's libvirt that has to succeed."""
    done = machine.run("virsh", "--quiet", "--connect", "qemu:///system", *words)
    assert done.code == 0, done.said
    return done


def kill(machine: Sandbox, name: str) -> None:
    """`kill -9` by name; only the sandbox's processes can be seen."""
    assert machine.run("pkill", "-KILL", "-x", name).code == 0


def _remove_groups() -> None:
    """Control groups are shared with the outside and do not go with the sandbox; a dying QEMU keeps its own a moment."""
    deadline = time.monotonic() + 5
    groups = [path for path in Path("/sys/fs/cgroup").rglob(f"qemu-*-{GUEST}-*/**") if path.is_dir()]
    for group in sorted(groups, reverse=True):
        while group.exists() and time.monotonic() < deadline:
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.05)


def _found(name: str) -> str | None:
    return shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")


def _in_ci() -> bool:
    return bool(os.environ.get("CI"))
