"""One row for each substrate, milestone and metric: the product spells none of them a second time; the rows are consistent."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalogue import documents, metrics, milestones, substrates, units
from catalogue.substrates import Substrate
from host import parts
from lab.deploying import stacks

ROOT = Path(__file__).resolve().parents[3]
PRODUCT = ("clients", "components", "engine", "host", "lab", "machine", "providers", "substrates")
FUNCTIONS = (
    *("definition", "boot", "footprint", "limits", "artifact", "image_bytes", "destroy", "remove_copies"),
    *("everything_labelled", "remove_labelled"),
)
A_LIST = 4  # of the names together in one literal are a second list


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the product but the catalogue."""
    paths = [ROOT / "__main__.py", *(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))]
    for path in paths:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def texts(node: ast.AST) -> set[str]:
    """The texts that stand directly in a literal list, tuple, set or dictionary."""
    members: list[ast.expr | None] = []
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        members = [*node.elts]
    elif isinstance(node, ast.Dict):
        members = node.keys
    return {m.value for m in members if isinstance(m, ast.Constant) and isinstance(m.value, str)}


def test_a_metric_is_spelled_once() -> None:
    """No module of the product writes a metric's name: it takes the row, which brings the unit."""
    names = {row.name for row in metrics.ALL}
    found = [
        f"{path}: {node.value}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names
    ]

    assert found == []


@pytest.mark.parametrize(
    "names", [set(substrates.lesson()), set(milestones.ORDER)], ids=["stacks", "milestones"]
)
def test_there_is_one_list(names: set[str]) -> None:
    """Substrates and stacks, and the order of milestones, are listed in the catalogue alone."""
    found = [
        f"{path}:{getattr(node, 'lineno', 0)}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if len(texts(node) & names) >= A_LIST
    ]

    assert found == []


def test_metrics_hold_together() -> None:
    """Names differ, and end with what the unit is called where they have one."""
    endings = {units.SECONDS: ("_seconds", "_requests"), units.BYTES: ("_bytes",), units.RATIO: ("_ratio",)}

    assert len({row.name for row in metrics.ALL}) == len(metrics.ALL) > 15
    for row in metrics.ALL:
        assert row.name.endswith(endings.get(row.unit, (row.name,))), row.name
        assert row.meaning


def test_a_phase_has_a_colour_and_a_meaning() -> None:
    """Every phase of a boot can be drawn and explained; those that the rows do not know come last."""
    assert all(row.colour and row.meaning for row in milestones.SHOWN.values())
    assert milestones.in_order(["odd", "answered", "accepted", "odd"]) == ["accepted", "answered", "odd"]
    assert milestones.UNTIL_SERVICE[-1] == milestones.SERVICE


@pytest.mark.parametrize("row", substrates.OURS, ids=lambda row: row.name)
def test_a_row_is_true(row: Substrate) -> None:
    """Its module has the functions of the contract, its parts exist, and its milestones are milestones."""
    module = row.load()

    has = [name for name in FUNCTIONS if hasattr(module, name)]
    assert set(row.parts) <= set(parts.KNOWN)
    assert set(row.milestones) <= set(milestones.ORDER)
    assert has == [*FUNCTIONS] or (not row.component and "boot" in has)
    if row.component:
        assert row.load_component().__name__.endswith("Service")


def test_every_stack_has_its_row() -> None:
    """The files of stacks/ are those that the rows name, each of its row's substrate; a quick run has one for each kind."""
    assert stacks.known() == substrates.lesson()
    for row in substrates.OURS:
        assert [stacks.substrate_of(stack) for stack in row.nouns] == [row.name] * len(row.nouns)
    assert (
        stacks.chosen([], quick=True)
        == substrates.quick()
        == ["process", "namespaces", "docker", "vm", "kubernetes"]
    )


def test_a_copy_has_a_noun() -> None:
    """By its stack, else by its substrate, else as the stack that it is."""
    assert substrates.noun("vm-slim", "vm") == "a virtual machine without systemd"
    assert substrates.noun("mine", "docker") == "a container"
    assert substrates.noun("mine") == "the stack mine"


def test_documents_are_current() -> None:
    """What docs/ has of the rows is what `python -m catalogue` would write."""
    assert documents.METHOD.read_text() == documents.method()
    assert documents.COMPARISON.read_text() == documents.comparison()
