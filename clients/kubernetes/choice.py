"""Which cluster the lab works on: its own, or the one that the user names with VMLAB_KUBECONFIG and VMLAB_CONTEXT.

Never the user's default context: a lab that makes and removes namespaces must be pointed at a cluster on purpose.
Out of scope: reading the kubeconfig (`kubeconfig.py`), the flags (`lab/`).
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clients.kubernetes import places
from clients.kubernetes.errors import LabClusterDown, NamedClusterDown
from machine.errors import InvalidInput

if TYPE_CHECKING:
    from clients.kubernetes.api import Api

KUBECONFIG, CONTEXT = "VMLAB_KUBECONFIG", "VMLAB_CONTEXT"


@dataclass(frozen=True)
class Choice:
    """A kubeconfig's path and the context in it ("" is its current one). `ours`: the lab's built-in cluster."""

    path: Path
    context: str = ""
    ours: bool = True


def chosen() -> Choice:
    """The cluster to work on; Unavailable when the lab's is not up, InvalidInput when the user names no file."""
    named = os.environ.get(KUBECONFIG) or ""
    own = places.kubeconfig()
    path = Path(named).expanduser().absolute() if named else own
    choice = Choice(path, os.environ.get(CONTEXT) or "", ours=path.resolve() == own.resolve())
    _refuse_missing(choice)
    return choice


def connect(choice: Choice) -> Api:
    """A client of this cluster; of one that does not answer, Unavailable (the lab's own) or InvalidInput (another)."""
    from clients.kubernetes import (
        kubeconfig,  # here, because a program that only names the cluster needs no urllib3
    )
    from clients.kubernetes.api import Api

    _refuse_missing(choice)
    access = kubeconfig.access(str(choice.path), choice.context)
    return Api(access, silence=LabClusterDown if choice.ours else NamedClusterDown)


def shared(choice: Choice) -> Api:
    """This process's one client of the cluster; a kubeconfig that was replaced, as by a new cluster, gets a new one."""
    _refuse_missing(choice)
    found = choice.path.stat()
    return _made(choice, (found.st_mtime_ns, found.st_ino))


@functools.lru_cache(maxsize=8)
def _made(choice: Choice, stamp: tuple[int, int]) -> Api:
    return connect(choice)


def _refuse_missing(choice: Choice) -> None:
    if choice.path.is_file():
        return
    if choice.ours:
        raise LabClusterDown(f"the lab's own cluster is not up ({choice.path} does not exist)")
    raise InvalidInput(f"there is no kubeconfig {choice.path}; next: give --kubeconfig a file")
