"""The verbs: order, questions, JSON, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from host import packages, parts
from host.commands import doctor
from host.commands import verbs as commands
from host.packages import Package
from host.reporting import State, Status
from machine.errors import InvalidInput, Unavailable, VmlabError
from substrates.vm import accelerator


class FakePart:
    """A part that only remembers what was asked of it."""

    PACKAGES: tuple[Package, ...] = (Package("tool", "no-such-tool"),)

    def __init__(self, name: str, log: list[str]) -> None:
        self.NAME = name
        self.log = log
        self.state: State = "stopped"
        self.broken = False

    def needs(self) -> None:
        self.log.append(f"needs {self.NAME}")

    def downloads(self) -> list[str]:
        return [f"a toolchain for {self.NAME}"]

    def status(self) -> Status:
        return Status(self.NAME, self.state, True, "here", f"vmlab host up {self.NAME}")

    def up(self, say: Callable[[str], None]) -> None:
        self.log.append(f"up {self.NAME}")
        self.state = "running"

    def down(self, say: Callable[[str], None], *, force: bool = False) -> None:
        if self.broken:
            raise VmlabError(f"{self.NAME} is stuck")
        self.log.append(f"down {self.NAME}")
        self.state = "stopped"


@pytest.fixture
def log() -> list[str]:
    """What was done, in order."""
    return []


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> dict[str, FakePart]:
    """Two parts; their package is missing."""
    fakes = {name: FakePart(name, log) for name in ("docker", "registry")}
    monkeypatch.setattr(parts, "KNOWN", fakes)
    monkeypatch.setattr(packages, "missing", lambda wanted: ["tool"] if wanted else [])
    monkeypatch.setattr(packages, "install", lambda names, say: log.append(f"install {' '.join(names)}"))
    return fakes


def terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Somebody sits there and answers so."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)


def test_up_and_down_in_order(
    known: dict[str, FakePart], log: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Packages once, parts in order, down in reverse; a second `up` does nothing; JSON is all of standard output."""
    assert commands.run("up", [], as_json=True, yes=False) == 0
    first = json.loads(capsys.readouterr().out)
    assert commands.run("up", ["docker"], as_json=False, yes=False) == 0
    assert commands.run("down", [], as_json=True, yes=False) == 0

    done = [line for line in log if not line.startswith("needs")]
    assert done == ["install tool", "up docker", "up registry", "down registry", "down docker"]
    assert list(first) == ["docker", "registry"]
    for one in first.values():
        assert sorted(one) == ["detail", "fix", "kubeconfig", "name", "ours", "state"]
    assert first["docker"]["state"] == "running"


def test_progress_has_durations_and_is_not_the_result(
    known: dict[str, FakePart], capsys: pytest.CaptureFixture[str]
) -> None:
    """Progress goes to standard error, each line with its duration."""
    commands.run("up", ["docker"], as_json=False, yes=True)

    captured = capsys.readouterr()
    assert "docker: up (0.0 s)" in captured.err
    assert "running, ours" in captured.out
    assert "fix" not in captured.out


def test_a_terminal_is_asked_once(
    known: dict[str, FakePart],
    log: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The question lists packages and downloads; a no installs and starts nothing; CI and --yes are not asked."""
    terminal(monkeypatch, "n")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(Unavailable, match="--yes"):
        commands.run("up", [], as_json=False, yes=False)
    assert capsys.readouterr().err.splitlines() == [
        "Debian packages to install: tool",
        "to download for docker: a toolchain for docker",
        "to download for registry: a toolchain for registry",
    ]
    assert log == ["needs docker", "needs registry"]
    log.clear()

    commands.run("up", ["docker"], as_json=False, yes=True)
    monkeypatch.setenv("CI", "true")
    commands.run("up", ["registry"], as_json=False, yes=False)
    done = [line for line in log if not line.startswith("needs")]
    assert done == ["install tool", "up docker", "install tool", "up registry"]


def test_downloads_alone_are_asked_for(
    known: dict[str, FakePart], log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every package installed the question is still asked for what a part would download."""
    terminal(monkeypatch, "n")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(packages, "missing", lambda wanted: [])

    with pytest.raises(Unavailable, match="declined"):
        commands.run("up", ["docker"], as_json=False, yes=False)

    assert log == ["needs docker"]


def test_down_goes_on_after_a_failure(known: dict[str, FakePart], log: list[str]) -> None:
    """One stuck part does not keep the other up, and is named in the end."""
    known["registry"].broken = True

    with pytest.raises(VmlabError, match="registry is stuck"):
        commands.run("down", [], as_json=False, yes=False)

    assert log == ["down docker"]


def test_each_failure_of_down_keeps_its_next_command(
    known: dict[str, FakePart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failure is raised as it is; of several each has its next command in the text."""

    def stuck(name: str) -> Callable[..., None]:
        def down(say: object, *, force: bool) -> None:
            raise VmlabError(f"{name} is stuck", f"look at {name}")

        return down

    monkeypatch.setattr(known["registry"], "down", stuck("registry"))
    with pytest.raises(VmlabError, match=r"^registry is stuck$") as one:
        commands.run("down", [], as_json=False, yes=False)
    monkeypatch.setattr(known["docker"], "down", stuck("docker"))
    with pytest.raises(VmlabError) as both:
        commands.run("down", [], as_json=False, yes=False)

    assert one.value.next_command == "look at registry"
    assert str(both.value).splitlines() == [
        "registry is stuck",
        "  try: look at registry",
        "docker is stuck",
        "  try: look at docker",
    ]


def test_wrong_use_names_what_there_is(known: dict[str, FakePart]) -> None:
    """Unknown parts and verbs are wrong use, before anything is done."""
    with pytest.raises(InvalidInput, match="podman; known parts: docker, registry"):
        commands.run("up", ["podman"], as_json=False, yes=True)
    with pytest.raises(InvalidInput, match="status"):
        commands.run("restart", [], as_json=False, yes=True)


def test_doctor_json(
    known: dict[str, FakePart], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each check has the same fields; what is missing has a fix, and makes the exit code 1."""
    monkeypatch.setattr(accelerator, "some_kernel", lambda: None)  # no guest is booted for this
    code = commands.run("doctor", [], as_json=True, yes=False)
    found = json.loads(capsys.readouterr().out)

    assert code == 1
    assert [check["name"] for check in found] == [
        "python", "root", "cgroups", "docker", "registry", "virtlogd", "qemu", "dnsmasq", "binding", "build", "disk", "kvm",
        "engine",
    ]  # fmt: skip
    assert all(sorted(check) == ["detail", "fix", "name", "state"] for check in found)
    assert all(check["fix"] for check in found if check["state"] == "missing")


def test_doctor_looks_at_the_machine(
    known: dict[str, FakePart], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk and absent control groups are missing; KVM that is not proven is absent, and why is said."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mounts").write_text("")
    monkeypatch.setattr(doctor, "FREE_WANTED", 2**62)
    monkeypatch.setenv("VMLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(accelerator.access, "DEVICE", tmp_path / "dev/kvm")
    monkeypatch.setattr(accelerator, "some_kernel", lambda: tmp_path / "vmlinux")
    found = {check.name: check for check in doctor.checks(tmp_path)}
    assert (found["kvm"].state, found["cgroups"].state, found["disk"].state) == (
        "absent",
        "missing",
        "missing",
    )

    assert found["kvm"].detail.startswith("there is no /dev/kvm")

    monkeypatch.setattr(accelerator, "some_kernel", lambda: None)
    unproven = {check.name: check for check in doctor.checks(tmp_path)}["kvm"]
    assert (unproven.state, unproven.detail.partition(":")[0], unproven.fix) == (
        "absent",
        "not proven",
        "vmlab host up guest",
    )
