"""The words that all substrates share: phases, slots, stamps, and how long an answer may take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machine.errors import InvalidInput, NeverAnswered
from machine.waiting import answer_seconds
from substrates.contract import MILESTONES, Boot, Limits, Request, Slot, service_stamps

STAMPS = st.dictionaries(st.sampled_from(MILESTONES[1:-1]), st.integers(-(10**9), 10**10))


@given(STAMPS, st.integers(0, 10**9), st.integers(0, 10**10))
def test_phases_add_up_and_are_never_negative(stamps: dict[str, int], start: int, took: int) -> None:
    """Whatever the stamps between, the phases' sum is the total and none is below 0."""
    boot = Boot(None, {**stamps, "requested": start, "answered": start + took})
    phases = boot.phases_seconds()
    assert sum(phases.values()) == pytest.approx(boot.seconds, abs=1e-9)
    assert min(phases.values()) >= 0
    assert list(phases) == [name for name in MILESTONES if name in phases]


def test_stamp_before_its_predecessor_takes_no_time() -> None:
    """A call that returns after the service answered counts as reached at the same instant."""
    boot = Boot(None, {"requested": 0, "accepted": 5_000_000, "service": 3_000_000, "answered": 6_000_000})
    assert boot.phases_seconds() == pytest.approx({"accepted": 0.005, "service": 0.0, "answered": 0.001})


def test_service_stamps_are_read_among_other_lines() -> None:
    """Only the two lines that our service prints are milestones."""
    log = (
        "hello\nvmlab-service first-line monotonic_ns=12 pid=1\nvmlab-service listening monotonic_ns=34\nbye"
    )
    assert service_stamps(log) == {"service": 12, "listening": 34}
    assert service_stamps("nginx: [notice] start worker") == {}


def test_slot_has_a_name_that_gc_knows() -> None:
    """A copy is called after its number."""
    assert Slot(7, 18207).name == "vmlab-boot-7"


def test_only_an_echoed_nonce_is_expected() -> None:
    """A foreign service is recognised by its 200 alone."""
    assert Request("/", "abc", echoed=True).expected == "abc"
    assert Request("/", "abc", echoed=False).expected == ""


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "1e9"])
def test_wrong_timeout_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A timeout that is no number of seconds is bad input."""
    monkeypatch.setenv("VMLAB_TIMEOUT", text)
    with pytest.raises(InvalidInput, match="VMLAB_TIMEOUT"):
        answer_seconds()


def test_timeout_is_a_minute_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request lasts as long as the environment says."""
    monkeypatch.delenv("VMLAB_TIMEOUT", raising=False)
    assert Request("/", "", echoed=False).seconds == 60
    monkeypatch.setenv("VMLAB_TIMEOUT", "2.5")
    assert Request("/", "", echoed=False).seconds == 2.5


def test_silence_is_told_with_milestone_and_the_last_forty_lines() -> None:
    """The message has what was reached, and no more of the log than its end."""
    error = NeverAnswered("it", "accepted", 3, [f"line {number}" for number in range(50)])
    assert error.milestone == "accepted"
    assert "within 3 s" in str(error)
    assert str(error).count("\n") == 40
    assert "line 9\n" not in str(error)
    assert str(error).endswith("line 49")
    assert "its log is empty" in str(NeverAnswered("it", "accepted", 3, []))


def test_limits_have_the_members_that_are_known() -> None:
    """As stack outputs and results have them: what nothing limits and what no guest sees is left out."""
    assert Limits(1.0, None, enforced=False).as_dict() == {"cpus": 1.0, "enforced": False}
    assert Limits(1.0, 2, enforced=True, guest_cpus=1).as_dict() == {
        "cpus": 1.0,
        "memory_bytes": 2,
        "enforced": True,
        "guest_cpus": 1,
    }
