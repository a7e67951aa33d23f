"""What every stack promises, kept by guests: the same bytes and limits, another kernel, secrets and data where they belong."""

from __future__ import annotations

import hashlib
import json
import platform
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import APIClient

from substrates import guest, vm
from substrates.errors import Unavailable
from tests.live.lab.laboratory import Laboratory
from tests.live.vm import machine
from tests.live.vm.machine import answer, good, outputs

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
SECRET = "hunter2-4f1d9a7c0b"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@pytest.fixture(scope="module")
def slim(lab: Laboratory) -> Iterator[str]:
    """vm-slim with a secret and a setting."""
    machine.set_secret(lab, "vm-slim", "secret", SECRET)
    machine.configure(lab, "vm-slim", environment='{"SETTING_COLOUR": "blue"}')
    good(lab.run("up", "vm-slim", "--skip-preview"))
    yield "vm-slim"
    good(lab.run("destroy", "vm-slim", "--skip-preview"))


def test_another_kernel(lab: Laboratory, slim: str) -> None:
    """The answer has the guest's kernel release and a boot id that is not this machine's."""
    found = outputs(lab, slim)

    said = answer(found["url"])
    assert said["kernel"] == guest.kernel().release == found["conditions"]["guest_kernel"]
    assert said["kernel"] != platform.release() == found["conditions"]["kernel"]
    assert said["boot_id"] not in ("", BOOT_ID.read_text().strip())
    assert said["host"] == slim


def test_second_up_changes_nothing(lab: Laboratory, slim: str) -> None:
    """Nothing is to be done by a second `up`, a refresh finds nothing else, and the guest is the same one."""
    before = answer(outputs(lab, slim)["url"])["boot_id"]

    good(lab.run("up", slim, "--expect-no-changes"))
    good(lab.run("refresh", slim, "--expect-no-changes"))

    assert answer(outputs(lab, slim)["url"])["boot_id"] == before


def test_same_bytes_and_limits_as_the_container(lab: Laboratory, slim: str, docker: APIClient) -> None:
    """Artifact and limits that the running guest has are those that docker declares and has."""
    machine.configure(lab, "docker", port="18381")
    good(lab.run("up", "docker", "--skip-preview"))
    container, own = outputs(lab, "docker"), outputs(lab, slim)
    good(lab.run("destroy", "docker", "--skip-preview"))

    assert own["artifact"] == container["artifact"] == vm.artifact(own["instance"])
    assert own["limits"] == container["limits"] == vm.limits(own["instance"])


def test_secret_reaches_the_guest_and_nobody_else(lab: Laboratory, slim: str) -> None:
    """The service has its fingerprint; in the clear it is on the configuration disk alone, which only QEMU's user reads."""
    found = outputs(lab, slim)
    config = machine.domain_of(lab, slim).spec.disks[2].path

    said = answer(found["url"], "/config")
    assert said == {
        "SETTING_COLOUR": "blue",
        "secret_sha256_prefix": hashlib.sha256(SECRET.encode()).hexdigest()[:12],
    }
    assert stat.S_IMODE(Path(config).stat().st_mode) == 0o600
    assert [path for path in _files(lab) if SECRET.encode() in path.read_bytes()] == [Path(config)]
    assert [words for words in _command_lines() if SECRET.encode() in words] == []
    assert SECRET not in json.dumps(found) + good(lab.run("export", slim)).stdout


def _files(lab: Laboratory) -> list[Path]:
    """The lab's folder without the cache, and what libvirt writes about guests."""
    own = [path for path in lab.home.rglob("*") if "cache" not in path.relative_to(lab.home).parts[:1]]
    others = [path for folder in machine.FOLDERS for path in Path(folder).rglob("*")]
    return [path for path in [*own, *others] if path.is_file() and not path.is_symlink()]


def _command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return found


def test_visits_survive_another_guest(lab: Laboratory, slim: str) -> None:
    """An `up` that replaces the domain keeps the data volume, and what was counted on it."""
    url, uuid = outputs(lab, slim)["url"], machine.domain_of(lab, slim).spec.uuid
    for _ in range(3):
        count = answer(url, "/visits", "POST")["visits"]
    machine.configure(lab, slim, memory="384MiB")

    good(lab.run("up", slim, "--skip-preview"))

    after = machine.domain_of(lab, slim)
    assert after.spec.uuid != uuid
    assert after.spec.memory_bytes == 384 * 1024**2
    assert vm.limits(outputs(lab, slim)["instance"])["memory_bytes"] == 384 * 1024**2
    assert answer(url, "/visits")["visits"] == count == 3


def test_destroy_leaves_nothing(lab: Laboratory, slim: str) -> None:
    """After `destroy` the configuration disk is gone with everything else; the module's census has the rest."""
    config = Path(machine.domain_of(lab, slim).spec.disks[2].path)

    good(lab.run("destroy", slim, "--skip-preview"))

    assert not config.exists()
    assert not config.parent.exists()


def test_yet_another_kernel(lab: Laboratory) -> None:
    """vm-other answers with a release that is neither this machine's nor the other guests'."""
    try:
        release = guest.kernel("other").release
    except Unavailable as error:
        pytest.skip(str(error))
    good(lab.run("up", "vm-other", "--skip-preview"))

    said = answer(outputs(lab, "vm-other")["url"])

    assert said["kernel"] == release
    assert release not in (platform.release(), guest.kernel().release)
    good(lab.run("destroy", "vm-other", "--skip-preview"))
