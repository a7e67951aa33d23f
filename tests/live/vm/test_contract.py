"""What every stack promises, kept by guests: the same bytes and limits, another kernel, secrets and data where they belong."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import APIClient

from clients.libvirt import connection, domains
from machine.errors import Unavailable
from substrates.vm import guest
from substrates.vm import substrate as vm
from tests.live import census
from tests.live.conftest import missing
from tests.live.lab.laboratory import Laboratory
from tests.live.vm import machine
from tests.live.vm.machine import answer, good, outputs

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
SETTINGS = {
    "SETTING_COLOUR": "blue",
    "SETTING_HOSTILE": "a\\b \"c\" 'd' $e  ",
    "SETTING_SHELL": "  # `date` ${HOME} %h; \\n=\\",
    "SETTING_NOTHING": "",
}
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@pytest.fixture(scope="module")
def slim(lab: Laboratory) -> Iterator[str]:
    """vm-slim with a secret and settings."""
    yield from _told(lab, "vm-slim")


@pytest.fixture(scope="module")
def full(lab: Laboratory) -> Iterator[str]:
    """vm with its own."""
    yield from _told(lab, "vm")


def _told(lab: Laboratory, stack: str) -> Iterator[str]:
    machine.set_secret(lab, stack, "secret", _secret(stack))
    machine.configure(lab, stack, environment=json.dumps(SETTINGS))
    good(lab.run("up", stack, "--skip-preview"))
    yield stack
    good(lab.run("destroy", stack, "--skip-preview"))


def _secret(stack: str) -> str:
    """Another one for each stack: both are up when somebody looks for it."""
    return f"{stack}-hunter2-4f1d9a7c0b"


def test_another_kernel(lab: Laboratory, either: str) -> None:
    """The answer has the guest's kernel release and a boot id that is not this machine's."""
    found = outputs(lab, either)

    said = answer(found["url"])
    assert said["kernel"] == guest.kernel().release == found["conditions"]["guest_kernel"]
    assert said["kernel"] != platform.release() == found["conditions"]["kernel"]
    assert said["boot_id"] not in ("", BOOT_ID.read_text().strip())
    assert said["host"] == either


def test_second_up_changes_nothing(lab: Laboratory, either: str) -> None:
    """Nothing is to be done by a second `up`, a refresh finds nothing else, and the guest is the same one."""
    before = answer(outputs(lab, either)["url"])["boot_id"]

    good(lab.run("up", either, "--expect-no-changes"))
    good(lab.run("refresh", either, "--expect-no-changes"))

    assert answer(outputs(lab, either)["url"])["boot_id"] == before


def test_same_bytes_and_limits_as_the_container(lab: Laboratory, either: str, docker: APIClient) -> None:
    """Artifact and limits that the running guest has are those that docker declares and has."""
    machine.configure(lab, "docker", port="18381")
    good(lab.run("up", "docker", "--skip-preview"))
    container, own = outputs(lab, "docker"), outputs(lab, either)
    good(lab.run("destroy", "docker", "--skip-preview"))

    assert own["artifact"] == container["artifact"] == vm.artifact(own["instance"])
    limits = vm.limits(own["instance"])
    found = {"cpus": limits.cpus, "memory_bytes": limits.memory_bytes, "enforced": limits.enforced}
    assert own["limits"] == container["limits"] == found


def test_limits_are_those_of_the_live_guest(lab: Laboratory, either: str) -> None:
    """The guest sees its processors, and its memory without what its kernel reserves; a change by hand is read back."""
    found = outputs(lab, either)
    declared, instance = found["limits"], found["instance"]
    before = vm.limits(instance)
    memory_bytes, seen_bytes = before.memory_bytes or 0, before.guest_memory_bytes or 0
    assert before.guest_cpus == math.ceil(declared["cpus"])
    assert 0.8 * memory_bytes < seen_bytes < memory_bytes

    handle = connection.open().lookupByName(instance["name"])
    half, live = memory_bytes // 2, connection.library().VIR_DOMAIN_AFFECT_LIVE
    handle.setMemoryFlags(half // 1024, live)
    handle.setSchedulerParametersFlags({"vcpu_period": 100000, "vcpu_quota": 50000}, live)
    try:
        machine.until(lambda: vm.limits(instance).memory_bytes == half, 10, "the balloon did not inflate")
        machine.until(lambda: (vm.limits(instance).guest_memory_bytes or 0) < half, 10, "the guest sees more")
        assert vm.limits(instance).cpus == 0.5 * math.ceil(declared["cpus"])
    finally:
        handle.setMemoryFlags(memory_bytes // 1024, live)
        handle.setSchedulerParametersFlags({"vcpu_period": 100000, "vcpu_quota": -1}, live)
    machine.until(lambda: vm.limits(instance) == before, 10, "the limits are not those of before")


def test_settings_arrive_byte_for_byte(lab: Laboratory, either: str) -> None:
    """What a shell or systemd would make something of reaches the service as it was configured."""
    said = answer(outputs(lab, either)["url"], "/config")

    assert {name: said[name] for name in SETTINGS} == SETTINGS


def test_secret_reaches_the_guest_and_nobody_else(lab: Laboratory, either: str) -> None:
    """The service has its fingerprint; in the clear it is on the configuration disk alone, which only QEMU's user reads."""
    found, secret = outputs(lab, either), _secret(either)
    config = machine.domain_of(lab, either).spec.disks[2].path

    said = answer(found["url"], "/config")
    assert said["secret_sha256_prefix"] == hashlib.sha256(secret.encode()).hexdigest()[:12]
    assert stat.S_IMODE(Path(config).stat().st_mode) == 0o600
    assert [path for path in _files(lab) if secret.encode() in path.read_bytes()] == [Path(config)]
    assert [words for words in _command_lines() if secret.encode() in words] == []
    assert secret not in json.dumps(found) + good(lab.run("export", either)).stdout


def _files(lab: Laboratory) -> list[Path]:
    """The lab's folder without the cache, and what libvirt writes about guests."""
    own = [path for path in lab.home.rglob("*") if "cache" not in path.relative_to(lab.home).parts[:1]]
    others = [Path(path) for path in census.libvirt_files() if machine.counts(path)]
    return [path for path in [*own, *others] if path.is_file() and not path.is_symlink()]


def _command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return found


def test_visits_survive_another_guest(lab: Laboratory, either: str) -> None:
    """An `up` that replaces the domain keeps the data volume, and what was counted on it."""
    url, uuid = outputs(lab, either)["url"], machine.domain_of(lab, either).spec.uuid
    for _ in range(3):
        count = answer(url, "/visits", "POST")["visits"]
    machine.configure(lab, either, memory="384MiB")

    good(lab.run("up", either, "--skip-preview"))

    after = machine.domain_of(lab, either)
    assert after.spec.uuid != uuid
    assert after.spec.memory_bytes == 384 * 1024**2
    assert vm.limits(outputs(lab, either)["instance"]).memory_bytes == 384 * 1024**2
    assert answer(url, "/visits")["visits"] == count == 3


def test_destroy_leaves_nothing(lab: Laboratory, either: str) -> None:
    """The guest powers off by itself, before forced termination, and its configuration disk is gone with
    everything else; the module's census has the rest."""
    spec = machine.domain_of(lab, either).spec
    config, log = Path(spec.disks[2].path), domains.LOGS / f"{spec.name}.log"

    with log.open() as libvirts, Path(spec.console).open(errors="replace") as guests:  # the files go too
        start = time.monotonic()
        good(lab.run("destroy", either, "--skip-preview"))
        seconds = time.monotonic() - start
        ends, said = libvirts.read(), guests.read()

    assert seconds < vm.STOP_SECONDS
    assert "reason=shutdown" in ends, ends
    assert "vmlab-service stopped" in said, said[-800:]
    assert not config.exists()
    assert not config.parent.exists()


def test_yet_another_kernel(lab: Laboratory) -> None:
    """vm-other answers with a release that is neither this machine's nor the other guests'."""
    try:
        release = guest.kernel("other").release
    except Unavailable as error:
        missing(str(error))
        raise
    good(lab.run("up", "vm-other", "--skip-preview"))

    said = answer(outputs(lab, "vm-other")["url"])

    assert said["kernel"] == release
    assert release not in (platform.release(), guest.kernel().release)
    good(lab.run("destroy", "vm-other", "--skip-preview"))
