"""`vmlab test`: sets up what the chosen tests need, runs them in phases, and prints one result.

    without daemons  everything but tests/live, spread over the processors
    side by side     tests/live, one group of tests for each thing that they share, each in a process (tests/groups.py)
    alone            tests that time something or read the whole machine, one after the other

Arguments go to pytest; paths choose the phases and the parts of the host that are set up. A part that cannot run here is
reported; its tests then skip, or, with CI=true, fail. The last line counts the tests of all phases. Out of scope: which
test is in which group.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from lab.deploying.engines import ROOT
from machine.commands import attached

LIVE = "tests/live"
NOTHING_COLLECTED = 5  # of pytest's exit codes; 2 is an interrupt
INTERRUPTED = 2
# Emulated guests hung in their kernel now and then while other groups used the processors; how often, and why, is not known.
# What failed side by side therefore runs once more by itself, if it is this little, and the result reports it.
REPEATED_AT_MOST = 5
WAITING_AT_ONCE = 4  # live tests mostly wait: two for each of two processors
# What the folders of tests/live use, in the order in which `host up` starts them. The tools are Debian packages that only
# the tests need: a static program for images and pods, and a reader of initial RAM disks.
PARTS = ("docker", "registry", "artifact", "libvirt", "guest", "kubernetes")
TOOLS = (("busybox-static", "busybox"), ("cpio", "cpio"), ("curl", "curl"))
NEEDS = {
    "artifact": "registry artifact",
    "docker_provider": "docker registry",
    "host": "docker registry libvirt kubernetes",
    "kubernetes": "registry artifact kubernetes",
    "kubernetes_provider": "registry artifact kubernetes",
    "lab": "docker registry artifact libvirt guest kubernetes",
    "ladder": "docker registry artifact libvirt guest",
    "libvirt_provider": "registry artifact libvirt guest",
    "namespaces": "registry artifact libvirt guest",
    "official": "docker",
    "vm": "docker registry artifact libvirt guest",
    "whole": "docker",
}


@dataclass(frozen=True)
class Phase:
    """One run of pytest: its name, what it is given, and how many processes it may use."""

    name: str
    paths: tuple[str, ...]
    mark: str
    processes: int = 0
    spread: tuple[str, ...] = ()  # how tests are given to the processes
    options: tuple[str, ...] = ()
    repeats: bool = False  # whether a few tests that fail are run once more, one after the other


def run(arguments: list[str]) -> int:
    """Set up, run the phases, print the result; the worst exit code of pytest."""
    os.chdir(ROOT)
    paths, options = _split(arguments)
    parts = parts_for(paths)
    if parts:
        _set_up(parts)
    started, counts, codes = time.monotonic(), Counter[str](), list[int]()
    with tempfile.TemporaryDirectory(prefix="vmlab-suite-") as folder, _interrupts_left_to_pytest():
        for phase in phases_for(paths):
            report = Path(folder) / f"{len(codes)}.xml"
            code, counted = _run(phase, options, report), _counted(phase, report)
            if code == 1 and phase.repeats and _failed(counted) <= REPEATED_AT_MOST:
                code, counted = _repeated(phase, options, report, counted)
            codes.append(code)
            counts += counted
            if codes[-1] == INTERRUPTED or (codes[-1] == 1 and {"-x", "--exitfirst"} & set(options)):
                break
        _merge(sorted(Path(folder).glob("*.xml")), _option(options, "--junitxml"))
    sys.stdout.write(f"\nsuite: {time.monotonic() - started:.0f} s, {counts['skipped']} skipped\n")
    sys.stdout.write(f"{_passed(counts)} passed, {_failed(counts)} failed\n")
    return worst(codes)


def parts_for(paths: Sequence[str]) -> list[str]:
    """The parts of the host that tests of these paths need, in their order."""
    needed = {part for path in paths for part in _parts_of(path)}
    return [part for part in PARTS if part in needed]


def phases_for(paths: Sequence[str]) -> list[Phase]:
    """What to run for these paths: one file or test in one process, more than that side by side."""
    plain = tuple(path for path in paths if not path.startswith(LIVE))
    live = tuple(path for path in paths if path.startswith(LIVE)) or ((LIVE,) if "tests" in paths else ())
    processors = os.cpu_count() or 1
    phases = []
    if plain:
        several = processors + 1 if _many(plain) else 0
        phases.append(
            Phase("without daemons", plain, "not live", several, ("--dist", "worksteal"), ("--ignore", LIVE))
        )
    if live:
        several = max(WAITING_AT_ONCE, processors) if _many(live) else 0
        phases.append(
            Phase(
                "side by side",
                live,
                "live and not alone",
                several,
                ("--dist", "loadgroup", "--no-loadscope-reorder"),
                repeats=True,
            )
        )
        phases.append(Phase("alone", live, "alone"))
    return phases


def worst(codes: Sequence[int]) -> int:
    """Pytest's exit code for all phases: that none found a test counts only where no phase found one."""
    ran = [code if code >= 0 else 1 for code in codes if code != NOTHING_COLLECTED]  # below 0: a signal's
    return max(ran) if ran else NOTHING_COLLECTED


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Paths, without one all tests; and what else is given to pytest."""
    paths = [argument.removeprefix("./").rstrip("/") for argument in arguments if _is_path(argument)]
    return paths or ["tests"], [argument for argument in arguments if not _is_path(argument)]


def _is_path(argument: str) -> bool:
    return argument.removeprefix("./").partition("/")[0] == "tests"


def _parts_of(path: str) -> list[str]:
    folders = path.partition("::")[0].split("/")
    if folders == ["tests"] or folders == ["tests", "live"]:
        return list(PARTS)
    return NEEDS.get(folders[2], "").split() if folders[:2] == ["tests", "live"] else []


def _many(paths: Sequence[str]) -> bool:
    return len(paths) > 1 or ".py" not in paths[0]


def _set_up(names: Sequence[str]) -> None:
    """Part by part: one that is not available here must not keep the others down. A failed one ends the run."""
    from host import packages, parts
    from host.commands import verbs
    from machine.errors import Unavailable

    tools = packages.missing([packages.Package(*tool) for tool in TOOLS])
    if tools and os.geteuid() == 0:
        packages.install(tools, verbs.progress)
    for name in names:
        try:
            verbs.run("up", [parts.KNOWN[name].NAME], as_json=False, yes=True)
        except Unavailable as error:
            if os.environ.get("CI"):
                raise
            sys.stderr.write(f"{name}: not set up: {error}\n")


def _run(phase: Phase, options: Sequence[str], report: Path) -> int:
    """Run pytest; its exit code. `-m` and `-n` of the user are kept beside, or instead of, ours."""
    mark = _option(options, "-m")
    rest = [option for option in options if not option.startswith("--junitxml")]
    command = [sys.executable, "-m", "pytest", *phase.paths, *phase.options, *rest, f"--junitxml={report}"]
    command += ["-m", f"({phase.mark}) and ({mark})" if mark else phase.mark]
    if phase.processes and not any(
        option.startswith(("-n", "--numprocesses", "--pdb")) for option in options
    ):
        command += ["-n", str(phase.processes), *phase.spread]
    sys.stdout.write(f"\nsuite: {phase.name}\n")
    sys.stdout.flush()
    return attached(command, environment=os.environ, directory=ROOT, output=sys.stdout)


def _repeated(
    phase: Phase, options: Sequence[str], report: Path, counted: Counter[str]
) -> tuple[int, Counter[str]]:
    """Run what failed once more by itself: the exit code, and the counts of the phase with the result of that."""
    alone = Phase("what failed side by side, alone", phase.paths, "live", options=("--last-failed",))
    again = report.with_suffix(".again")
    code = _run(alone, options, again)
    if code == 0:
        sys.stdout.write(f"suite: {_failed(counted)} failed side by side and passed alone\n")
        counted = Counter({**counted, "failures": 0, "errors": 0})
    return (code if code == 0 else 1), counted


def _failed(counts: Counter[str]) -> int:
    return counts["failures"] + counts["errors"]


def _counted(phase: Phase, report: Path) -> Counter[str]:
    """How many tests ended how, from pytest's own report; one error where it wrote none."""
    counts = Counter[str]()
    if not report.exists():
        sys.stdout.write(f"suite: {phase.name}: pytest ended without a report\n")
        return Counter({"tests": 1, "errors": 1})
    for suite in ElementTree.parse(report).iter("testsuite"):
        for name in ("tests", "failures", "errors", "skipped"):
            counts[name] += int(suite.get(name, 0))
    return counts


def _passed(counts: Counter[str]) -> int:
    return counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]


def _merge(reports: Sequence[Path], into: str) -> None:
    """The reports of all phases as the one file that the user asked for."""
    if into:
        whole = ElementTree.Element("testsuites")
        for report in reports:
            whole.extend(ElementTree.parse(report).getroot())
        ElementTree.ElementTree(whole).write(into, encoding="utf-8", xml_declaration=True)


def _option(options: Sequence[str], name: str) -> str:
    """The value of an option, given as `--name=value` or `-m value`; empty where it is not given."""
    for place, option in enumerate(options):
        if option.startswith(f"{name}="):
            return option.partition("=")[2]
        if option == name:
            return "".join(options[place + 1 : place + 2])
    return ""


@contextmanager
def _interrupts_left_to_pytest() -> Iterator[None]:
    """Ctrl-C reaches pytest too, which ends its tests in order; a child does not inherit a handler."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
