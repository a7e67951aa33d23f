"""What every part can say about itself. Left out: how it is printed, host/commands.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["running", "stopped", "missing"]


@dataclass(frozen=True)
class Status:
    """A part as it is now. `ours`: `up` started it and `down` will stop it. `kubeconfig`: the cluster's, a path."""

    name: str
    state: State
    ours: bool
    detail: str
    fix: str = ""
    kubeconfig: str = ""
