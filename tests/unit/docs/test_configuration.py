"""Pulumi.yaml and the stack files are valid and declare what they use. Out of scope: the values; the components check them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
STACKS = sorted((ROOT / "stacks").glob("*.yaml"))


def project() -> dict[str, Any]:
    """Pulumi.yaml as YAML."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    return found


def test_each_key_is_described_in_text() -> None:
    """Pulumi.yaml is YAML, and each key has a type and a description that is one text, also if it contains a colon."""
    keys = project()["config"]

    assert [name for name, key in keys.items() if not isinstance(key.get("description"), str)] == []
    assert [name for name, key in keys.items() if key.get("type") not in ("string", "integer")] == []


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_stacks_use_declared_keys(path: Path) -> None:
    """A stack file names its substrate, and only keys that Pulumi.yaml declares."""
    used = {key.removeprefix("vmlab:") for key in yaml.safe_load(path.read_text(encoding="utf-8"))["config"]}

    assert "substrate" in used
    assert used - project()["config"].keys() == set()
