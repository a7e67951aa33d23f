"""A guest's settings, and how long a stack waits for it; without Pulumi's engine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from clients.libvirt import connection
from components import vm
from components.spec import ServiceArgs, settings
from host.guest import build
from substrates.inputs.artifact import Artifact
from substrates.vm import accelerator, guest

ARTIFACT = Artifact(
    name="try", version="1", digest="sha256:" + "0" * 64, root=Path("/tree"), command=["{root}/bin/serve"],
    loader="", library_path=[], port=8080, health="/readyz", echoes_nonce=True, environment={}, variants={}, templates={},
)  # fmt: skip
KERNEL = guest.Kernel("6.1", Path("/kernel"), Path("/initramfs"))
LINES = {"COLOUR": "blue\nPORT=1"}


@pytest.mark.parametrize("text", ["blue\nPORT=1", "a\tb", "a\0b", "a\x7fb", "a\r", "\x85"])
def test_control_characters_are_refused(text: str) -> None:
    """A line's end in a setting would be another setting in the guest; the message names the setting, not what it holds."""
    with pytest.raises(
        ValueError, match=r"environment must not contain control characters .*: 'COLOUR' does"
    ) as e:
        settings({"COLOUR": text})
    assert "PORT" not in str(e.value)

    with pytest.raises(ValueError, match="environment must not contain control characters"):
        settings({f"COLOUR{text}": "blue"})


def test_other_settings_are_taken_as_they_are() -> None:
    """Quotes, blanks, letters of any language, and numbers as their text."""
    hostile = "a\\b \"c\" 'd' $e ä  "

    assert settings({"HOSTILE": hostile, "EMPTY": "", "NUMBER": 1}) == {
        "HOSTILE": hostile, "EMPTY": "", "NUMBER": "1"
    }  # fmt: skip
    assert settings({}) == {}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (ServiceArgs(ARTIFACT, 0, memory_bytes=127 * 1024**2), "memory must be at least 128 MiB for a guest to boot"),
        (ServiceArgs(replace(ARTIFACT, environment=LINES), 0), "environment must not contain control characters"),
    ],
    ids=["memory", "a foreign service's setting"],
)  # fmt: skip
def test_what_no_guest_can_be_made_from(
    monkeypatch: pytest.MonkeyPatch, args: ServiceArgs, words: str
) -> None:
    """It is refused before any resource is declared: nobody answers here who could make one."""
    monkeypatch.setattr(guest, "kernel", lambda _name: KERNEL)
    monkeypatch.setattr(accelerator, "proven", lambda _image: accelerator.Accelerator("tcg", ""))
    monkeypatch.setattr(connection, "open", lambda: None)

    with pytest.raises(ValueError, match=words):
        vm.VmService("service", args, own=vm.GuestArgs())


@pytest.mark.parametrize("variant", vm.VARIANTS)
def test_a_stack_waits_longer_than_its_guest_does(variant: str) -> None:
    """A guest kills a deaf service and ends by itself before the plug is pulled."""
    patience = re.search(r"STOP_SECONDS = (\d+)", build.INIT.read_text())
    made = vm._machine(
        ServiceArgs(ARTIFACT, 0),
        vm.GuestArgs(variant=variant),
        KERNEL,
        "tcg",
    )

    assert patience is not None
    assert int(patience[1]) + 3 <= made["stop_seconds"]
