"""The probe as a program: compiled once, kept by the content of its source, carried in an environment variable.

Names and numbers of the system calls are those of this machine's kernel headers, so no table of ours can become outdated.
Out of scope: other compilers than gcc, which the artifact is made with too.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path

from machine import places
from machine.commands import run
from machine.errors import Unavailable, VmlabError

SOURCES = ("probe.c", "bare.h", "limits.h")
NAME = "vmlab-probe"
VARIABLE = "VMLAB_PROBE"
FLAGS = (
    "-Os", "-s", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
    "-fno-pie", "-no-pie", "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror",
)  # fmt: skip
# Runs in the artifact's interpreter, which has no ctypes, no zlib and no base64. A file in memory needs no directory that is
# writable and may be executed from. One line, because a guest's command is a file with a word a line.
LOADER = (
    f"import os;e=dict(os.environ);f=os.memfd_create('{NAME}');"
    f"os.write(f,bytes.fromhex(e.pop('{VARIABLE}')));os.execve(f,['{NAME}'],e)"
)
_HERE = Path(__file__).parent
_FIX = "apt-get install gcc libc6-dev linux-libc-dev"


def instead_of(command: list[str]) -> list[str]:
    """The command with its script replaced by what loads the probe; Unavailable for a service that is not ours."""
    if "-S" not in command[:-1]:
        raise Unavailable(
            "the probe is carried by the interpreter of the lab's own service, which this one does not have",
            "vmlab up the stack without `service`",
        )
    return [*command[:-1], "-c", LOADER]


def environment(settings: dict[str, str]) -> dict[str, str]:
    """What the copy gets besides its own: the program, and the bounds in which it tries limits (`PROBE_...`)."""
    return {VARIABLE: program().hex(), **settings}


@cache
def program() -> bytes:
    """The compiled probe; Unavailable where there is no compiler."""
    folder = places.cache() / "boundaries" / _key()
    if not (folder / NAME).exists():
        _compile(folder)
    return (folder / NAME).read_bytes()


def _key() -> str:
    parts = [(_HERE / name).read_bytes() for name in SOURCES]
    return hashlib.sha256(b"".join([*parts, " ".join(FLAGS).encode()])).hexdigest()[:16]


def _compile(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{NAME}.{os.getpid()}"
    try:
        headers = run(["gcc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", os.devnull])
        (folder / "calls.h").write_text(calls_header(headers))
        run(["gcc", *FLAGS, "-I", str(folder), "-o", str(fresh), str(_HERE / SOURCES[0])])
    except VmlabError as error:
        raise Unavailable(f"the probe could not be compiled: {error}", _FIX) from None
    fresh.chmod(0o755)
    fresh.rename(folder / NAME)


def calls_header(headers: str) -> str:
    """Every system call that the kernel's headers define, as a table in C."""
    found = re.findall(r"^#define __NR_([a-z]\w*) (\d+)$", headers, re.MULTILINE)
    rows = "".join(f'    {{{number}, "{name}"}},\n' for name, number in found)
    return f"static const struct {{\n    short number;\n    const char *name;\n}} CALLS[] = {{\n{rows}}};\n"
