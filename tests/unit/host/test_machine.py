"""Control groups, systemd, places, record and locks: what is read of the machine, and what is written."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from host import record, systemd
from machine import cgroups, commands, locks, places
from machine.errors import InvalidInput, Unavailable, VmlabError
from tests.unit.host.conftest import Runner

# Lines of /proc/self/mounts: Debian 12 under systemd; the same with systemd.unified_cgroup_hierarchy=0; a micro-VM
# without systemd; a container without any.
BASE = "proc /proc proc rw 0 0\nsysfs /sys sysfs rw,nosuid 0 0\n"
V2 = (
    BASE
    + "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n"
)
V1 = BASE + (
    "tmpfs /sys/fs/cgroup tmpfs ro,mode=755 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
)
HYBRID = V1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n"


def recorded(root: Path, mounts: str) -> Path:
    """A tree with these mounts."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mounts").write_text(mounts)
    return root


@pytest.mark.parametrize(("mounts", "mode"), [(BASE, "none"), (V1, "v1"), (HYBRID, "hybrid"), (V2, "v2")])
def test_cgroup_mode(tmp_path: Path, mounts: str, mode: str) -> None:
    """The mode of a recorded machine is recognised."""
    assert cgroups.detect(recorded(tmp_path, mounts)).mode == mode


@pytest.mark.parametrize(("mounts", "mounted"), [(BASE, True), (V1, False), (HYBRID, False), (V2, False)])
def test_cgroups_are_mounted_only_where_nothing_is(
    tmp_path: Path, runner: Runner, mounts: str, mounted: bool
) -> None:
    """A machine with any hierarchy is left as it is."""
    assert cgroups.mount(recorded(tmp_path, mounts)) is mounted
    assert bool(runner.commands) is mounted


def test_systemd_is_running_only_if_it_booted(tmp_path: Path) -> None:
    """An installed systemd that is not the init does not count."""
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "usr/lib/systemd").mkdir(parents=True)
    assert not systemd.running(tmp_path)

    (tmp_path / "run/systemd/system").mkdir()
    assert systemd.running(tmp_path)


def test_a_failed_unit_says_where_to_look(runner: Runner) -> None:
    """The next command is in the message."""
    runner.answers["systemctl start"] = VmlabError("systemctl start docker: exit code 1")

    with pytest.raises(VmlabError, match="journalctl -u docker"):
        systemd.start("docker")


def test_places_of_root_and_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has the system's folders, others the XDG ones, and VMLAB_HOME comes before both."""
    monkeypatch.setenv("VMLAB_HOME", "/elsewhere")
    assert places.cache() == Path("/elsewhere/cache")
    monkeypatch.delenv("VMLAB_HOME")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = [places.cache(), places.state(), places.runs(), places.run()]
    assert found == [Path(f"/var/lib/vmlab/{name}") for name in ("cache", "state", "runs")] + [
        Path("/run/vmlab")
    ]
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x/cache")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert places.cache() == Path("/x/cache/vmlab")
    assert places.state() == Path("/home/someone/.local/state/vmlab")


def test_record_keeps_and_forgets(home: Path) -> None:
    """Entries survive in the file until they are forgotten, and an empty record is no file."""
    record.keep("docker", {"by": "child"})
    record.keep("registry", {"by": "child", "n": 1})

    assert record.entry("docker") == {"by": "child"}
    record.forget("docker")
    assert record.load() == {"registry": {"by": "child", "n": 1}}
    record.forget("registry")
    assert not (home / "run/host.json").exists()
    assert record.entry("registry") is None


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_record_is_named(home: Path, content: str) -> None:
    """A record that cannot be read is never taken for an empty one."""
    (home / "run/locks").mkdir(parents=True)
    (home / "run/host.json").write_text(content)

    with pytest.raises(VmlabError, match=r"host\.json"):
        record.load()


def test_lock_names_its_holder(home: Path) -> None:
    """A second holder gives up at its deadline and says who holds it."""
    (home / "run/locks").mkdir(parents=True)
    with (home / "run/locks/host.lock").open("w") as other:
        other.write("4711\n")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(VmlabError, match="4711"), locks.held("host", seconds=0.01):
            pass

    with locks.held("host", seconds=0.01):
        pass


def test_two_cannot_hold_the_lock() -> None:
    """While one `up` holds it, another waits in vain; afterwards it is free."""
    with (
        locks.held("host", seconds=0.01),
        pytest.raises(VmlabError, match=r"host\.lock"),
        locks.held("host", seconds=0.01),
    ):
        pass

    with locks.held("host", seconds=0.01):
        pass


def test_a_failed_command_shows_its_last_lines() -> None:
    """The message has the command, the exit code and the end of its output."""
    with pytest.raises(VmlabError, match=r"(?s)exit code 3.*line 30") as caught:
        commands.run(["sh", "-c", "for i in $(seq 30); do echo line $i; done; exit 3"], timeout_seconds=5)
    assert "line 5\n" not in str(caught.value)


def test_a_command_that_hangs_or_is_not_there() -> None:
    """Both end in an error that names the command."""
    with pytest.raises(VmlabError, match="sleep 5: not done"):
        commands.run(["sleep", "5"], timeout_seconds=0.05)
    with pytest.raises(VmlabError, match="no-such-thing"):
        commands.run(["no-such-thing"], timeout_seconds=1)


def test_exit_codes() -> None:
    """1 failed, 2 wrong use; Unavailable says reason and fix."""
    error = Unavailable("no root", "sudo x")

    assert (VmlabError.exit_code, InvalidInput.exit_code, error.exit_code) == (1, 2, 3)
    assert "no root" in str(error)
    assert "sudo x" in str(error)
