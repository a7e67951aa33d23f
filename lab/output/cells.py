"""What the table of a comparison shows: its headings, a row of texts for each stack, and the remarks below.

The same in every form, so that only the rendering differs. Metrics without a column are in JSON, CSV and the report.
"""

from __future__ import annotations

from catalogue import metrics, units
from catalogue.metrics import Metric
from lab.analysis.emulation import MARK
from lab.analysis.shapes import Comparison, Substrate, metric
from lab.measuring.host import Host

HEADINGS = (
    "stack",
    f"{metrics.BOOT.heading} (95 %)",
    "× process (95 %)",
    metrics.MEMORY_PSS.heading,
    metrics.CPU_IDLE.heading,
    metrics.CPU_REQUESTS.heading,
    f"{metrics.DISK_IMAGE.heading} + {metrics.DISK_INSTANCE.heading}",
    metrics.DESTROY.heading,
)
LEGEND = (
    "boot: create call to first valid answer, median; memory: PSS of every process the copy needs; "
    "CPU/1000: CPU time for 1,000 requests; own: what one copy adds on disk."
)


def measured(comparison: Comparison) -> list[list[str]]:
    """A row for each stack that was measured."""
    return [
        _row(label, substrate)
        for label, substrate in comparison["substrates"].items()
        if substrate["available"]
    ]


def missing(comparison: Comparison) -> list[tuple[str, str]]:
    """The stacks that were not measured, and why."""
    return [
        (name(label, substrate), not_measured(substrate.get("reason", ""), substrate.get("fix", "")))
        for label, substrate in comparison["substrates"].items()
        if not substrate["available"]
    ]


def not_measured(reason: str, fix: str) -> str:
    """The clause for what was not measured."""
    fixed = [f"fix: {fix}"] if fix else []
    return "not measured, because " + "; ".join([(reason or "no reason is known").rstrip("."), *fixed])


def remarks(comparison: Comparison) -> list[str]:
    """Where and in which run this was measured, how many boots there were, and what a mark means."""
    boots = ", ".join(
        f"{name(label, substrate)} {metric(substrate, metrics.BOOT)['n']}"
        for label, substrate in comparison["substrates"].items()
        if substrate["available"]
    )
    marks = [s["not_comparable"] for s in comparison["substrates"].values() if s.get("not_comparable")]
    mark = f"{MARK} measured under TCG (software emulation): not comparable with figures measured under KVM."
    return [
        f"boots: {boots or 'none'}",
        f"run {comparison['run']} on {machine(comparison['host'])}",
        *([mark] if marks else []),
    ]


def machine(host: Host) -> str:
    """The machine in a clause."""
    memory = units.quantity(host.get("memory_bytes"), units.BYTES)
    cores, kernel = f"{host.get('cores', '?')} cores", f"kernel {host.get('kernel', '?')}"
    return ", ".join([host.get("cpu", "an unknown CPU"), cores, memory, kernel])


def name(label: str, substrate: Substrate) -> str:
    """A stack's name, with the end of the run's id where several runs are shown, and the accelerator of a guest."""
    stack, _, run = label.partition(" @ ")
    accelerator = substrate.get("conditions", {}).get("accelerator")
    return stack + (f" @{run[-4:]}" if run else "") + (f" ({accelerator})" if accelerator else "")


def ratio(substrate: Substrate, of: str) -> str:
    """A metric's ratio to the process, with a mark when it must not be compared with others' figures."""
    found = (
        substrate.get("metrics", {})[of]["ratio_to_process"] if of in substrate.get("metrics", {}) else None
    )
    if not found:
        return units.NONE
    text = units.ratio(found["median"], found["ci95"])
    return f"{text} {MARK}" if substrate.get("not_comparable") else text


def _row(label: str, substrate: Substrate) -> list[str]:
    boot = metric(substrate, metrics.BOOT)
    return [
        name(label, substrate),
        units.with_interval(boot["median"], boot["ci95"], units.SECONDS),
        ratio(substrate, metrics.BOOT.name),
        *(_value(substrate, row) for row in (metrics.MEMORY_PSS, metrics.CPU_IDLE, metrics.CPU_REQUESTS)),
        _disk(substrate),
        _value(substrate, metrics.DESTROY),
    ]


def _value(substrate: Substrate, row: Metric) -> str:
    found = metric(substrate, row)
    return units.quantity(found["median"], found["unit"])


def _disk(substrate: Substrate) -> str:
    parts = _value(substrate, metrics.DISK_IMAGE), _value(substrate, metrics.DISK_INSTANCE)
    if units.NONE in parts:
        return units.NONE if parts[0] == parts[1] else " + ".join(parts)
    (image, image_unit), (own, own_unit) = (part.split(" ") for part in parts)
    return f"{image} + {own} {own_unit}" if image_unit == own_unit else " + ".join(parts)
