"""The substrates: one row each, in the order of the lesson, nearest to the bare machine first.

A row is all that the rest of the program knows of a substrate: who operates it, what declares it, which parts of this machine
it needs, how sentences call it. A folder named in VMLAB_PLUGINS (several with `:`) adds rows: its `substrates.toml` has a table
a substrate with the members of `Substrate`, its modules are imported from the folder, its stacks lie in `stacks/`.
Out of scope: the functions that a substrate's module must have, which are in `substrates/contract.py`.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "VMLAB_PLUGINS"
BASE = "process"  # what ratios refer to


class InvalidPlugin(ValueError):
    """A folder in VMLAB_PLUGINS whose rows cannot be used."""

    exit_code = 2


@dataclass(frozen=True)
class Substrate:
    """One kind of place for the service.

    `component` is `module:Class`; "" where nothing can be deployed. `parts` are those of `vmlab host up`. `stacks` are the
    configurations that come with it, in the order of the lesson, each with its noun; none is one of the substrate's own name.
    `milestones` states for the documentation what reaches each. `quick`: the stack of the substrate's name belongs to a quick
    run. `rungs`: steps of the isolation ladder stand for it, so its stacks are not steps. `folder` is a plug-in's."""

    name: str
    noun: str
    module: str
    component: str = ""
    parts: tuple[str, ...] = ()
    stacks: Mapping[str, str] = field(default_factory=dict)
    milestones: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False
    rungs: bool = False
    folder: Path | None = None

    @property
    def nouns(self) -> Mapping[str, str]:
        """Its stacks in the order of the lesson, each with its noun."""
        return self.stacks or ({self.name: self.noun} if self.component else {})

    def load(self) -> ModuleType:
        """The module with the functions of `substrates/contract.py`, imported when it is first needed."""
        return importlib.import_module(self.module)

    def load_component(self) -> Any:
        """The component's class."""
        module, _, name = self.component.partition(":")
        return getattr(importlib.import_module(module), name)


# The artifact's images are pushed when it is built, so it needs the registry.
_ARTIFACT = ("registry", "artifact")
_STAMPED = {  # by the service itself
    "service": "the service's first line ran",
    "listening": "the service listens",
}
OURS = (
    Substrate(
        "process",
        "a bare process",
        module="substrates.process",
        component="components.process:ProcessService",
        parts=_ARTIFACT,
        milestones={"accepted": "the child exists", **_STAMPED, "answered": "the probe has the answer"},
        quick=True,
        rungs=True,
    ),
    Substrate(
        "chroot",
        "a process in a chroot",
        module="substrates.namespaces",
        component="components.namespaces:ChrootService",
        parts=_ARTIFACT,
        rungs=True,
    ),
    Substrate(
        "namespaces",
        "a process in its own namespaces",
        module="substrates.namespaces",
        component="components.namespaces:NamespacesService",
        parts=_ARTIFACT,
        quick=True,
        rungs=True,
    ),
    Substrate("oci", "a container of a runtime alone", module="substrates.oci"),  # of the ladder; no stack
    Substrate(
        "docker",
        "a container",
        module="substrates.docker.substrate",
        component="components.docker:DockerService",
        parts=("docker", *_ARTIFACT),
        milestones={
            "accepted": "the create call returned",
            "sandboxed": "the start call returned",
            **_STAMPED,
            "answered": "the same, through the published port",
        },
        quick=True,
        rungs=True,
    ),
    Substrate(
        "vm",
        "a virtual machine",
        module="substrates.vm.substrate",
        component="components.vm:VmService",
        parts=(*_ARTIFACT, "libvirt", "guest"),
        stacks={
            "vm-slim": "a virtual machine without systemd",
            "vm": "a virtual machine",
            "vm-other": "a virtual machine with another kernel",
        },
        milestones={
            "accepted": "its disk layer exists, and libvirt has the domain",
            "sandboxed": "QEMU runs and its CPU is started",
            "kernel": "the first byte on the serial console",
            "init": "the line of the guest's first process is on the console",
            "service": "the service's line is on the console",
            "listening": "the service's line is on the console",
            "answered": "the same, over the guest's own address",
        },
        quick=True,
    ),
    Substrate(
        "kubernetes",
        "a Kubernetes pod",
        module="substrates.kubernetes.substrate",
        component="components.kubernetes:KubernetesService",
        parts=(*_ARTIFACT, "kubernetes"),
        milestones={
            "accepted": "the API server has the pod",
            "sandboxed": "the kubelet looks for the image; the sandbox has an address",
            **_STAMPED,
            "answered": "the same, through a Service that existed before",
        },
        quick=True,
    ),
)


@functools.cache
def known() -> dict[str, Substrate]:
    """Every row by name, the plug-ins' last. InvalidPlugin names a folder that cannot be used and what is wrong with it."""
    found = {row.name: row for row in OURS}
    for folder in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        for row in _plugin(Path(folder).absolute()):
            if row.name in found:
                raise InvalidPlugin(f"{VARIABLE}: {folder}: there is a substrate {row.name!r} already")
            found[row.name] = row
    return found


def deployable() -> dict[str, Substrate]:
    """The rows that have a component, and so can have stacks."""
    return {name: row for name, row in known().items() if row.component}


def modules() -> dict[str, ModuleType]:
    """Every substrate's module once, by the last of the substrates that it operates."""
    names = {row.module: name for name, row in known().items()}
    return {name: known()[name].load() for name in names.values()}


def lesson() -> list[str]:
    """The stacks that come with the rows, in order."""
    return [stack for row in known().values() for stack in row.nouns]


def quick() -> list[str]:
    """The stacks of a quick run: one for each kind of substrate; the others are variations."""
    return [row.name for row in known().values() if row.quick]


def noun(stack: str, substrate: str = "") -> str:
    """How a sentence calls a copy of a stack."""
    named = {name: text for row in known().values() for name, text in row.nouns.items()}
    row = known().get(substrate)
    return named.get(stack) or (row.noun if row else f"the stack {stack}")


def _plugin(folder: Path) -> list[Substrate]:
    import tomllib

    try:
        tables = tomllib.loads((folder / "substrates.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidPlugin(f"{VARIABLE}: {folder}: substrates.toml cannot be read: {error}") from None
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return [_row(folder, name, table) for name, table in tables.items()]


def _row(folder: Path, name: str, table: object) -> Substrate:
    members = {row.name for row in fields(Substrate)} - {"name", "folder"}
    if not isinstance(table, dict) or not {"noun", "module", "component"} <= table.keys() <= members:
        wanted = ", ".join(sorted(members))
        raise InvalidPlugin(
            f"{VARIABLE}: {folder}: [{name}] must have noun, module and component, and only: {wanted}"
        )
    made = {**table, "parts": tuple(table.get("parts", _ARTIFACT))}
    return Substrate(name=name, folder=folder, **made)
