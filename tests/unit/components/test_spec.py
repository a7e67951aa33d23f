"""The sizes and numbers that a stack's configuration may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.spec import ServiceArgs, positive_number, size_bytes
from substrates.inputs.artifact import Artifact

ARTIFACT = Artifact(
    name="service", version="1", digest="sha256:0", root=Path("/tree"), command=[], loader="", library_path=[], port=8080,
    health="/", echoes_nonce=True, environment={}, variants={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 * 1024**2),
        ("1GiB", 1024**3),
        ("1.5GiB", 3 * 1024**3 // 2),
        ("64 MiB", 64 * 1024**2),
        ("100MB", 100_000_000),
        ("100M", 100_000_000),
        ("10k", 10_000),
        ("4KiB", 4096),
        ("4096", 4096),
        ("4096B", 4096),
        ("1mib", 1024**2),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Decimal and binary units, with or without the B, in either case."""
    assert size_bytes("memory", text) == size


@pytest.mark.parametrize("text", ["lots", "", "-1MiB", "1XiB", "MiB", "1 2MiB", "1e3", "0x10", "512MiBs"])
def test_what_is_no_size(text: str) -> None:
    """The message has the key, what it holds, and what it could."""
    with pytest.raises(ValueError, match=r"memory must be a size such as 512MiB or 1GiB, not "):
        size_bytes("memory", text)


@pytest.mark.parametrize(("text", "number"), [("1", 1.0), ("0.5", 0.5), ("16", 16.0)])
def test_numbers(text: str, number: float) -> None:
    """Whole and half processors."""
    assert positive_number("cpus", text) == number


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many", "", "1024"])
def test_what_is_no_number(text: str) -> None:
    """The message has the key and what it holds."""
    with pytest.raises(ValueError, match="cpus must be a number above 0, not "):
        positive_number("cpus", text)


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [("500MB", 476), ("0.3GiB", 307), ("1048.576KB", 1), ("512MiB", 512), ("1.1MiB", 1), ("2GB", 1907)],
)
def test_memory_is_rounded_down_to_whole_mebibytes(text: str, mebibytes: int) -> None:
    """Once, for every substrate: what all of them can limit exactly, and never more than was asked."""
    args = ServiceArgs(ARTIFACT, 1, memory_bytes=size_bytes("memory", text))
    assert args.memory_bytes == mebibytes * 1024**2


@pytest.mark.parametrize("text", ["1000KB", "0", "1048575"])
def test_less_than_a_mebibyte_is_refused(text: str) -> None:
    """It would be rounded to no limit at all; the message has the rule."""
    with pytest.raises(ValueError, match=r"memory must be at least 1MiB .*rounded down to whole MiB"):
        ServiceArgs(ARTIFACT, 1, memory_bytes=size_bytes("memory", text))
