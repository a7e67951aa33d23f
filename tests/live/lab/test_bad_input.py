"""Bad input: one clear line, exit code 2, and nothing was created. A service that never answers: exit code 1, and why."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.lab.laboratory import Laboratory

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]
MUTE = """name = "mute"
packages = ["python3.11-minimal"]
command = ["{root}/usr/bin/python3.11", "-I", "-S", "{root}/srv/mute.py"]
port = 8080
[files]
"/srv/mute.py" = "mute.py"
"""
GOOD = 'name = "try"\npackages = ["busybox-static"]\ncommand = ["{root}/bin/busybox"]\nport = 8080\n'


ADDRESS = "198.18.2.77"


def configure(copy: Laboratory, stack: str, key: str, value: str) -> None:
    """Put a line into the stack's file, of a copy of the program."""
    path = copy.project / "stacks" / f"Pulumi.{stack}.yaml"
    lines = [line for line in path.read_text().splitlines() if f"vmlab:{key}:" not in line]
    path.write_text("\n".join([*lines, f"  vmlab:{key}: {value}", ""]))


@pytest.fixture
def others_link() -> Iterator[str]:
    """A link that is called as another home's copy with this address would call its own."""
    name = f"vmlab-other-{ADDRESS.rpartition('.')[2]}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    yield name
    subprocess.run(["ip", "link", "delete", name], check=True)


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that are errors; what to try next is indented below one."""
    return [line for line in done.stderr.splitlines() if line.startswith("error")]


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line with these words, exit code 2, no stack trace."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(errors(done)) == 1, done.stderr
    assert [word for word in words if word not in errors(done)[0]] == []
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["run", "measure", "up"])
def test_unknown_stack(lab: Laboratory, verb: str) -> None:
    """A stack that does not exist is refused by name, with those that do."""
    refused(lab.run(verb, "no-such-stack"), "no-such-stack")


@pytest.mark.parametrize("stack", ["process", "docker"])
@pytest.mark.parametrize(("key", "value"), [("memory", "lots"), ("cpus", "many"), ("port", "http")])
def test_wrong_value(lab: Laboratory, stack: str, key: str, value: str) -> None:
    """A value that makes no sense is refused with its key before anything is made."""
    copy = lab.with_copy()
    assert copy.run("config", "set", "--stack", stack, key, value).returncode in (0, 2)
    configure(copy, stack, key, value)
    refused(copy.run("up", stack), key, value)


@pytest.mark.parametrize("stack", ["chroot", "namespaces"])
@pytest.mark.parametrize(
    ("rungs", "words"),
    [("jail", ["no rung 'jail'", "mount, chroot"]), ("chroot,mount", ["'chroot' needs 'mount' before it"])],
    ids=["unknown", "order"],
)
def test_wrong_rungs(lab: Laboratory, stack: str, rungs: str, words: list[str]) -> None:
    """A list of rungs that cannot be climbed is refused with what is wrong with it, and no copy was begun."""
    copy = lab.with_copy()
    configure(copy, stack, "rungs", rungs)

    refused(copy.run("up", stack), *words)

    assert list((lab.home / "run").glob("namespaces/*")) == []


def test_taken_address(lab: Laboratory, others_link: str) -> None:
    """An address that another lab's copy has is refused with its link, and no copy was begun."""
    copy = lab.with_copy()
    configure(copy, "namespaces", "address", ADDRESS)

    refused(copy.run("up", "namespaces"), ADDRESS, others_link)

    assert list((lab.home / "run").glob("namespaces/*")) == []


@pytest.mark.parametrize("stack", ["process", "docker"])
def test_taken_port(lab: Laboratory, stack: str) -> None:
    """A port that somebody listens on is refused with the name of the process."""
    copy = lab.with_copy()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        configure(copy, stack, "port", str(port))
        refused(copy.run("up", stack), str(port), Path("/proc/self/comm").read_text().strip(), "pid")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("busybox-static", "no-such-package"), ["no-such-package"]),
        (GOOD.replace("/bin/busybox", "/bin/no-such-command"), ["/bin/no-such-command"]),
        (GOOD + 'colour = "red"\n', ["colour"]),
        (GOOD.replace("8080", '"http"'), ["port"]),
        ("name = ", ["service.toml"]),
    ],
    ids=["package", "command", "key", "type", "syntax"],
)
def test_wrong_service_file(lab: Laboratory, tmp_path: Path, text: str, words: list[str]) -> None:
    """A service.toml that cannot work is refused with what is wrong in it, and no run is begun."""
    path = tmp_path / "service.toml"
    path.write_text(text)

    refused(lab.run("run", "--quick", "--service", str(path)), *words)

    assert list((lab.home / "runs").glob("*")) == []


def test_service_that_never_answers(lab: Laboratory, tmp_path: Path) -> None:
    """Exit code 1, with the last milestone that was reached and the end of the service's log, on each substrate."""
    (tmp_path / "service.toml").write_text(MUTE)
    (tmp_path / "mute.py").write_text(
        'import time\nprint("I shall not speak", flush=True)\ntime.sleep(600)\n'
    )

    done = lab.run(
        "run", "--quick", "--service", str(tmp_path / "service.toml"), "process", "docker", VMLAB_TIMEOUT="3"
    )

    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert said.count("did not answer within 3 s; the last milestone it reached was") == 2, said
    assert said.count("I shall not speak") == 2, said
