"""The service as a bare process on the host: the traditional deployment, and the baseline of the comparison.

It runs the artifact's own bytes in place, through the artifact's dynamic loader, as an unprivileged user with
no_new_privs, no capabilities and limits on files and processes. The launcher of the rungs gives up these privileges and
becomes the service: no other program is executed, and no supervisor stays. Nothing isolates it: it sees the host's
processes, network and kernel. A CPU limit is an affinity to that many processors; memory cannot be limited.
Out of scope: everything that `namespaces` adds.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from substrates import rungs
from substrates.copies import life, records
from substrates.copies.records import Definition, Handle

KIND = records.PROCESS
__all__ = ["Definition", "Handle"]

# -- start and stop

start, wait, stop, destroy, set_limits = life.start, life.wait, life.stop, life.destroy, life.set_limits


def define(**given: Any) -> Definition:
    """A definition from these members of it; what every bare process has is added."""
    return Definition(**given, kind=KIND, rungs=rungs.unprivileged())


find, names = partial(records.find, KIND), partial(records.names, KIND)

# -- fresh copies, as `contract` has them: `accepted` is when the process exists, the rest is what the service reports itself

definition, limits = partial(life.definition_of, KIND), partial(life.limits_of, KIND)
artifact, image_bytes = partial(life.digest, KIND), partial(life.tree_bytes, KIND)
boot, footprint, with_probe = life.boot, life.footprint, life.with_probe
remove_copies, remove_labelled = partial(life.remove_copies, KIND), partial(life.remove_all, KIND)
everything_labelled = names
