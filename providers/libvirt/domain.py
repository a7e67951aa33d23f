"""Domains: guests. Size, quota, autostart and whether it runs are changed in place; everything else replaces it.

Out of scope: hot plugging of devices.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from clients.libvirt import domains, sizes
from clients.libvirt.description import DiskSpec, DomainSpec, InterfaceSpec, devices, domain
from machine.errors import VmlabError
from machine.waiting import answer_seconds
from providers.libvirt.inputs import (
    ABSENT,
    Input,
    Props,
    Wrong,
    changed,
    difference,
    fill,
    known,
    number,
    one_of,
    result,
    row,
    rows,
    text,
    truth,
    whole,
)
from substrates.vm.console import wait_for_answer

MIB = 1024**2
LEAST_BYTES = 64 * MIB
DISK = {
    "path": Input(text),
    "format": Input(one_of(*devices.FORMATS), "raw"),
    "read_only": Input(truth, False),
    "target": Input(text, ""),
    "backing": Input(text, ""),
    "backing_format": Input(text, ""),
    "cache": Input(text, ""),
}
INTERFACE = {"network": Input(text), "mac": Input(text)}
SPEC = {
    "name": Input(text),
    "stack": Input(text),
    "memory_bytes": Input(whole),
    "uuid": Input(text, ""),
    "max_memory_bytes": Input(whole, 0),
    "vcpus": Input(whole, 1),
    "max_vcpus": Input(whole, 0),
    "cpus": Input(number, 0.0),
    "autostart": Input(truth, False),
    "accelerator": Input(one_of(*domain.KINDS), "tcg"),
    "cpu_model": Input(text, ""),
    "machine": Input(one_of(*domain.MACHINES), "pc"),
    "kernel": Input(text, ""),
    "initrd": Input(text, ""),
    "cmdline": Input(text, ""),
    "disks": Input(rows(DISK), []),
    "interfaces": Input(rows(INTERFACE), []),
    "console": Input(text, ""),
    "balloon": Input(truth, False),
}
INPUTS = {
    **SPEC,
    "running": Input(truth, True),
    "ready": Input(row({"url": Input(text), "seconds": Input(number, 0.0)}), None),
    "stop_seconds": Input(number, 10.0),  # for an ACPI shutdown, before forced termination
}
OUTPUTS = ("answered",)
IN_PLACE = {"memory_bytes", "vcpus", "cpus", "autostart", "running", "ready", "stop_seconds"}


class DomainProvider(ResourceProvider):
    """One guest. The id is its name."""

    serialize_as_secret_always = False

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Inputs that cannot work: a name of another owner, too little memory."""
        return result(INPUTS, OUTPUTS, news, _look)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """What differs from the state, with every default filled in."""
        wanted = _filled(news)
        ignored = (
            {"ready"} if wanted["uuid"] else {"ready", "uuid"}
        )  # how long a create waits changes nothing
        differs = [key for key in changed(INPUTS, olds, wanted) if key not in ignored]
        if wanted["ready"] and wanted["running"] and not olds.get("answered"):
            differs.append("ready")  # its create was interrupted before it answered
        return difference(differs, IN_PLACE)

    def create(self, props: Props) -> CreateResult:
        """Define and start it, and wait for its first answer if it is to be `ready`; one that fails is removed."""
        props = _filled(props)
        spec = _spec(props)
        made = domains.create(spec, running=props["running"])
        try:
            if props["running"]:
                made = _settled(spec, props)
        except VmlabError:
            domains.remove(spec.name, spec.stack)
            raise
        return CreateResult(spec.name, _outputs(props, made, answered=True))

    def read(self, id_: str, props: Props) -> ReadResult:
        """The domain as it is. One that was shut off exists and does not run; one of another owner counts as absent."""
        there = domains.find(id_) if id_ else None
        if there is None or (props.get("stack") or there.spec.stack) != there.spec.stack:
            return ABSENT
        answered = bool(props.get("answered")) and there.running
        return ReadResult(id_, _outputs(_filled({**props, "name": id_}), there, answered=answered))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """Change its size, start or stop it; a guest that does not follow while it runs is started again."""
        news = _filled(news)
        spec = _spec(news)
        now = sizes.update(spec, stop_seconds=news["stop_seconds"])
        if news["running"]:
            domains.start(spec.name)
            now = _settled(spec, news)
        elif now.running:
            domains.stop(spec.name, news["stop_seconds"])
            now = replace(now, running=False)
        return UpdateResult(_outputs(news, now, answered=True))

    def delete(self, id_: str, props: Props) -> None:
        """Shut it down and remove it; one that does not exist, or has another owner by now, counts as deleted."""
        domains.remove(id_, props.get("stack", ""), float(props.get("stop_seconds", 0.0)))
        if domains.find(id_) is None:
            domains.forget(id_, props.get("console", ""))


def _look(props: Props) -> None:
    """The inputs together, and with what this machine has; what a preview does not know yet is not checked."""
    spec = _spec(_filled({key: value for key, value in props.items() if known(value)}))
    if spec.memory_bytes < LEAST_BYTES:
        raise Wrong(
            "memory_bytes",
            f"no guest boots with {spec.memory_bytes} bytes; give it {LEAST_BYTES} (64 MiB) or more",
        )
    for key in ("memory_bytes", "max_memory_bytes"):
        if (given := getattr(spec, key)) % MIB:
            raise Wrong(
                key, f"it must be whole MiB ({MIB} bytes), because libvirt rounds to them; not {given}"
            )
    if spec.max_memory_bytes < spec.memory_bytes:
        raise Wrong("memory_bytes", "it must not be above max_memory_bytes")
    if not 1 <= spec.vcpus <= spec.max_vcpus:
        raise Wrong("vcpus", "it must be 1 or more and not above max_vcpus")
    if not 0 < spec.cpus <= spec.vcpus:
        raise Wrong("cpus", "it must be above 0 and not above vcpus")
    domain.to_xml(spec)
    for key, file in (("kernel", spec.kernel), ("initrd", spec.initrd)):
        if file and not Path(file).is_file():
            raise Wrong(key, f"there is no file {file}")
    domains.refuse_foreign(spec.name, spec.stack)


def _filled(props: Props) -> Props:
    """The inputs with every default filled in, so that they compare with what is read back."""
    filled, _ = fill(INPUTS, props)
    for key, usual in (("max_memory_bytes", "memory_bytes"), ("max_vcpus", "vcpus"), ("cpus", "vcpus")):
        filled[key] = filled[key] or filled[usual]
    if known(filled["accelerator"]):
        filled["cpu_model"] = filled["cpu_model"] or domain.BEST_CPU[filled["accelerator"]]
    for number_, disk in enumerate(filled["disks"] if isinstance(filled["disks"], list) else []):
        disk["target"] = disk["target"] or f"vd{chr(97 + number_)}"
        disk["backing_format"] = disk["backing_format"] or ("raw" if disk["backing"] else "")
    for link in filled["interfaces"] if isinstance(filled["interfaces"], list) else []:
        link["mac"] = link["mac"].lower() if isinstance(link["mac"], str) else link["mac"]
    return filled


def _spec(props: Props) -> DomainSpec:
    lists = {
        "disks": tuple(DiskSpec(**disk) for disk in props["disks"]),
        "interfaces": tuple(InterfaceSpec(**link) for link in props["interfaces"]),
    }
    return DomainSpec(**{key: props[key] for key in SPEC} | lists).whole()


def _settled(spec: DomainSpec, props: Props) -> domains.Found:
    """The domain once it has its size, and answers if it is to be `ready`."""
    asked: dict[str, Any] = props["ready"] or {}
    seconds = asked.get("seconds") or answer_seconds()
    if asked:
        wait_for_answer(spec.name, asked["url"], seconds, spec.console)
    sizes.settle(spec, seconds)
    found = domains.find(spec.name)
    if found is None:
        raise VmlabError(f"the domain {spec.name} was removed while vmlab waited for it; refresh, then up")
    return found


def _outputs(props: Props, found: domains.Found, *, answered: bool) -> Props:
    """The domain as outputs, by the names of the inputs."""
    spec = asdict(found.spec)
    spec["disks"], spec["interfaces"] = list(spec["disks"]), list(spec["interfaces"])
    if domain.is_quota_of(found.spec, props["cpus"] or 0.0):
        spec["cpus"] = props["cpus"]  # a third of a processor is read back as 0.3334
    spec["balloon"] = found.spec.balloon and props["balloon"]  # it may exist for the memory alone
    rest = {key: props[key] for key in ("ready", "stop_seconds")}
    return {**spec, **rest, "running": found.running, "answered": answered and found.running}
