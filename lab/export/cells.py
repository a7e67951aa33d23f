"""What a table shows: its headings, a row of texts a stack, and the remarks below; the same for terminal, Markdown and HTML.

The rows say the same in every form, so only how they are drawn differs. Metrics without a column are in JSON, CSV and the
report.
"""

from __future__ import annotations

from lab import units
from lab.comparison import Comparison, Substrate, metric
from lab.emulation import MARK

HEADINGS = (
    "stack",
    "boot (95 %)",
    "× process (95 %)",
    "memory",
    "idle CPU",
    "CPU/1000",
    "disk image + own",
    "destroy",
)
LEGEND = (
    "boot: create call to first valid answer, median; memory: PSS of all it takes; "
    "CPU/1000: CPU time for 1,000 requests; own: what one copy adds on disk."
)


def measured(comparison: Comparison) -> list[list[str]]:
    """A row a stack that was measured."""
    return [
        _row(label, substrate)
        for label, substrate in comparison["substrates"].items()
        if substrate["available"]
    ]


def missing(comparison: Comparison) -> list[tuple[str, str]]:
    """A stack that was not measured, and why."""
    return [
        (name(label, substrate), "not measured, because " + "; ".join(_reasons(substrate)))
        for label, substrate in comparison["substrates"].items()
        if not substrate["available"]
    ]


def remarks(comparison: Comparison) -> list[str]:
    """Where and in which run this was measured, how many boots there were, and what a mark means."""
    host = comparison["host"]
    memory = units.quantity(host.get("memory_bytes"), "B")
    machine = ", ".join(str(p) for p in (host.get("cpu"), f"{host.get('cores', '?')} cores", memory) if p)
    boots = ", ".join(
        f"{name(label, substrate)} {metric(substrate, 'boot_seconds')['n']}"
        for label, substrate in comparison["substrates"].items()
        if substrate["available"]
    )
    marks = [s["not_comparable"] for s in comparison["substrates"].values() if s.get("not_comparable")]
    return [
        f"boots: {boots or 'none'}",
        f"run {comparison['run']} on {machine}, kernel {host.get('kernel', '?')}",
        *(
            [f"{MARK} made under TCG (software emulation): not comparable with figures made under KVM."]
            if marks
            else []
        ),
    ]


def name(label: str, substrate: Substrate) -> str:
    """A stack's name, with the end of the run's id where several runs are shown, and how its CPU is made."""
    stack, _, run = label.partition(" @ ")
    accelerator = substrate.get("conditions", {}).get("accelerator")
    return stack + (f" @{run[-4:]}" if run else "") + (f" ({accelerator})" if accelerator else "")


def marked(text: str, substrate: Substrate) -> str:
    """A ratio, with a mark when it must not be held against others' figures."""
    return f"{text} {MARK}" if substrate.get("not_comparable") else text


def _row(label: str, substrate: Substrate) -> list[str]:
    boot = metric(substrate, "boot_seconds")
    ratio = boot["ratio_to_process"]
    return [
        name(label, substrate),
        units.with_interval(boot["median"], boot["ci95"], "s"),
        marked(units.ratio(ratio["median"], ratio["ci95"]), substrate) if ratio else units.NONE,
        *(
            _value(substrate, key)
            for key in ("memory_pss_bytes", "cpu_idle_ratio", "cpu_seconds_per_1000_requests")
        ),
        _disk(substrate),
        _value(substrate, "destroy_seconds"),
    ]


def _value(substrate: Substrate, key: str) -> str:
    found = metric(substrate, key)
    return units.quantity(found["median"], found["unit"])


def _disk(substrate: Substrate) -> str:
    parts = _value(substrate, "disk_image_bytes"), _value(substrate, "disk_instance_bytes")
    if units.NONE in parts:
        return units.NONE if parts[0] == parts[1] else " + ".join(parts)
    (image, image_unit), (own, own_unit) = (part.split(" ") for part in parts)
    return f"{image} + {own} {own_unit}" if image_unit == own_unit else " + ".join(parts)


def _reasons(substrate: Substrate) -> list[str]:
    reason = substrate.get("reason") or "it is not said why"
    return [reason.rstrip("."), *([f"fix: {substrate['fix']}"] if substrate.get("fix") else [])]
