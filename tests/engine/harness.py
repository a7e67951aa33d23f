"""One Pulumi project on disk, driven by the real command `python -m engine` in a process of its own.

After every command the state is checked: it parses, it keeps Pulumi's rules, and the project's canary, a secret that
tests may hand to the program, is in no file of the backend. Left out: the providers (`fake_provider`, `thing`).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

from engine import urn as urns
from engine.state import checkpoint
from engine.state.resource import Resource
from engine.state.secrets import Cipher
from engine.state.snapshot import Snapshot, problems

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 60.0  # no command of these tests takes longer, or it hangs
SETTINGS = "name: tested\nruntime: python\n"
PASSPHRASE = "a passphrase of the tests"

# What every program starts with: the fake provider's resource, an explicit provider of it, and a component.
PRELUDE = '''"""Classes that the tests' programs are made of."""
import pulumi
from pulumi import Output, ResourceOptions, export

class Thing(pulumi.CustomResource):
    def __init__(self, called, opts=None, **props):
        super().__init__("fake:index:Thing", called, {"out": None, **props}, opts)

class Other(pulumi.CustomResource):
    def __init__(self, called, opts=None, **props):
        super().__init__("fake:index:Other", called, {"out": None, **props}, opts)

class Provider(pulumi.ProviderResource):
    def __init__(self, called, opts=None, **config):
        super().__init__("fake", called, config, opts)

class Group(pulumi.ComponentResource):
    def __init__(self, called, opts=None, **props):
        super().__init__("tested:index:Group", called, props, opts)
'''


class Run:
    """What a command did: its exit code, what it printed, and with --json what that says."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The events of --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def steps(self) -> list[str]:
        """Finished steps that did something, as `op name`, in the order in which they ended."""
        return [f"{step['op']} {urns.name_of(step['urn'])}" for step in self._done if step["op"] != "same"]

    @property
    def changes(self) -> dict[str, int]:
        """Resources by operation, of the last summary, without the stack's own and what is as it was."""
        changes = Counter(self._summary["resourceChanges"])
        changes -= Counter([step["op"] for step in self._steps if step["type"] == urns.STACK_TYPE][-1:])
        return {op: n for op, n in changes.items() if op not in ("same", "read")}

    @property
    def corrupt(self) -> bool:
        """Whether the run says that the state may not tell the whole truth."""
        return bool(self._summary["maybeCorrupt"])

    def said(self, severity: str) -> list[str]:
        """The words of one severity."""
        found = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        return [diagnostic["message"] for diagnostic in found if diagnostic["severity"] == severity]

    @property
    def error(self) -> str:
        """The one error that was reported."""
        (message,) = self.said("error")
        return message

    @property
    def _done(self) -> list[dict[str, Any]]:
        return [step for step in self._steps if step["type"] != urns.STACK_TYPE]

    @property
    def _steps(self) -> list[dict[str, Any]]:
        return [event["resOutputsEvent"]["metadata"] for event in self.events if "resOutputsEvent" in event]

    @property
    def _summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = [e["summaryEvent"] for e in self.events if "summaryEvent" in e][-1]
        return summary


class Project:
    """A project with one stack, `dev`, its own backend and passphrase."""

    def __init__(self, root: Path) -> None:
        self.root = root / "project"
        self.backend = root / "backend"
        self.world = self.root / "world"  # the dynamic provider's
        self.canary = f"canary-{secrets.token_hex(12)}"
        dropped = (
            "PULUMI_",
            "PYTHONDONTWRITEBYTECODE",
        )  # the latter would have every command compile the engine
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(dropped)},
            "PYTHONPATH": str(ROOT),
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_STACK": "dev",
        }
        self.root.mkdir()
        self.world.mkdir()
        (self.root / "Pulumi.yaml").write_text(SETTINGS)
        (self.root / "Pulumi.dev.yaml").write_text("config: {}\n")
        (self.root / "prelude.py").write_text(PRELUDE)
        shutil.copy(Path(__file__).with_name("thing.py"), self.root / "thing.py")

    # -- running

    def program(self, *lines: str) -> Project:
        """Write the program."""
        text = "\n".join(["from prelude import *", *lines])
        (self.root / "__main__.py").write_text(text + "\n")
        # Python would take the compiled program of the same second and size for this one's.
        shutil.rmtree(self.root / "__pycache__", ignore_errors=True)
        return self

    def run(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Run:
        """Run a command to its end; the exit code must be `code`."""
        return self.finished(self.start(*arguments), code, stdin)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *arguments],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finished(self, child: subprocess.Popen[str], code: int = 0, stdin: str | None = None) -> Run:
        """Wait for a command that was begun, and check what it left behind."""
        try:
            out, err = child.communicate(stdin, timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"the command hangs\n{out}\n{err}") from None
        assert child.returncode == code, f"exit code {child.returncode}, not {code}\n{out}\n{err}"
        assert "Traceback (most recent call last)" not in err, err
        self.check()
        return Run(child.returncode, out, err)

    def up(self, *arguments: str, code: int = 0) -> Run:
        """`up` without the preview before it, with events."""
        return self.run("up", "--skip-preview", "--json", *arguments, code=code)

    def preview(self, *arguments: str, code: int = 0) -> Run:
        """`preview` with events."""
        return self.run("preview", "--json", *arguments, code=code)

    def refresh(self, *arguments: str, code: int = 0) -> Run:
        """`refresh` with events."""
        return self.run("refresh", "--json", *arguments, code=code)

    def destroy(self, *arguments: str, code: int = 0) -> Run:
        """`destroy` without the preview before it, with events."""
        return self.run("destroy", "--skip-preview", "--json", *arguments, code=code)

    # -- the state

    @property
    def state_file(self) -> Path:
        """Where the stack's state is."""
        return self.backend / ".pulumi" / "stacks" / "tested" / "dev.json"

    def state(self) -> Snapshot:
        """The state as it is on the disk."""
        return checkpoint.load(self.state_file.read_bytes(), lambda salt: Cipher.open(salt, PASSPHRASE))

    def resource(self, name: str) -> Resource:
        """The one living state of a name."""
        (found,) = [r for r in self.state().resources if urns.name_of(r.urn) == name and not r.delete]
        return found

    def names(self) -> list[str]:
        """The names in the state, in its order, without the stack and its default providers."""
        listed = [urns.name_of(resource.urn) for resource in self.state().resources]
        return [name for name in listed if name != "tested-dev" and not name.startswith("default")]

    def pending(self) -> list[str]:
        """What is under way according to the state, as `type name`."""
        return [f"{op.type} {urns.name_of(op.resource.urn)}" for op in self.state().pending]

    def urn(self, name: str, type_: str = "fake:index:Thing") -> str:
        """The URN of a resource that has no parent."""
        return f"urn:pulumi:dev::tested::{type_}::{name}"

    def check(self) -> None:
        """The state is sound and tells no secret."""
        if self.state_file.exists():
            assert problems(self.state()) == []
        for path in self.backend.rglob("*"):
            assert not path.is_file() or self.canary.encode() not in path.read_bytes(), path

    # -- the dynamic provider's world (see `thing`)

    def log(self) -> list[str]:
        """What the dynamic provider was asked to change, as `create name`, in order."""
        path = self.world / "log"
        return path.read_text().splitlines() if path.exists() else []

    def things(self) -> dict[str, Any]:
        """The things that exist, by name."""
        return {path.stem: json.loads(path.read_text()) for path in sorted(self.world.glob("*.thing"))}

    def fault(self, call: str, what: str) -> None:
        """Let the dynamic provider's next call (`create name`) go wrong; see `thing` for the ways."""
        (self.world / f"{call}.fault").write_text(what)

    def end(self, child: subprocess.Popen[str]) -> None:
        """Kill the engine, and nothing else, as a power cut would; the state must be sound all the same."""
        child.kill()
        child.communicate()
        self.check()


def command_line_error(run: Run) -> str:
    """The message of a command that was refused: one clear line, and perhaps one that says what to type."""
    first, *rest = run.err.strip().splitlines()
    assert first.startswith("error: "), run.err
    assert all(line.startswith("  try: ") for line in rest), run.err
    assert len(rest) <= 1
    return first.removeprefix("error: ")
