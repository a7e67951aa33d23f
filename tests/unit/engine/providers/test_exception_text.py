"""What is shown of a dynamic provider's exception: its message, and the traceback only where that is all there is."""

from __future__ import annotations

import traceback

from engine.providers.exception_text import message_of
from machine.errors import NeverAnswered


def trace(error: Exception) -> str:
    """The traceback as the SDK sends it."""
    try:
        raise error
    except Exception:  # noqa: BLE001 - any
        return traceback.format_exc()


def test_an_error_that_was_raised_to_be_read_is_shown_alone() -> None:
    """The message of a class of a module's own stays, with its indented lines, and nothing of Python."""
    error = NeverAnswered("vmlab-vm", "kernel", 60, ["last words", '  File "of a console'])

    assert message_of(trace(error)).splitlines()[0].startswith("vmlab-vm did not answer within 60 s")
    assert "last words" in message_of(trace(error))
    assert "Traceback" not in message_of(trace(error))


def test_a_mistake_keeps_its_traceback() -> None:
    """A built-in exception is a bug of the provider: where it came from is all that helps."""
    assert message_of(trace(KeyError("name"))) == trace(KeyError("name"))


def test_other_words_stay_as_they_are() -> None:
    """A provider that sends a message and no traceback is quoted."""
    assert message_of("the port 80 is taken") == "the port 80 is taken"
