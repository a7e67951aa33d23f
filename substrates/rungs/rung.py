"""What a rung is, what it receives about its copy, and the plan that it adds its system calls to.

A plan has stages, because the order of the ladder is not the order of the calls: all namespaces are made in one clone, a
root is changed only after everything is mounted below it, and privileges go last. Within a stage the rungs' order holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import ClassVar

from machine.errors import InvalidInput
from substrates.rungs.cgroups import Cgroups

Step = tuple[str, ...]  # the launcher's word for it, and its arguments


class Stage(IntEnum):
    """When a step is due. Up to ATTACH, and UNDO, it is the supervisor's; in between it is the child's."""

    PREPARE = 0  # before there is a child
    IDENTITY = 1  # who the child is, from outside; it waits for that
    ATTACH = 2  # its network link, while it mounts
    BECOME_EARLY = 3  # in its own user namespace the child is its user from the beginning
    MOUNT = 4
    ROOT = 5
    JOINED = 6  # the supervisor has done its part
    HOLD = 7  # limits that need no privilege
    BECOME = 8
    LAST = 9  # nothing but exec comes after it
    UNDO = 10


@dataclass(frozen=True)
class Setting:
    """The copy that the rungs are for: everything that they need to know of it."""

    name: str
    directory: Path  # the copy's own, on the host
    root: Path  # the tree
    data: Path
    rungs: frozenset[str]
    user: int  # who the service is, inside and, as root, outside
    own: int  # who we are
    cpus: float
    memory_bytes: int
    pids: int
    cgroups: Cgroups | None = None  # another machine's; None is this one's
    address: str = ""  # of the copy in the lab's network, with the rung `network`
    secret_file: str = ""
    rendered: dict[str, Path] = field(default_factory=dict)  # files that take the place of the tree's

    def inside(self, path: str) -> str:
        """Where a path of the tree is while it is mounted: below the working directory, or the host's own."""
        return path.lstrip("/") if "chroot" in self.rungs else path


@dataclass
class Plan:
    """System calls to be made, by stage; `flags` are those of the one clone."""

    flags: int = 0
    steps: dict[Stage, list[Step]] = field(default_factory=lambda: {stage: [] for stage in Stage})
    group: Path | None = None  # the cgroup of version 2 that the child is made in
    is_init: bool = False  # whether the child stays as PID 1, with the service as its child
    is_bare: bool = False  # whether the launcher itself becomes the service, with no child and no supervisor

    def add(self, stage: Stage, *words: object) -> None:
        """Add a step."""
        self.steps[stage].append(tuple(map(str, words)))

    def text(self, command: list[str]) -> str:
        """What the launcher reads (launcher.c states the format)."""
        steps = self.steps
        own = [
            step for stage in (Stage.JOINED, Stage.HOLD, Stage.BECOME, Stage.LAST) for step in steps[stage]
        ]
        parts = [*own, ("exec", *command)] if self.is_bare else self._supervised(own, command)
        return "".join("\t".join(map(_escaped, step)) + "\n" for step in parts)

    def _supervised(self, own: list[Step], command: list[str]) -> list[Step]:
        steps = self.steps
        clone = ("clone", hex(self.flags), *([str(self.group)] if self.group else []))
        outside = [*steps[Stage.PREPARE], clone, *steps[Stage.IDENTITY], ("release",), *steps[Stage.ATTACH]]
        inside = [*steps[Stage.BECOME_EARLY], *steps[Stage.MOUNT], *steps[Stage.ROOT]]
        start = ("init" if self.is_init else "exec", *command)
        return [
            *outside, ("release",), ("inside",), ("await",), *inside, ("await",), *own, start, ("undo",), *steps[Stage.UNDO]
        ]  # fmt: skip


def _escaped(word: str) -> str:
    if "\0" in word:
        raise InvalidInput(f"a zero byte cannot be part of {word!r}")
    return word.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


class Rung(ABC):
    """One kernel feature."""

    name: ClassVar[str]
    provides: ClassVar[str]  # in a line
    needs: ClassVar[tuple[str, ...]] = ()
    privileged: ClassVar[bool] = True  # needs root, or the rung `user`
    root: ClassVar[bool] = False  # needs root in any case

    def describe(self) -> str:
        """What it provides, in a line."""
        return self.provides

    @abstractmethod
    def apply(self, plan: Plan, setting: Setting) -> None:
        """Add its calls to the plan; Unavailable where this kernel has no such thing."""

    def undo(self, name: str) -> None:  # noqa: B027 - most leave nothing
        """Remove what the copy of this name has left on the host, if anything."""
