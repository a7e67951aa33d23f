"""The address plan is in one file; sources that cannot import it repeat its values, and are compared with it here."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from pathlib import Path

from machine import addresses

ROOT = Path(__file__).resolve().parents[3]
PRODUCT = (
    "catalogue",
    "clients",
    "components",
    "engine",
    "host",
    "lab",
    "machine",
    "providers",
    "substrates",
)


def sources(*patterns: str) -> list[Path]:
    """The product's tracked files of these kinds."""
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / name for name in listed if name.split("/")[0] in (*PRODUCT, "bench", "service")]


def test_no_second_plan() -> None:
    """No other Python file of the product has an address of ours, the registry's, or the service's uid in its code."""
    found = []
    for path in sources("*.py"):
        if path == ROOT / "machine" / "addresses.py":
            continue
        code = re.sub(r'"""(?s:.*?)"""|#[^\n]*|such as [^"]*|must be like [^"]*', "", path.read_text())
        found += [
            f"{path.relative_to(ROOT)}: {hit}"
            for hit in re.findall(r"198\.1[89]\.\d+\.\d+|127\.0\.0\.1:5000|65532", code)
        ]
    assert found == []


def test_c_sources_agree() -> None:
    """The user of the service is the same number in C."""
    users = {
        value for path in sources("*.c", "*.h") for value in re.findall(r"\bUSER = (\d+)", path.read_text())
    }

    assert users == {str(addresses.USER)}


def test_ranges_do_not_overlap() -> None:
    """Each part has a range of its own in the one that is set aside for benchmarks."""
    names = ("DOCKER", "GUESTS", "NAMESPACES", "PODS", "SERVICES")
    ranges = [ipaddress.IPv4Network(getattr(addresses, name)) for name in names]

    assert all(one.subnet_of(ipaddress.IPv4Network(addresses.OURS)) for one in ranges)
    assert not [(a, b) for a in ranges for b in ranges if a is not b and a.overlaps(b)]
