"""`kill -9` of the engine at random moments of `up`, and of the processes it starts; then the next command mends it.

A moment is drawn in each of 20 equal parts (8 without --soak) of the time that a normal `up` takes here and now, so that
start, preview, creation and end are all met. The seed is printed; VMLAB_KILL_SEED repeats a run. Which phase a moment met
is read from what the engine had said, and the counts are printed at the end.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from docker import APIClient

from tests.conftest import repetitions
from tests.live import census
from tests.live.site import Running, Site

pytestmark = pytest.mark.live
MOMENTS = repetitions(full=20, sample=8)  # in 8, each of the four ways to go on is met twice
SEED = int(os.environ.get("VMLAB_KILL_SEED") or time.time_ns() % 1_000_000)
ORPHAN_SECONDS = 2.0


class Phases:
    """How long a normal up takes, and which phases the kills have met."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.met: Counter[str] = Counter()


@pytest.fixture(scope="module")
def phases(request: pytest.FixtureRequest) -> Iterator[Phases]:
    """Shared by the kills of this module; printed at the end."""
    phases = Phases()
    yield phases
    plugins = request.config.pluginmanager
    terminal, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if terminal is not None and capture is not None and phases.met:
        met = ", ".join(f"{count} {phase}" for phase, count in sorted(phases.met.items()))
        with capture.global_and_fixture_disabled():
            terminal.write_line(f"\nkills of an up of {phases.seconds:.2f} s, seed {SEED}: {met}")


def phase_of(run: Running, site: Site) -> str:
    """Where the engine was when it was killed."""
    events = run.events()
    said = [event.get("diagnosticEvent", {}).get("message", "") for event in events]
    if not said:
        return "before it said anything"
    if not any(text.startswith("Updating") for text in said):
        return "in the preview"
    if any("summaryEvent" in event and not event["summaryEvent"]["isPreview"] for event in events):
        return "after the summary"
    pending = site.pending() if site.state_file.exists() else []
    return f"with {'creates' if pending else 'no create'} under way"


def kill_at(site: Site, seconds: float, *flags: str) -> Running:
    """Start an up and kill its engine so many seconds later; nothing it started may outlive it for long."""
    run = site.start("up", *flags)
    time.sleep(seconds)
    run.kill()
    assert site.gone(ORPHAN_SECONDS), site.processes()
    return run


def mend(site: Site) -> None:
    """The next up makes the stack whole; the one after it has nothing to do."""
    site.engine("up", "--skip-preview").good()
    assert site.pending() == []
    site.engine("preview", "--expect-no-changes").good()


def in_docker(docker: APIClient, site: Site) -> dict[str, int]:
    """How many things the stack has in Docker."""
    found = census.take(site.rows(docker))
    return {
        kind: len([i for i in found[kind] if site.stack in i])
        for kind in ("containers", "networks", "volumes")
    }


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_engine(
    site: Site, docker: APIClient, phases: Phases, moment: int, record_property: Callable[[str, object], None]
) -> None:
    """After kill -9 at a random moment nothing runs on, and one `up` or one `destroy` makes all right, nothing left over."""
    flags = [] if moment % 4 == 3 else ["--skip-preview"]  # most moments shall meet creation
    if not phases.seconds:
        start = time.monotonic()
        site.engine("up", "--skip-preview").good()
        phases.seconds = time.monotonic() - start
        site.engine("destroy", "--skip-preview").good()
    seconds = random.Random(SEED + moment).uniform(moment, moment + 1) / MOMENTS * phases.seconds
    record_property("moment", f"seed {SEED}, moment {moment}: {seconds:.3f} s of {phases.seconds:.3f} s")

    run = kill_at(site, seconds, *flags)

    phases.met[phase_of(run, site)] += 1
    if moment % 2 or not site.state_file.exists():  # there is nothing to destroy before the first write
        mend(site)
        assert in_docker(docker, site) == {"containers": 2, "networks": 1, "volumes": 1}
    site.engine("destroy", "--skip-preview").good()


def process_of(site: Site, script: str) -> int:
    """The process of this site's runs that runs a script of the engine's; 0 while there is none."""
    found = [
        pid for pid, command in site.processes().items() if script in command and "setpriv" not in command
    ]
    return found[0] if found else 0


def blocked(site: Site) -> Running:
    """An up that hangs in the create of a file: its path is a pipe that nobody reads."""
    os.mkfifo(site.file("0"))
    run = site.start("up", "--skip-preview")
    run.until(lambda: site.state_file.exists() and only_waits_on(site, "site-0"))
    return run


def only_waits_on(site: Site, name: str) -> bool:
    """Whether the create of this resource is the only operation under way, and the other nine resources are there."""
    state = site.state()
    under_way = [operation["resource"]["urn"] for operation in state.get("pending_operations", [])]
    made = [
        resource for resource in state.get("resources", []) if "pulumi:providers:" not in resource["type"]
    ]
    return len(made) == 9 and len(under_way) == 1 and under_way[0].endswith(f"::{name}")


def test_killed_engine_in_mid_create(site: Site) -> None:
    """Killed while one create is under way and all others are done, the engine's next up drops or adopts it."""
    run = blocked(site)
    run.kill()
    assert site.gone(ORPHAN_SECONDS), site.processes()
    assert site.pending() == ["creating"]

    site.file("0").unlink()
    mend(site)

    assert site.file("0").read_text() == "first"
    site.engine("destroy", "--skip-preview").good()


@pytest.mark.parametrize("follow", ["up", "destroy"])
def test_killed_engine_in_mid_build(site: Site, docker: APIClient, follow: str) -> None:
    """Killed while Docker builds the image, the engine leaves no step of that build behind after the next command."""
    recipe = site.context / "Dockerfile"
    whole = recipe.read_text()
    recipe.write_text(whole + 'RUN ["/busybox", "sleep", "20"]\n')
    before = {container["Id"] for container in docker.containers()}
    run = site.start("up", "--skip-preview")
    run.until(lambda: {c["Id"] for c in docker.containers() if "sleep 20" in c["Command"]} - before)
    run.kill()
    assert site.gone(ORPHAN_SECONDS), site.processes()

    recipe.write_text(whole)
    if follow == "up":
        mend(site)
    site.engine("destroy", "--skip-preview").good()


def test_failed_build_leaves_no_step(site: Site) -> None:
    """After a build that failed in its last step, destroy leaves nothing of the steps before."""
    recipe = site.context / "Dockerfile"
    recipe.write_text(recipe.read_text() + 'RUN ["/busybox", "false"]\n')
    failed = site.engine("up", "--skip-preview")
    assert failed.code == 1
    assert "cannot build" in failed.err
    site.engine("destroy", "--skip-preview").good()


def test_killed_dynamic_provider(site: Site) -> None:
    """When the provider dies in mid-create the run fails and says so, and the create stays known until it is settled."""
    run = blocked(site)
    os.kill(process_of(site, "providers/dynamic.py"), signal.SIGKILL)

    ended = run.wait()

    assert ended.code == 1
    assert "the provider went away" in ended.out
    assert site.pending() == ["creating"]
    site.file("0").unlink()
    mend(site)
    site.engine("destroy", "--skip-preview").good()


def test_killed_program(site: Site) -> None:
    """When the program dies in mid-up, what is under way is finished and written down, and the next up goes on."""
    run = blocked(site)
    os.kill(process_of(site, "program/executor.py"), signal.SIGKILL)
    with site.file("0").open() as pipe:
        assert pipe.read() == "first"

    ended = run.wait()

    assert ended.code == 1
    assert "the program failed" in ended.out
    assert site.pending() == []
    site.file("0").unlink()
    site.file("0").write_text("first")
    mend(site)
    site.engine("destroy", "--skip-preview").good()


def test_killed_engine_in_mid_destroy(site: Site) -> None:
    """After kill -9 in the middle of destroy, another destroy ends it."""
    site.engine("up", "--skip-preview").good()
    run = site.start("destroy", "--skip-preview")
    run.until(lambda: any("resOutputsEvent" in event for event in run.events()))
    run.kill()
    assert site.gone(ORPHAN_SECONDS), site.processes()

    site.engine("destroy", "--skip-preview").good()


def test_nothing_of_the_marks_is_guessed(site: Site) -> None:
    """The mark by which processes are found is seen in each process of a run: engine, program and provider."""
    run = blocked(site)
    commands = list(site.processes().values())
    assert (
        len([c for c in commands if any(w in c for w in ("-m engine", "executor.py", "dynamic.py"))]) == 3
    ), commands
    run.kill()
    assert site.gone(ORPHAN_SECONDS), site.processes()
    site.file("0").unlink()
    site.engine("destroy", "--skip-preview").good()
