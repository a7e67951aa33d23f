"""The substrate, its provider and its components, without starting anything: checks, records, differences, outputs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from machine import processes
from machine.errors import InvalidInput, VmlabError
from providers.namespaces import INPUTS, NamespacesProvider
from substrates import namespaces, rungs
from substrates.copies import launch, records, removal
from substrates.rungs import network, roots

DEFINITION = namespaces.Definition(
    name="vmlab-try",
    command=["{root}/bin/serve", "--port={port}", "{data}", "{rendered}/etc/x"],
    root="/tree",
    loader="lib/ld.so",
    library_path=["lib"],
    port=8080,
    health="/readyz",
    cpus=1.0,
    memory_bytes=64 * 1024**2,
    rungs=(),
)


@pytest.fixture
def tree(home: Path) -> Path:
    """A root file system that is ours, by an artifact's index."""
    folder = home / "cache" / "artifact"
    (folder / "abc" / "slim").mkdir(parents=True)
    index: dict[str, object] = {
        "name": "service",
        "version": "1",
        "artifact": "sha256:0",
        "root": str(folder / "abc" / "slim"),
    }
    index |= {
        "command": [],
        "loader": "",
        "library_path": [],
        "port": 8080,
        "health": "/",
        "echoes_nonce": True,
    }
    (folder / "service.json").write_text(json.dumps(index | {"variants": {"null": {"tar_sha256": "f" * 64}}}))
    return folder / "abc" / "slim"


def inputs(**changed: object) -> dict[str, Any]:
    """A resource's inputs."""
    found = {key: getattr(DEFINITION, key) for key in INPUTS}
    return {**found, "rungs": ["mount", "chroot"], **changed}


def test_the_command_in_place_and_behind_a_root() -> None:
    """In place the tree's own loader runs it with the host's paths; behind a change of root the words are the tree's."""
    folder = DEFINITION.folder
    placed = replace(DEFINITION, data="/d")
    behind = replace(placed, rungs=("mount", "chroot"))

    assert launch._command(placed) == [
        "/tree/lib/ld.so", "--library-path", "/tree/lib", "/tree/bin/serve", "--port=8080", "/d", f"{folder}/rendered/etc/x",
    ]  # fmt: skip
    assert launch._command(behind) == ["/bin/serve", "--port=8080", "/data", "/etc/x"]


def test_the_environment() -> None:
    """A copy listens where it is asked: on loopback, or at its address; its secret is where it is mounted."""
    own = replace(DEFINITION, data="/d", secret_file="/s", environment={"A": "1"})
    shut = replace(own, rungs=rungs.NAMES, address="198.18.2.5")

    bare, far = (launch._environment(one) for one in (own, shut))
    assert (bare["BIND"], bare["DATA_DIR"], bare["SECRET_FILE"], bare["A"]) == ("127.0.0.1", "/d", "/s", "1")
    assert (far["BIND"], far["DATA_DIR"], far["SECRET_FILE"]) == (
        "198.18.2.5",
        "/data",
        "/run/secrets/service",
    )
    assert bare[records.MARK] == str(DEFINITION.folder)


def test_which_roots_are_ours(tree: Path, home: Path) -> None:
    """An artifact's tree is; a folder that is missing, above it, below it or the host's is not."""
    roots.check(tree)
    for wrong in (tree.parent, tree / "bin", Path("/"), home / "nothing"):
        with pytest.raises(InvalidInput, match="next: vmlab host up artifact"):
            roots.check(wrong)


def test_a_record_is_found_again(home: Path) -> None:
    """What was written is read as it was; a folder without a spec is a copy that was being made."""
    directory = records.folder(records.NAMESPACES, "vmlab-try")
    directory.mkdir(parents=True)
    assert namespaces.find("vmlab-try") is None
    handle = namespaces.Handle(replace(DEFINITION, rungs=rungs.NAMES), processes.Process(1, 2))

    records.write(handle)

    assert namespaces.find("vmlab-try") == handle
    assert namespaces.names() == ["vmlab-try"]
    assert (directory / "spec.json").stat().st_mode & 0o777 == 0o600
    removal.forget(records.NAMESPACES, "vmlab-try")
    assert namespaces.names() == []


def test_a_copy_that_is_not_running(home: Path) -> None:
    """It has no definition and no limits, and the error says what to do."""
    for ask in (namespaces.definition, namespaces.limits):
        with pytest.raises(VmlabError, match="vmlab-try is not running; next: vmlab up"):
            ask({"name": "vmlab-try"})
    assert namespaces.artifact({"name": "vmlab-try"}) == ""


@pytest.mark.parametrize(
    ("changed", "key", "line"),
    [
        ({"rungs": ["jail"]}, "rungs", "there is no rung 'jail'"),
        ({"rungs": ["chroot"]}, "rungs", "needs 'mount' before it"),
        ({"root": "/usr"}, "root", "/usr is not one of the lab's"),
        ({"root": "/nowhere"}, "root", "/nowhere is missing"),
        ({"rungs": ["mount", "network"], "address": "10.0.0.1"}, "address", "must be from 198.18.2.2"),
    ],
)
def test_check_finds_bad_input(
    tree: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], key: str, line: str
) -> None:
    """One failure, on the input that is wrong, before anything is made."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = NamespacesProvider().check({}, inputs(**{"root": str(tree), **changed}))

    assert [failure.property for failure in found.failures] == [key]
    assert line in found.failures[0].reason
    assert "\n" not in found.failures[0].reason


def test_a_taken_address_is_found_by_check(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that another copy on record has is refused with that copy's name."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(network, "run", lambda _: "")  # this machine has no address of its own
    first = replace(DEFINITION, name="vmlab-first", rungs=("mount", "network"), address="198.18.2.5")
    living = processes.find(os.getpid())
    assert living
    records.write(namespaces.Handle(first, living))
    second = inputs(root=str(tree), rungs=["mount", "network"], address="198.18.2.5")

    assert "taken by vmlab-first" in NamespacesProvider().check({}, second).failures[0].reason
    assert NamespacesProvider().check({}, {**second, "address": "198.18.2.6"}).failures == []
    assert NamespacesProvider().check({}, {**second, "name": "vmlab-first"}).failures == []


def test_what_it_may_use_is_changed_in_place() -> None:
    """CPUs and memory do not replace it; every other input does."""
    provider = NamespacesProvider()

    assert provider.diff("id", inputs(), inputs()).changes is False
    for key, value in (("cpus", 2.0), ("memory_bytes", 1)):
        found = provider.diff("id", inputs(), inputs(**{key: value}))
        assert (found.changes, found.replaces) == (True, [])
    for key in set(INPUTS) - {"cpus", "memory_bytes"}:
        assert provider.diff("id", inputs(), inputs(**{key: "other"})).replaces == [key]


def test_one_that_is_gone_reads_as_gone(home: Path) -> None:
    """Reading, deleting and updating what is not there: nothing, nothing, and an error."""
    provider = NamespacesProvider()

    assert provider.read("vmlab-try", {}).id == ""
    provider.delete("vmlab-try", {})
    with pytest.raises(VmlabError, match="vmlab-try is gone"):
        provider.update("vmlab-try", {}, inputs())
