"""The service on any of the rungs between a process and a container, applied by the lab itself: `chroot`, `namespaces`.

Which kernel features surround it is a list of rungs (`substrates.rungs`); with none of them it is fork and exec of the bytes
in place. A supervisor of 100 kB on the host starts it and forwards signals. When the supervisor is killed the kernel ends the
service, and with its namespaces mounts and links disappear. Only an empty cgroup can remain, which the next start,
`remove_copies` or `remove_labelled` removes.
Out of scope: images and their layers, volumes, restarts, more than one program, which are a container runtime's work.
"""

from __future__ import annotations

from functools import partial

from substrates.copies import life, records, removal
from substrates.copies.records import Definition, Handle
from substrates.inputs.artifact import Artifact
from substrates.rungs import NAMES, network, roots

KIND = records.NAMESPACES
__all__ = ["Definition", "Handle"]

# -- start and stop

start, wait, stop, destroy, set_limits = life.start, life.wait, life.stop, life.destroy, life.set_limits


def for_ladder(artifact: Artifact, rungs: tuple[str, ...] = NAMES, variant: str = "service") -> Definition:
    """What the ladder boots copies of: the service, or `null`, the static binary that is the lower bound."""
    is_null = variant == "null"
    return Definition(
        name=f"vmlab-ladder-{variant}",
        command=["{root}/null"] if is_null else artifact.command,
        root=str(roots.of_null(artifact) if is_null else artifact.root),
        loader="" if is_null else artifact.loader,
        library_path=[] if is_null else artifact.library_path,
        port=artifact.port,
        health="/" if is_null else artifact.health,
        cpus=1.0,
        memory_bytes=512 * 1024**2,
        rungs=rungs,
        environment={} if is_null else artifact.environment,
        templates={} if is_null else artifact.templates,
    )


find, names = partial(records.find, KIND), partial(records.names, KIND)

# -- fresh copies, as `contract` has them: `sandboxed` is when all rungs are applied, `init` when PID 1 begins

definition, limits = partial(life.definition_of, KIND), partial(life.limits_of, KIND)
artifact, image_bytes = partial(life.digest, KIND), partial(life.tree_bytes, KIND)
boot, footprint, with_probe = life.boot, life.footprint, life.with_probe


def shut_down(copy: Handle) -> bool:
    """SIGTERM, forwarded to the service by its init; whether all of it ended by itself, in time."""
    return stop(copy, life.STOP_SECONDS)


def remove_copies() -> None:
    """Stop and forget the copies of an interrupted run."""
    life.remove_copies(KIND)
    removal.sweep()


def everything_labelled() -> list[str]:
    """Every copy on record, cgroups that belong to none, and the bridge when no copy is on it."""
    known = names()
    stray = [f"cgroup {name}" for name in removal.orphans() if name not in known]
    bridge = [network.BRIDGE] if not known and network.is_idle() else []
    return [*known, *stray, *bridge]


def remove_labelled() -> None:
    """Stop and forget them all."""
    life.remove_all(KIND)
    removal.sweep()
    removal.tidy()
