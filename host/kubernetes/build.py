"""Builds the cluster's programs from pinned Go modules: once, announced, with progress, all or none.

The cache is keyed by the module's own files (go.mod, go.sum, *.go) and this recipe. Which Go compiled it does not count,
so that an upgrade of Go builds nothing again. Modules and objects of the compiler (4 GB) are removed when it is done. Out of
scope: other versions at the same time.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import signal
import time
from pathlib import Path

from host.kubernetes import layout, toolchain
from host.reporting import Say
from machine import commands, files, locks, places, processes
from machine.errors import UnfitMachine, VmlabError
from machine.waiting import Deadline

VERSION = "v1.35.4"
PROGRAMS = (
    "coredns",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubeadm",
    "kubectl",
    "kubelet",
    "metrics-server",
)
BINARY = "kubernetes"
# Measured: 3.4 GB of objects, 0.7 GB of modules, 0.2 GB of programs; the linker needs some.
FREE_WANTED = 6 * 2**30
FETCH_SECONDS, BUILD_SECONDS = 900, 2400
SAY_EVERY_SECONDS = 30
PAUSE = 0.2
_UNFINISHED = ".building-"


def folder() -> Path:
    """Where the programs are, or will be."""
    return base() / key()


def program(name: str) -> str:
    """The path by which the one binary acts as a program."""
    return str(folder() / "bin" / name)


def base() -> Path:
    """All builds."""
    return layout.cache()


def is_built() -> bool:
    """Whether the programs are there; a build's folder gets its name last."""
    return (folder() / "build.json").exists()


@functools.cache
def key() -> str:
    """What the programs follow from."""
    sources = (path for path in sorted(toolchain.SOURCE.iterdir()) if path.suffix in (".go", ".mod", ".sum"))
    parts = [path.read_bytes() for path in sources]
    parts += [" ".join(_flags()).encode(), " ".join(PROGRAMS).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def minutes() -> float:
    """How long a build takes here. Measured: 10 minutes of one core, and one for modules and the link."""
    return 10 / (os.cpu_count() or 1) + 1


def ensure(say: Say) -> None:
    """Build unless it is done; UnfitMachine, before anything is fetched, where there is no room or no Go."""
    if is_built():
        return
    base().mkdir(parents=True, exist_ok=True)
    with locks.held("kubernetes-build", FETCH_SECONDS + BUILD_SECONDS):
        _clear(say)
        if is_built():
            return
        refuse_small_disk()
        go = toolchain.go(say)
        say(f"kubernetes: building Kubernetes {VERSION} from source, about {minutes():.0f} minutes, once")
        _build(go, say)


def refuse_small_disk() -> None:
    """UnfitMachine if something is to be built and there is no room for it."""
    if is_built():
        return
    existing = next(path for path in (base(), *base().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < FREE_WANTED:
        have, need = f"{free / 2**30:.1f} GiB are free under {base()}", f"{FREE_WANTED / 2**30:.0f}"
        fix = f"free some space under {base()}, or move VMLAB_HOME to a larger disk"
        raise UnfitMachine(f"kubernetes: {have}, and building takes {need}", fix)


def downloads() -> list[str]:
    """What `ensure` would fetch; nothing when the programs are built."""
    modules = f"the Go modules of Kubernetes {VERSION} (0.7 GB, removed after the build)"
    return [] if is_built() else [*toolchain.downloads(), modules]


def _build(go: str, say: Say) -> None:
    fresh = base() / f"{_UNFINISHED}{key()}"
    fresh.mkdir()
    started = time.monotonic()
    try:
        total = _fetch(go, fresh, say)
        _compile(go, fresh, total, say)
        _name(fresh, started, go)
    finally:
        _remove(fresh)
    _forget_old(say)
    say(f"kubernetes: built ({time.monotonic() - started:.0f} s)")


def _fetch(go: str, fresh: Path, say: Say) -> int:
    """Fetch the modules; how many packages there are to compile."""
    say("kubernetes: fetching the modules")
    command = [go, "-C", str(toolchain.SOURCE), "list", "-deps", "."]
    listed = commands.run(command, timeout_seconds=FETCH_SECONDS, environment=_environment(fresh))
    return len(listed.splitlines())


def _compile(go: str, fresh: Path, total: int, say: Say) -> None:
    """With lower priority, and ended with this process: a killed `up` leaves no compiler behind."""
    log = fresh / "build.log"
    target = str(fresh / BINARY)
    command = ["nice", "setpriv", "--pdeathsig", "TERM", "--", go, "-C", str(toolchain.SOURCE), "build", "-v"]
    pid = commands.spawn([*command, *_flags(), "-o", target, "."], log=log, environment=_environment(fresh))
    deadline, report = Deadline(BUILD_SECONDS), Deadline(SAY_EVERY_SECONDS)
    try:
        while (code := commands.ended(pid)) is None:
            if not deadline.pause(PAUSE):
                raise VmlabError(f"kubernetes: not built after {BUILD_SECONDS} s\n{_last(log)}")
            if report.passed:
                compiled = log.read_text(errors="replace").count("\n")
                say(f"kubernetes: {compiled} of {total} packages compiled")
                report = Deadline(SAY_EVERY_SECONDS)
    finally:
        if commands.ended(pid) is None:
            os.killpg(pid, signal.SIGKILL)  # the compilers too: spawn made it a session of its own
    if code:
        end = f"{_last(log)}\n  next: vmlab host up kubernetes"
        raise VmlabError(f"kubernetes: go build: exit code {code}\n{end}")


def _name(fresh: Path, started: float, go: str) -> None:
    """The programs as links to the one binary; the folder gets its name when all is in it."""
    whole = fresh / "whole"
    (whole / "bin").mkdir(parents=True)
    (fresh / BINARY).rename(whole / BINARY)
    for name in PROGRAMS:
        (whole / "bin" / name).symlink_to(f"../{BINARY}")
    version = commands.run([go, "env", "GOVERSION"], timeout_seconds=20, environment=_environment(fresh))
    facts = {
        "kubernetes": VERSION,
        "go": version.strip(),
        "seconds": round(time.monotonic() - started, 1),
        "bytes": (whole / BINARY).stat().st_size,
    }
    files.write_json(whole / "build.json", facts)
    whole.rename(folder())


def _flags() -> list[str]:
    package = "k8s.io/component-base/version"
    _, minor, _ = VERSION.split(".")
    values = {"gitVersion": VERSION, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    linked = " ".join(f"-X {package}.{name}={value}" for name, value in values.items())
    return ["-trimpath", "-buildvcs=false", f"-ldflags=-s -w {linked}"]


def _environment(fresh: Path) -> dict[str, str]:
    """GOPROXY is the machine's own setting."""
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOMODCACHE": str(fresh / "modules"),
        "GOCACHE": str(fresh / "objects"),
        "GOTMPDIR": str(places.make(fresh / "temporary")),
    }


def _clear(say: Say) -> None:
    for left in base().glob(f"{_UNFINISHED}*"):
        say(f"kubernetes: removing {left.name}, which an interrupted build left")
        _remove(left)


def _forget_old(say: Say) -> None:
    """Builds of other sources, 160 MB each, unless something of them runs."""
    running = [words[0] for pid in processes.pids() if (words := processes.command(pid))]
    for path in base().iterdir():
        old = re.fullmatch(r"[0-9a-f]{16}", path.name) and path != folder()
        if old and not any(word.startswith(f"{path}/") for word in running):
            say(f"kubernetes: removing {path.name}, an old build")
            _remove(path)


_remove = functools.partial(shutil.rmtree, ignore_errors=True)


def _last(log: Path) -> str:
    return commands.last_lines(log.read_text(errors="replace")) if log.exists() else "  (no log)"
