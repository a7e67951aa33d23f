"""What is said of numbers that an emulated guest made, in every form, and that KVM's are never held against them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.analysis.comparison import compare
from lab.measuring.runs import RunData
from lab.output import forms, report
from tests.unit.lab.example import run_of

SENTENCE = (
    "vm ran under TCG (software emulation): its times do not predict those under KVM; "
    "do not compare them with other machines' figures."
)
REASON = "/dev/kvm opens, but a guest did not reach its first line in 5 s"
TCG = {"accelerator": "tcg", "accelerator_reason": REASON}
KVM = {"accelerator": "kvm", "accelerator_reason": "a guest reached its first line under KVM in 0.4 s"}


def run_with(root: Path, conditions: dict[str, Any], seed: int = 42) -> RunData:
    """A run of a process and of a guest under these conditions."""
    run = run_of(root, "process", "vm", seed=seed)
    run.stacks["vm"]["conditions"] = conditions
    return run


def flat(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("form", [forms.text, forms.markdown, forms.json, forms.csv])
def test_every_form_says_it(tmp_path: Path, form: Any) -> None:
    """Whoever is handed one form reads on what the guest ran, and that its times are not comparable."""
    text = flat(form(compare([run_with(tmp_path, TCG)]))).replace("\\", "")

    assert SENTENCE in text
    assert "tcg" in text


def test_the_table_has_it_at_its_head(tmp_path: Path) -> None:
    """The first line names the accelerator and why; the emulated row's ratio has a mark, and the mark a meaning."""
    comparison = compare([run_with(tmp_path, TCG)])
    lines = forms.text(comparison).splitlines()

    assert lines[0] == f"accelerator: tcg (software emulation; {REASON})"
    assert forms.markdown(comparison).replace("\\", "").startswith(f"{lines[0]}\n\n| stack")
    assert [line.split()[0] for line in lines if line.startswith(("process", "vm")) and "†" in line] == ["vm"]
    assert any(line.startswith("† measured under TCG") for line in lines)


def test_a_narrow_table_keeps_it(tmp_path: Path) -> None:
    """Where a name has to be cut, what is cut is not the accelerator."""
    run = run_of(tmp_path, "process", "vm")
    long = "a-name-that-is-much-too-long-for-a-table-and-goes-on-and-on"
    run.stacks[long] = run.stacks.pop("vm")
    run.samples[:] = [
        replace(s, dimensions=s.dimensions | ({"stack": long} if s.dimensions["stack"] == "vm" else {}))
        for s in run.samples
    ]

    lines = forms.text(compare([run])).splitlines()

    assert max(map(len, lines)) <= 110
    assert next(line.partition("  ")[0] for line in lines if line.startswith("a-name")).endswith("… (tcg)")


def test_the_report_has_it_too(tmp_path: Path) -> None:
    """The report says it before its numbers, and marks every ratio of the emulated guest."""
    run = run_with(tmp_path, TCG)
    text = report.render(compare([run]), run)

    assert f"<p>Accelerator: tcg (software emulation; {REASON}).</p>" in text
    assert text.index("Accelerator: tcg") < text.index("The numbers")
    assert SENTENCE.replace("'", "&#x27;") in text
    assert text.count(" †</td>") == 3  # boot in the table; boot and memory where everything is


def test_json_and_csv_have_it_in_every_row(tmp_path: Path) -> None:
    """A program that reads one row knows on what it was made."""
    comparison = compare([run_with(tmp_path, TCG)])
    found = json.loads(forms.json(comparison))["substrates"]
    lines = list(csv.DictReader(io.StringIO(forms.csv(comparison))))

    assert (found["vm"]["accelerator"], found["vm"]["not_comparable"]) == ("tcg", SENTENCE)
    assert (found["process"]["accelerator"], found["process"]["not_comparable"]) == ("", "")
    assert {(line["stack"], line["accelerator"], line["note"]) for line in lines} == {
        ("process", "", ""),
        ("vm", "tcg", SENTENCE),
    }


@pytest.mark.parametrize("conditions", [KVM, {}])
def test_kvm_and_no_guest_have_no_mark(tmp_path: Path, conditions: dict[str, Any]) -> None:
    """Numbers of a real virtual machine, and of none, can be compared with others'."""
    run = run_with(tmp_path, conditions)
    comparison = compare([run])
    texts = [form(comparison) for form in (forms.text, forms.markdown, forms.json, forms.csv)]

    for text in (*texts, report.render(comparison, run)):
        assert "†" not in text
        assert "software emulation" not in text
    assert comparison["accelerator"] == (
        f"accelerator: kvm (the CPU's own virtualisation; {KVM['accelerator_reason']})" if conditions else ""
    )


def test_several_emulated_stacks_share_a_sentence(tmp_path: Path) -> None:
    """What holds of two is said once."""
    run = run_with(tmp_path, TCG)
    run.stacks["docker"] = run.stacks["vm"]
    run.samples.extend(run_of(tmp_path, "docker").samples)

    verdict = compare([run])["verdict"]

    assert "vm and docker ran under TCG (software emulation): their times do not predict" in verdict
    assert verdict.count("ran under TCG") == 1


def test_tcg_and_kvm_are_never_held_together(tmp_path: Path) -> None:
    """Two runs, one of each: a row each with its own run's ratio, no claim over both, and a head that tells them apart."""
    emulated, real = run_with(tmp_path, TCG), run_with(tmp_path, KVM, seed=7)

    comparison = compare([emulated, real])

    found = comparison["substrates"]
    for run in (emulated, real):
        alone = compare([run])["substrates"]["vm"]
        row = found[f"vm @ {run.run}"]
        assert (row["metrics"], row["accelerator"]) == (alone["metrics"], alone["accelerator"])
    one, other = emulated.run[-4:], real.run[-4:]
    assert comparison["verdict"].startswith(
        f"Not the same accelerator: do not compare (vm (run …{one}) tcg, vm (run …{other}) kvm)."
    )
    assert "as long" not in comparison["verdict"]
    assert comparison["accelerator"].startswith(f"accelerator: vm (run …{one}): tcg (software")
    assert f"vm (run …{other}): kvm (the CPU's own" in comparison["accelerator"]


def test_a_guest_that_was_not_measured_says_nothing(tmp_path: Path) -> None:
    """A stack that could not be measured has no times to warn of."""
    run = run_with(tmp_path, TCG)
    run.stacks["vm"] = {"available": False, "reason": "no libvirtd", "fix": "vmlab host up libvirt"}
    run.samples[:] = [sample for sample in run.samples if sample.dimensions["stack"] != "vm"]

    text = forms.text(compare([run]))

    assert "accelerator" not in text
    assert "TCG" not in text
