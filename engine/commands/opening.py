"""Opening what a command works on: the project around a folder, its backend, one stack with its configuration."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from engine.errors import WrongUse
from engine.session import Session
from engine.state.backend import Backend, open_backend
from engine.workspace import config as configuration
from engine.workspace import project as projects
from engine.workspace import stack_file
from engine.workspace.project import Project


def open_project(options: argparse.Namespace, *, stack: bool = False) -> tuple[Project, Backend]:
    """The project around the working folder, and where its states are. `stack`: the options must name one."""
    directory = Path(options.cwd)
    if not directory.is_dir():
        raise WrongUse(f"no such folder: {directory}")
    project = replace(projects.load(projects.find(directory)), config_file=options.config_file)
    url = os.environ.get("PULUMI_BACKEND_URL") or project.backend_url
    backend = open_backend(url, os.environ)
    if stack and not options.stack:
        raise WrongUse("no stack was named", "--stack NAME")
    return project, backend


def open_session(options: argparse.Namespace, *, must_exist: bool = False) -> Session:
    """The stack that the options name. WrongUse when there is none, with the ones there are."""
    project, backend = open_project(options)
    if not options.stack:
        raise WrongUse("no stack was named", f"--stack with one of: {_known(project, backend)}")
    path = project.stack_file(options.stack)
    exists = backend.exists(project.name, options.stack)
    if not exists and (must_exist or not path.exists()):
        raise WrongUse(
            f"no stack {options.stack!r} of project {project.name!r}; there are: {_known(project, backend)}",
            f"python -m engine stack init --stack {options.stack}",
        )
    return Session(project, options.stack, backend, os.environ)


def load_config(session: Session) -> None:
    """Resolve the stack's configuration into the session."""
    file = stack_file.read(session.project.stack_file(session.name))
    session.config = configuration.resolve(session.project, file, session.open_cipher)


def _known(project: Project, backend: Backend) -> str:
    """Stacks with a state or a configuration file."""
    names = {entry.stack for entry in backend.stacks(project.name)}
    folder = project.root / project.stack_config_dir
    names |= {path.stem.removeprefix("Pulumi.") for path in folder.glob(f"Pulumi.*{project.path.suffix}")}
    return ", ".join(sorted(names)) or "none yet"
