"""`host up`, `status`, `down` with real daemons: what was there before is there afterwards, and nothing else."""

from __future__ import annotations

import pytest

from tests.live.host.conftest import Done, Sandbox

pytestmark = pytest.mark.live


def states(done: Done) -> dict[str, tuple[str, bool]]:
    """State and owner by part."""
    assert done.code == 0, done.said
    return {name: (one["state"], one["ours"]) for name, one in done.json.items()}


# The parts that are daemons. The artifact is built from a mirror, which the sandbox cannot reach.
DAEMONS = ("docker", "registry")


def kill(sandbox: Sandbox, name: str) -> None:
    """`kill -9` by name; only the sandbox's processes can be seen."""
    assert sandbox.run("pkill", "-KILL", "-x", name).code == 0


def test_up_twice_and_down(sandbox: Sandbox) -> None:
    """What `up` starts answers, a second `up` starts nothing, and after `down` the census is as before."""
    before = sandbox.census()

    first = sandbox.host("up", *DAEMONS)
    during = sandbox.census()
    second = sandbox.host("up", *DAEMONS)
    again = sandbox.census()
    down = sandbox.host("down", *DAEMONS)

    assert states(first) == {"docker": ("running", True), "registry": ("running", True)}
    assert {"dockerd", "docker-registry"} <= set(during["processes"])
    assert "docker0" in during["links"]
    assert "already running" in second.said
    assert again["processes"] == during["processes"]
    assert states(down) == {"docker": ("stopped", False), "registry": ("stopped", False)}
    assert sandbox.census() == before


def test_killed_daemons_are_told_and_mended(sandbox: Sandbox) -> None:
    """After kill -9 `status` tells the truth, `up` clears what is stale and mends, `down` finds the first state again."""
    before = sandbox.census()
    sandbox.host("up", *DAEMONS)

    kill(sandbox, "dockerd")
    kill(sandbox, "docker-registry")
    told = sandbox.host("status", *DAEMONS)
    mended = sandbox.host("up", *DAEMONS)

    assert states(told) == {"docker": ("stopped", True), "registry": ("stopped", True)}
    assert "vmlab host up docker" in told.json["docker"]["fix"]
    assert "stale" in mended.said
    assert states(mended) == {"docker": ("running", True), "registry": ("running", True)}
    assert states(sandbox.host("down", *DAEMONS))["docker"] == ("stopped", False)
    assert sandbox.census() == before


def test_down_after_a_kill(sandbox: Sandbox) -> None:
    """`down` takes everything back even when the daemon was killed and cannot do its part."""
    before = sandbox.census()
    sandbox.host("up", "docker")

    kill(sandbox, "dockerd")

    assert states(sandbox.host("down", *DAEMONS)) == {
        "docker": ("stopped", False),
        "registry": ("stopped", False),
    }
    assert sandbox.census() == before


def test_a_running_container_keeps_docker_up(sandbox: Sandbox, container: str) -> None:
    """`down` names what runs and stops nothing; with force it stops, and leaves no trace of the container either."""
    before = sandbox.census()
    sandbox.host("up", "docker")
    started = sandbox.run("sh", "-c", container)
    assert started.code == 0, started.said

    refused = sandbox.host("down", "docker")
    still = sandbox.host("status", "docker")
    forced = sandbox.host("down", "docker", force=True)

    assert refused.code == 1
    assert "sleeper" in refused.said
    assert states(still) == {"docker": ("running", True)}
    assert states(forced) == {"docker": ("stopped", False)}
    assert sandbox.census() == before


def test_a_container_that_outlived_its_daemon(sandbox: Sandbox, container: str) -> None:
    """Shims survive a killed dockerd: `down` refuses, and with force ends them and unmounts their file systems."""
    before = sandbox.census()
    sandbox.host("up", "docker")
    assert sandbox.run("sh", "-c", container).code == 0
    kill(sandbox, "dockerd")

    refused = sandbox.host("down", "docker")
    forced = sandbox.host("down", "docker", force=True)

    assert "without its dockerd" in refused.said
    assert states(forced) == {"docker": ("stopped", False)}
    assert sandbox.census() == before


def test_somebody_elses_docker_is_used_and_left(sandbox: Sandbox) -> None:
    """A daemon that vmlab did not start is reported as not ours, and survives `up` and `down`."""
    sandbox.run(
        "sh",
        "-c",
        "setsid dockerd >/run/log 2>&1 & timeout 20 sh -c 'until docker version; do sleep .1; done'",
    )
    before = sandbox.census()

    up = sandbox.host("up", "docker")
    down = sandbox.host("down", "docker")

    assert states(up) == {"docker": ("running", False)}
    assert "not started by vmlab" in up.said
    assert states(down) == {"docker": ("running", False)}
    assert sandbox.census() == before


def test_a_taken_port_names_its_owner(sandbox: Sandbox) -> None:
    """Somebody else on the registry's port is named with pid and program."""
    server = "import socket, time; s = socket.create_server(('127.0.0.1', 5000)); time.sleep(60)"
    sandbox.run("sh", "-c", f'setsid python3 -c "{server}" >/dev/null 2>&1 & sleep 0.5')

    refused = sandbox.host("up", "registry")

    assert refused.code == 1
    assert "port 5000 is taken by python3" in refused.said
