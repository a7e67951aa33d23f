"""The sizes and numbers that a stack's configuration may have."""

from __future__ import annotations

import pytest

from components.spec import positive_number, size_bytes


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
