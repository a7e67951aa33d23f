"""A stack that is up as the lab sees it: its outputs, the module that operates it, and the definition of a copy."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from catalogue import substrates
from lab.deploying.outputs import Limits, Outputs
from machine.errors import VmlabError
from substrates.contract import Boot, Request, Slot


@dataclass(frozen=True)
class Subject:
    """A stack that is up, and how copies of it are made."""

    stack: str
    module: ModuleType
    definition: Any  # the substrate's own
    path: str
    echoes_nonce: bool

    def boot(self, slot: Slot, request: Request) -> Boot:
        """Start a copy and wait for its first valid answer."""
        made: Boot = self.module.boot(self.definition, slot, request)
        return made

    def destroy(self, copy: object) -> None:
        """Remove a copy."""
        self.module.destroy(copy)


def subject_of(stack: str, outputs: Outputs) -> Subject:
    """The subject that the stack's outputs describe."""
    instance, module = outputs["instance"], module_of(stack, outputs)
    return Subject(
        stack, module, module.definition(instance), instance["path"], bool(instance["echoes_nonce"])
    )


def limits_of(module: ModuleType, outputs: Outputs) -> Limits:
    """The limits of the stack's own instance, read back by its substrate's module; the declared one where nothing limits it."""
    limits: Limits = {**outputs["limits"], **module.limits(outputs["instance"]).as_dict()}
    return limits


def module_of(stack: str, outputs: Outputs) -> ModuleType:
    """The module that operates the stack's substrate; VmlabError when this version has none."""
    row = substrates.known().get(outputs["substrate"])
    if row is None:
        raise VmlabError(f"there is no module for what stack {stack!r} runs on ({outputs['substrate']!r})")
    try:
        return row.load()
    except ImportError as error:
        raise VmlabError(
            f"the module for what stack {stack!r} runs on cannot be imported: {error}"
        ) from error
