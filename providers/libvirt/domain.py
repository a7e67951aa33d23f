"""Domains: guests. Size, quota, autostart and whether it runs are changed in place; everything else replaces it.

Out of scope: hot plugging of devices.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pulumi.dynamic import DiffResult, ReadResult

from clients.libvirt import domains, sizes
from clients.libvirt.description import DiskSpec, DomainSpec, InterfaceSpec, devices, domain
from machine.errors import VmlabError
from machine.waiting import answer_seconds
from providers.libvirt.inputs import (
    Input,
    Props,
    Wrong,
    changed,
    difference,
    inputs_of,
    known,
    number,
    one_of,
    row,
    rows,
    text,
    truth,
)
from providers.libvirt.provider import Provider
from substrates.vm.console import wait_for_answer

MIB = 1024**2
LEAST_BYTES = 64 * MIB
FORMAT = Input(one_of(*devices.FORMATS), "raw")
SPEC = inputs_of(
    DomainSpec,
    accelerator=Input(one_of(*domain.KINDS), "tcg"),
    machine=Input(one_of(*domain.MACHINES), "pc"),
    disks=Input(rows(inputs_of(DiskSpec, format=FORMAT)), []),
    interfaces=Input(rows(inputs_of(InterfaceSpec)), []),
)
INPUTS = {
    **SPEC,
    "running": Input(truth, True),
    "ready": Input(row({"url": Input(text), "seconds": Input(number, 0.0)}), None),
    "stop_seconds": Input(number, 10.0),  # for an ACPI shutdown, before forced termination
}
IN_PLACE = {"memory_bytes", "vcpus", "cpus", "autostart", "running", "ready", "stop_seconds"}


class DomainProvider(Provider):
    """One guest. The id is its name."""

    client: ClassVar[Any] = domains
    kind = DomainSpec
    inputs, own_outputs, in_place = INPUTS, ("answered",), IN_PLACE

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """What differs from the state, with every default filled in."""
        wanted = self.filled(news)
        # How long a create waits changes nothing.
        ignored = {"ready"} if wanted["uuid"] else {"ready", "uuid"}
        differs = [key for key in changed(INPUTS, olds, wanted) if key not in ignored]
        if wanted["ready"] and wanted["running"] and not olds.get("answered"):
            differs.append("ready")  # its create was interrupted before it answered
        return difference(differs, IN_PLACE)

    def filled(self, props: Props) -> Props:
        """The inputs with every default filled in, so that they compare with what is read back."""
        filled = super().filled(props)
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

    def spec(self, props: Props) -> DomainSpec:
        """With its devices, and every default filled in."""
        disks = tuple(DiskSpec(**disk) for disk in props["disks"])
        links = tuple(InterfaceSpec(**link) for link in props["interfaces"])
        spec: DomainSpec = super().spec({**props, "disks": disks, "interfaces": links})
        return spec.whole()

    def look(self, props: Props) -> None:
        """Not a name of another owner, nor too little memory."""
        spec = self.spec(self.filled({key: value for key, value in props.items() if known(value)}))
        _refuse_sizes(spec)
        domain.to_xml(spec)
        for key, file in (("kernel", spec.kernel), ("initrd", spec.initrd)):
            if file and not Path(file).is_file():
                raise Wrong(key, f"there is no file {file}")
        domains.refuse_foreign(spec.name, spec.stack)

    def make(self, props: Props) -> domains.Found:
        """Define and start it, and wait for its first answer if it is to be `ready`; one that fails is removed."""
        spec = self.spec(props)
        made = domains.create(spec, running=props["running"])
        try:
            return _settled(spec, props) if props["running"] else made
        except VmlabError:
            domains.remove(spec.name, spec.stack)
            raise

    def change(self, props: Props) -> domains.Found:
        """Change its size, start or stop it; a guest that does not follow while it runs is started again."""
        spec = self.spec(props)
        now = sizes.update(spec, stop_seconds=props["stop_seconds"])
        if props["running"]:
            domains.start(spec.name)
            return _settled(spec, props)
        if now.running:
            domains.stop(spec.name, props["stop_seconds"])
        return replace(now, running=False)

    def outputs(self, props: Props, found: domains.Found) -> Props:
        """The domain by the names of the inputs. `props` are inputs of one that answered, or a state."""
        spec, filled = super().outputs(props, found), self.filled(props)
        if domain.is_quota_of(found.spec, filled["cpus"] or 0.0):
            spec["cpus"] = filled["cpus"]  # a third of a processor is read back as 0.3334
        spec["balloon"] = found.spec.balloon and filled["balloon"]  # it may exist for the memory alone
        rest = {key: filled[key] for key in ("ready", "stop_seconds")}
        answered = bool(props.get("answered", True)) and found.running
        return {**spec, **rest, "answered": answered}

    def read(self, id_: str, props: Props) -> ReadResult:
        """The domain as it is; whether it answered is in the state alone."""
        return super().read(id_, {"answered": None, **props})

    def delete(self, id_: str, props: Props) -> None:
        """Shut it down and remove it; one that does not exist, or has another owner by now, counts as deleted."""
        domains.remove(id_, props.get("stack", ""), float(props.get("stop_seconds", 0.0)))
        if domains.find(id_) is None:
            domains.forget(id_, props.get("console", ""))


def _refuse_sizes(spec: DomainSpec) -> None:
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
