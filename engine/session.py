"""An opened stack: its project, configuration, state, cipher, lock and providers, for the length of one command."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import WrongUse
from engine.private_directory import PrivateDirectory
from engine.program.source import Program, ProgramSource
from engine.providers.loading import Loader, default_environment
from engine.state import checkpoint
from engine.state.backend import Backend
from engine.state.secrets import Cipher, read_passphrase
from engine.state.snapshot import Snapshot
from engine.workspace.config import StackConfig
from engine.workspace.project import Project


class Session:
    """One stack, opened. `close` ends what was started and removes the private directory."""

    def __init__(self, project: Project, name: str, backend: Backend, environment: Mapping[str, str]) -> None:
        self.project = project
        self.name = name
        self.backend = backend
        self.config = StackConfig({}, set())
        self.snapshot = Snapshot()
        self._environment = environment
        self._cipher: Cipher | None = None
        self._directory = PrivateDirectory()
        self._numbers = itertools.count()
        self._sources: list[ProgramSource] = []
        self.closing: list[Callable[[], None]] = []  # called first when the session is closed
        child_environment = default_environment() | {"PULUMI_PROJECT": project.name}
        self._program = Program(project.program, project.root, _interpreter(project), child_environment)
        self.loader = Loader(
            self._directory.path, self._program.interpreter, self._program.directory, child_environment
        )

    # -- state

    @property
    def reference(self) -> str:
        """The name the state files carry."""
        return f"organization/{self.project.name}/{self.name}"

    def exists(self) -> bool:
        """Whether the backend has a state of this stack."""
        return self.backend.exists(self.project.name, self.name)

    def read(self) -> None:
        """Load the state; WrongUse when it is broken or the passphrase is wrong."""
        data = self.backend.read(self.project.name, self.name)
        self.snapshot = checkpoint.load(data, self.open_cipher)

    def write(self, snapshot: Snapshot) -> None:
        """Save a state."""
        snapshot.salt = snapshot.salt or (self._cipher.salt if self._cipher else "")
        data = checkpoint.dump(snapshot, self.reference, self.cipher)
        self.backend.write(self.project.name, self.name, data)

    # -- secrets

    def open_cipher(self, salt: str) -> Cipher:
        """The cipher for a salt; the last one opened (the stack file's, where it has one) encrypts what is new."""
        self._cipher = Cipher.open(salt, read_passphrase(self._environment))
        return self._cipher

    def cipher(self) -> Cipher:
        """The stack's cipher, made when the stack has none yet."""
        if self._cipher is None:
            self._cipher = Cipher.create(read_passphrase(self._environment))
        return self._cipher

    # -- running

    def prepare_program(self) -> ProgramSource:
        """Start an interpreter that waits to run the program. WrongUse when there is no program."""
        path = self._program.path
        path = path / "__main__.py" if path.is_dir() else path
        if not path.exists():
            raise WrongUse(f"there is no program at {path}")
        source = ProgramSource(self._program)
        self._sources.append(source)
        return source

    def end_programs(self) -> None:
        """End every program, prepared or running."""
        for source in self._sources:
            source.discard()

    def socket(self, name: str) -> Path:
        """A new socket's path in the private directory."""
        return self._directory.path / f"{name}-{next(self._numbers)}.sock"

    def close(self) -> None:
        """End programs and providers."""
        for close in self.closing:
            close()
        self.end_programs()
        self.loader.close()
        self._directory.close()


def _interpreter(project: Project) -> str:
    """The project's own Python when it names a virtual environment, else the engine's."""
    if project.virtualenv is None:
        return sys.executable
    python = project.virtualenv / "bin" / "python"
    if not python.exists():
        command = f"python3 -m venv {project.virtualenv} && {python} -m pip install -r requirements.txt"
        raise WrongUse(f"{project.path}: the virtualenv {project.virtualenv} does not exist", command)
    return str(python)
