"""What the rungs give, read from the running copy: each prefix of the ladder answers, and has just what it should have."""

from __future__ import annotations

import ast
import os
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from machine import processes
from machine.addresses import USER
from substrates import namespaces
from substrates.contract import MILESTONES, Request, Slot
from substrates.inputs.artifact import Artifact
from substrates.rungs import NAMES, cgroups, prefixes
from tests.live.namespaces import traces
from tests.live.namespaces.conftest import Starter
from tests.live.namespaces.test_tree import until

SPACES = {
    "mount": "mnt",
    "pid": "pid",
    "uts": "uts",
    "ipc": "ipc",
    "user": "user",
    "network": "net",
    "cgroup": "cgroup",
}
PORT = 18993
WRITES = """
import os
def attempt(path):
    try:
        with open(path, "w") as file: file.write("0")
        return "written"
    except OSError as error:
        return error.errno
paths = ["/x", "/etc/x", "/usr/x", "/srv/app.py", "/dev/x", "/run/x", "/run/secrets/x", "/run/secrets/service",
         "/proc/sys/kernel/hostname", "/data/x", "/tmp/x", "/dev/null"]
print({path: attempt(path) for path in paths}, flush=True)
__import__("time").sleep(60)
"""
SCRATCH = """
import errno
try:
    with open("/tmp/big", "wb") as file:
        for _ in range(64): file.write(bytes(1024 ** 2))
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
__import__("time").sleep(60)
"""


def status(pid: int) -> dict[str, str]:
    """/proc/<pid>/status."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (row.partition(":") for row in rows)}


@pytest.mark.parametrize("variant", ["null", "service"])
def test_every_prefix_answers(built: Artifact, home: Path, variant: str) -> None:
    """Each prefix of the ladder boots, with the namespaces of its rungs and no others, its milestones in order, and goes."""
    own = traces.spaces(os.getpid())
    for rungs in prefixes():
        definition = namespaces.for_ladder(built, rungs, variant)
        boot = namespaces.boot(definition, Slot(108, PORT), Request("/", secrets.token_hex(8), echoed=True))
        there = traces.spaces(boot.copy.main.pid)
        stamps = [boot.milestones_ns[name] for name in MILESTONES if name in boot.milestones_ns]

        assert {rung for rung, kind in SPACES.items() if there[kind] != own[kind]} == set(rungs) & set(
            SPACES
        ), rungs
        assert ("init" in boot.milestones_ns) == ("pid" in rungs)
        assert {"requested", "accepted", "sandboxed", "service", "listening", "answered"} <= set(
            boot.milestones_ns
        )
        assert (
            boot.milestones_ns["sandboxed"] < boot.milestones_ns["service"] < boot.milestones_ns["answered"]
        )
        assert min(stamps) == boot.milestones_ns["requested"]
        assert ("198.18.2.208" in boot.url) == ("network" in rungs)
        namespaces.destroy(boot.copy)


def test_the_whole_ladder(definition: namespaces.Definition) -> None:
    """On all rungs the service is nobody's user, without capabilities or groups, filtered, and in its cgroups."""
    handle = namespaces.start(definition)
    namespaces.wait(handle)
    facts = status(handle.main.pid)

    assert facts["Uid"].split() == ["65532"] * 4
    assert facts["Groups"] == ""
    assert {facts[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert facts["NSpid"].split()[1:] == ["2"]
    assert Path(f"/proc/{handle.main.pid}/uid_map").read_text().split() == ["65532", "65532", "1"]
    assert handle.main.pid in cgroups.here().members(definition.name)
    assert handle.process.pid not in cgroups.here().members(definition.name)
    assert namespaces.limits({"name": definition.name}).enforced
    assert (
        "Max open files            1024                 1024"
        in Path(f"/proc/{handle.main.pid}/limits").read_text()
    )


def test_init_has_no_more_than_the_service(definition: namespaces.Definition) -> None:
    """PID 1 is held to the same: user, capabilities, filter."""
    handle = namespaces.start(definition)
    init, main = status(processes.parent(handle.main.pid)), status(handle.main.pid)

    assert init["NSpid"].split()[1:] == ["1"]
    keys = ("Uid", "Gid", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
    assert [init[key] for key in keys] == [main[key] for key in keys]


@pytest.mark.parametrize("hidden", [False, True], ids=["without a secret", "with a secret"])
def test_only_data_and_scratch_can_be_written(
    running: Starter, built: Artifact, home: Path, hidden: bool
) -> None:
    """The tree, /dev, /run and /proc/sys refuse writes; the data and the scratch folder take them; the tree is as it was, and
    the secret, which is the service's own user's, too."""
    before = (built.root / "srv" / "app.py").stat()
    secret = home / "secret"
    secret.write_text("hush")
    os.chown(secret, USER, USER)
    handle = running(WRITES, secret_file=str(secret) if hidden else "")
    found = ast.literal_eval(until(handle, "}"))

    assert {path for path, said in found.items() if said == "written"} == {"/data/x", "/tmp/x", "/dev/null"}
    assert (handle.directory / "data" / "x").read_text() == "0"
    assert not (handle.directory / "tmp" / "x").exists()  # it is on the tmpfs
    assert not (built.root / "tmp" / "x").exists()
    assert (built.root / "srv" / "app.py").stat().st_mtime_ns == before.st_mtime_ns
    assert secret.read_text() == "hush"


@pytest.mark.parametrize("rungs", [(), ("mount", "chroot"), NAMES], ids=len)
def test_no_file_of_the_launcher_is_open(running: Starter, rungs: tuple[str, ...]) -> None:
    """The service has its input, its output and its errors, and nothing else of whoever started it."""
    handle = running("print('ready', flush=True)\n__import__('time').sleep(60)", rungs=rungs, port=PORT)
    until(handle, "ready")

    assert sorted(path.name for path in Path(f"/proc/{handle.main.pid}/fd").iterdir()) == ["0", "1", "2"]


def test_the_tree_is_safe_from_the_first_change_of_root(running: Starter, built: Artifact) -> None:
    """With chroot alone nothing of the artifact can be written either, and scratch is on the copy's own disk space."""
    handle = running(WRITES, rungs=("mount", "chroot"), port=PORT)
    found = ast.literal_eval(until(handle, "}"))

    assert {path for path, said in found.items() if said == "written"} <= {"/data/x", "/tmp/x", "/dev/null"}
    assert (handle.directory / "tmp" / "x").read_text() == "0"
    assert not (built.root / "tmp" / "x").exists()


def test_scratch_is_small(running: Starter) -> None:
    """The tmpfs of `read_only` is full after 16 MiB."""
    assert "ENOSPC" in until(running(SCRATCH), "E")


def test_proc_is_frozen_and_masked(running: Starter) -> None:
    """What would show or change the kernel is a read-only mount or an empty file: not left to the user's lack of rights."""
    program = (
        "import os\nfrozen = ['sys', 'bus', 'fs', 'irq', 'sysrq-trigger']\n"
        "found = {name: os.statvfs('/proc/' + name).f_flag & 1 for name in frozen if os.path.exists('/proc/' + name)}\n"
        "null = os.stat('/dev/null').st_rdev\n"
        "masked = [os.stat('/proc/' + name).st_rdev == null for name in ('keys', 'kcore', 'interrupts', 'timer_list')\n"
        "          if os.path.exists('/proc/' + name)]\n"
        "print((found, masked), flush=True)\n__import__('time').sleep(60)"
    )
    found, masked = ast.literal_eval(until(running(program), ")"))

    assert found["sys"] == 1
    assert set(found.values()) == {1}
    assert masked
    assert all(masked)


def test_it_sees_only_its_own(running: Starter) -> None:
    """Inside there are two processes, its own host name, two interfaces, and no path of the host among the mount points."""
    program = (
        "import os\n"
        "print({'pids': sorted(int(n) for n in os.listdir('/proc') if n.isdigit()), 'host': os.uname()[1],\n"
        " 'links': [row.split(':')[0].strip() for row in open('/proc/net/dev').readlines()[2:]],\n"
        " 'mounts': [row.split()[1] for row in open('/proc/mounts')],\n"
        " 'cgroup': open('/proc/self/cgroup').read()}, flush=True)\n__import__('time').sleep(60)"
    )
    handle = running(program)
    found = ast.literal_eval(until(handle, "}"))

    assert found["pids"] == [1, 2]
    assert found["host"] == handle.definition.name
    assert sorted(found["links"]) == ["eth0", "lo"]
    assert all(path.split("/")[1] in ("", "data", "dev", "proc", "tmp") for path in found["mounts"])
    assert handle.definition.name not in found["cgroup"]


def test_the_secret_is_a_file_inside(running: Starter, home: Path) -> None:
    """A secret's file is mounted read-only where SECRET_FILE says."""
    secret = home / "secret"
    secret.write_text("hush")
    secret.chmod(0o444)
    program = (
        "import os\nprint(open(os.environ['SECRET_FILE']).read(), os.environ['SECRET_FILE'], flush=True)"
    )

    handle = running(f"{program}\n__import__('time').sleep(60)", secret_file=str(secret))

    assert until(handle, "\n") == "hush /run/secrets/service\n"


def test_the_artifact_is_read_back(built: Artifact, home: Path, definition: namespaces.Definition) -> None:
    """Whose bytes a copy runs is told from the running process, in place and behind each change of root."""
    for rungs in ((), ("mount", "chroot"), ("mount", "chroot", "pivot_root"), NAMES):
        handle = namespaces.start(replace(definition, rungs=rungs, port=8080 if rungs == NAMES else PORT))
        namespaces.wait(handle)

        assert namespaces.artifact({"name": definition.name}) == built.digest
        assert namespaces.image_bytes({"name": definition.name}) == built.variants["slim"]["tree_bytes"]
        assert (namespaces.footprint(handle).pss_bytes or 0) > 1024**2
        namespaces.destroy(handle)
