"""libvirt as a part: whose it is, how it is started, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host import packages, record, systemd
from host.libvirt import binding, daemons, kvm, leftovers, traces, virsh
from host.parts import libvirt as part
from machine import cgroups, commands, ports
from machine.errors import Unavailable, VmlabError
from tests.unit.host.conftest import Runner

_really = commands.spawn


class Libvirt:
    """What virsh tells."""

    def __init__(self) -> None:
        self.alive = False
        self.domains: list[str] = []
        self.networks: list[str] = []

    def start(self) -> None:
        self.alive = True


@pytest.fixture(autouse=True)
def libvirt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Libvirt:
    """A libvirt that is not running yet; nothing of the real machine is looked at or changed."""
    fake = Libvirt()
    monkeypatch.setattr(daemons, "RUN", tmp_path / "run")
    monkeypatch.setattr(traces, "take", lambda: {"chains": {}, "sysctls": {}, "cgroups": [], "absent": []})
    monkeypatch.setattr(traces, "undo", lambda before, domains: [])
    monkeypatch.setattr(traces, "NEEDED", tmp_path / "dnsmasq")
    for name, answer in (("notes", []), ("guests", []), ("holder", None)):
        monkeypatch.setattr(leftovers, name, lambda answer=answer: answer)
    monkeypatch.setattr(leftovers, "clear", lambda say: None)
    monkeypatch.setattr(cgroups, "mount", lambda: False)
    monkeypatch.setattr(kvm, "open_to_guests", lambda: False)
    monkeypatch.setattr(binding, "version", binding.wanted)
    monkeypatch.setattr(virsh, "answers", lambda: fake.alive)
    monkeypatch.setattr(virsh, "versions", lambda: "libvirt 9.0.0, QEMU 7.2.22")
    monkeypatch.setattr(virsh, "running_domains", lambda: list(fake.domains))
    monkeypatch.setattr(virsh, "active_networks", lambda: list(fake.networks))
    monkeypatch.setattr(virsh, "end_domain", lambda name: fake.domains.remove(name))
    monkeypatch.setattr(virsh, "end_network", lambda name: fake.networks.remove(name))
    return fake


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch, libvirt: Libvirt) -> Iterator[list[list[str]]]:
    """The daemons that were spawned; in their place a sleep is. No systemd."""
    started: list[list[str]] = []

    def spawn(command: list[str], *, log: Path, environment: object = None) -> int:
        started.append(command)
        libvirt.alive = libvirt.alive or "libvirtd" in command
        return _really(["sleep", "60"], log=log)

    monkeypatch.setattr(commands, "spawn", spawn)
    monkeypatch.setattr(systemd, "running", lambda: False)
    monkeypatch.setattr(ports, "accepts", lambda path: any(one[0] == "virtlogd" for one in started))
    yield started
    daemons.stop()


def test_with_systemd_its_service_is_started(
    runner: Runner, libvirt: Libvirt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`systemctl start` and no child; `down` stops only units that were not active before, sockets first."""
    active = {"virtlogd.socket"}
    monkeypatch.setattr(systemd, "running", lambda: True)
    monkeypatch.setattr(systemd, "active", lambda unit: unit in active)
    runner.answers["systemctl start libvirtd.service"] = libvirt.start

    part.up(print)
    active |= {"libvirtd.socket", "libvirtd.service", "virtlogd.service"}

    assert part.status().state == "running"
    assert part.status().ours
    assert not daemons.libvirtd.pid_file.exists()
    part.down(print)
    stopped = [command.split()[-1] for command in runner.began("systemctl stop")]
    assert stopped == ["libvirtd.socket", "libvirtd.service", "virtlogd.service"]
    assert record.load() == {}


def test_without_systemd_both_are_ours(spawned: list[list[str]]) -> None:
    """virtlogd comes before libvirtd, which reads a configuration of ours that opens it to root alone."""
    part.up(print)

    assert [command[:4] for command in spawned] == [spawned[0][:4], ["tini", "-s", "--", "libvirtd"]]
    assert spawned[0][0] == "virtlogd"
    assert not any(word.startswith("--listen") for command in spawned for word in command)
    configuration = Path(spawned[1][4].removeprefix("--config=")).read_text()
    assert 'unix_sock_rw_perms = "0700"' in configuration
    assert part.status().ours
    part.down(print)
    assert (daemons.libvirtd.pid(), daemons.virtlogd.pid()) == (None, None)
    assert record.load() == {}


def test_a_libvirtd_that_fails_leaves_nothing(
    spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last lines are shown; neither a record, nor a pid file, nor the virtlogd that came before it stays."""
    failing = ["sh", "-c", "sleep 0.1; echo cannot create socket; exit 1"]
    fake = commands.spawn

    def spawn(command: list[str], *, log: Path, environment: object = None) -> int:
        if command[0] == "virtlogd":
            return fake(command, log=log)
        return _really(failing, log=log)

    monkeypatch.setattr(commands, "spawn", spawn)
    with pytest.raises(VmlabError, match="cannot create socket"):
        part.up(print)

    assert record.load() == {}
    assert not daemons.libvirtd.pid_file.exists()
    assert not daemons.virtlogd.pid_file.exists()


def test_a_failure_with_guests_keeps_the_record(
    spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guests that outlived a killed libvirtd still need a `down`: what was there before them is not forgotten."""
    monkeypatch.setattr(leftovers, "notes", lambda: ["guest"])
    monkeypatch.setattr(
        commands, "spawn", lambda command, *, log, environment=None: _really(["false"], log=log)
    )

    with pytest.raises(VmlabError):
        part.up(print)

    assert record.entry("libvirt")


def test_a_libvirt_that_was_there_is_not_ours(libvirt: Libvirt, spawned: list[list[str]]) -> None:
    """It is reported as running and not ours, gets the folder it lacks, and `down` leaves it."""
    libvirt.alive = True
    said: list[str] = []
    assert part.status().state == "stopped"

    part.up(said.append)
    part.down(said.append)

    assert part.status().state == "running"
    assert not part.status().ours
    assert spawned == []
    assert "left alone" in said[-1]


def test_domains_that_run_are_named_and_kept(libvirt: Libvirt, spawned: list[list[str]]) -> None:
    """Without force nothing is ended; with it domains and networks are, but for those that were there before `up`."""
    part.up(print)
    entry = record.entry("libvirt")
    assert entry is not None
    record.keep("libvirt", {**entry, "noted": ["older", "older-net"]})
    libvirt.domains, libvirt.networks = ["older", "precious"], ["older-net", "net"]

    with pytest.raises(VmlabError, match=r"precious(?s:.*)--force"):
        part.down(print)
    assert libvirt.domains == ["older", "precious"]
    part.down(print, force=True)
    assert (libvirt.domains, libvirt.networks) == (["older"], ["older-net"])
    assert record.load() == {}


def test_without_the_binding_it_is_not_running(libvirt: Libvirt, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher made the environment anew: `status` says what is missing, so that `up` mends it."""
    libvirt.alive = True
    traces.prepare()
    monkeypatch.setattr(binding, "version", lambda: None)

    assert part.status().state == "missing"
    assert "no libvirt-python" in part.status().detail
    assert part.status().fix == "vmlab host up libvirt"


def test_a_killed_virtlogd_is_told(spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirt answers, but guests' output goes nowhere."""
    part.up(print)
    monkeypatch.setattr(ports, "accepts", lambda path: False)

    assert part.status().state == "stopped"
    assert "virtlogd has ended" in part.status().detail
    part.down(print)


def test_needs(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `up` cannot mend is said with a fix: no root, a libvirtd that hangs."""
    monkeypatch.setattr(packages, "missing", lambda wanted: [])
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="sudo vmlab host up libvirt"):
        part.needs()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    part.needs()
    monkeypatch.setattr(leftovers, "holder", lambda: 77)
    with pytest.raises(Unavailable, match="pid 77"):
        part.needs()


def test_status_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed and not running are two things."""
    monkeypatch.setattr(commands, "find", lambda name: None)
    assert part.status().state == "missing"
    monkeypatch.setattr(commands, "find", lambda name: f"/usr/sbin/{name}")
    assert part.status().state == "stopped"
    assert part.status().fix == "vmlab host up libvirt"
