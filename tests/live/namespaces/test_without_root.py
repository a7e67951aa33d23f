"""Without root: what needs it says so, and with user namespaces the other rungs work all the same."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machine import processes
from machine.errors import InvalidInput, Unavailable
from substrates import namespaces, rungs
from substrates.contract import Request, Slot
from substrates.inputs.artifact import Artifact
from substrates.rungs import launcher
from tests.live.namespaces import traces
from tests.live.namespaces.filtered import filter_this_thread
from tests.live.namespaces.test_given import status
from tests.unprivileged import NOBODY, as_nobody

PORT = 18995


@pytest.fixture
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A VMLAB_HOME of the user without rights."""
    launcher.program()  # they may not write into the cache
    path = home / "theirs"
    path.mkdir()
    (path / "cache").symlink_to((home / "cache").resolve())
    os.chown(path, NOBODY, NOBODY)
    monkeypatch.setenv("VMLAB_HOME", str(path))
    yield path
    monkeypatch.setenv("VMLAB_HOME", str(home))
    shutil.rmtree(path)


def test_the_rungs_that_need_no_root_work(built: Artifact, own_home: Path) -> None:
    """A user without rights boots the static binary and the service on every rung but network and limits, and stops them."""
    chosen = rungs.without_root()
    definitions = [namespaces.for_ladder(built, chosen, variant) for variant in ("null", "service")]

    def work() -> list[dict[str, Any]]:
        found = []
        for definition in definitions:
            request = Request("/", secrets.token_hex(8), echoed=True)
            boot = namespaces.boot(definition, Slot(109, PORT), request)
            main = boot.copy.main.pid
            facts = {key: status(main)[key] for key in ("CapEff", "NoNewPrivs", "Seccomp", "NSpid")}
            facts["init's owner"] = str(Path(f"/proc/{processes.parent(main)}/environ").stat().st_uid)
            facts["uid_map"] = Path(f"/proc/{main}/uid_map").read_text().strip()
            facts["artifact"] = namespaces.artifact({"name": boot.copy.definition.name})
            namespaces.destroy(boot.copy)
            found.append({**facts, "left": namespaces.names()})
        return found

    found = as_nobody(work)

    assert set(rungs.NAMES) - set(chosen) == {"network", "limits"}
    assert isinstance(found, list), found
    for facts in found:
        assert (facts["CapEff"], facts["NoNewPrivs"], facts["Seccomp"]) == ("0" * 16, "1", "2")
        assert facts["uid_map"].split() == ["65532", str(NOBODY), "1"]
        assert facts["left"] == []
        assert facts["init's owner"] == "0"  # the service, which is the same user, may not look into it
    assert found[1]["artifact"] == built.digest
    assert traces.processes(own_home) == []


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        (("mount", "chroot"), "the rung 'mount' needs root, or the rung 'user' with it"),
        (("user", "network"), "the rung 'network' needs root; next: run it as root, or leave out network"),
        (rungs.NAMES, "needs root; next: run it as root, or leave out network, limits"),
    ],
)
def test_what_needs_root_says_so(built: Artifact, own_home: Path, chosen: tuple[str, ...], line: str) -> None:
    """One line, before anything is made."""
    definition = namespaces.for_ladder(built, chosen, "null")

    found = as_nobody(lambda: str(namespaces.start(definition)))

    assert found["error"] == InvalidInput.__name__
    assert line in found["text"]
    assert not (own_home / "run" / "namespaces").exists() or namespaces.names() == []


def test_no_rungs_need_no_rights(built: Artifact, own_home: Path) -> None:
    """Fork and exec, and the rungs that hold only for the process itself, work for everybody."""
    for chosen in ((), ("no_new_privs", "seccomp", "rlimits")):
        definition = namespaces.for_ladder(built, chosen, "null")

        def work(definition: namespaces.Definition = definition) -> str:
            boot = namespaces.boot(definition, Slot(109, PORT), Request("/", "n", echoed=True))
            namespaces.destroy(boot.copy)
            return "answered"

        assert as_nobody(work) == "answered"


def test_where_user_namespaces_are_not_allowed(built: Artifact, own_home: Path) -> None:
    """Where a user's namespace is refused (here by a filter, as in a container), the error says so and what to do about it."""
    definition = namespaces.for_ladder(built, ("user",), "null")

    def work() -> None:
        filter_this_thread()
        namespaces.start(definition)

    found = as_nobody(work)

    assert found["error"] == Unavailable.__name__
    assert "user namespaces are not allowed here (clone 0x10000000: Operation not permitted)" in found["text"]
    assert "sysctl user.max_user_namespaces" in found["text"]
