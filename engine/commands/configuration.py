"""config: list, get, set and remove values in the stack's file."""

from __future__ import annotations

import argparse
import json
import os
import sys

from engine.commands.opening import open_project
from engine.errors import WrongUse
from engine.state.checkpoint import load
from engine.state.secrets import Cipher, read_passphrase
from engine.workspace import config, stack_file
from engine.workspace.stack_file import StackFile


def run(options: argparse.Namespace) -> int:
    """Dispatch on the action."""
    project, backend = open_project(options, stack=True)
    file = stack_file.read(project.stack_file(options.stack))
    if options.action is None or options.action == "list":
        return _list(options, file, project.name)
    key = config.full_key(project.name, options.key, path=options.path)
    if options.action == "set":
        if not file.salt and options.secret and backend.exists(project.name, options.stack):
            # One salt a stack: the state's, so that one passphrase check covers both.
            file.salt = load(backend.read(project.name, options.stack), _open).salt
        cipher = _cipher(file) if options.secret else None
        config.set_value(file, key, _value(options), cipher)
        stack_file.save(file)
        return 0
    if options.action == "rm":
        if not config.remove(file, key):
            raise WrongUse(f"{file.path}: no config key {options.key!r}")
        stack_file.save(file)
        return 0
    return _get(file, key, options)


def _get(file: StackFile, key: tuple[str, tuple[str | int, ...]], options: argparse.Namespace) -> int:
    try:
        value, _ = config.get(file, key, _open)
    except KeyError:
        raise WrongUse(f"{file.path}: no config key {options.key!r}") from None
    print(json.dumps(value) if options.json else config.as_text(value))
    return 0


def _list(options: argparse.Namespace, file: StackFile, project: str) -> int:
    shown = {}
    for name, value in sorted(file.config.items()):
        hidden = config.has_secret(value) and not options.show_secrets
        plain = "[secret]" if hidden else config.as_text(config.decrypted(value, file, _open))
        shown[name.removeprefix(f"{project}:")] = plain
    if options.json:
        print(json.dumps(shown, indent=2))
        return 0
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        print(f"{name:<{width}}  {text}")
    return 0


def _value(options: argparse.Namespace) -> str:
    if options.value not in (None, "-"):
        return str(options.value)
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("value: ") if options.secret else input("value: ")
    return sys.stdin.read().rstrip("\n")


def _open(salt: str) -> Cipher:
    return Cipher.open(salt, read_passphrase(os.environ))


def _cipher(file: StackFile) -> Cipher:
    cipher = _open(file.salt) if file.salt else Cipher.create(read_passphrase(os.environ))
    cipher.check()
    return cipher
