"""Pools. The directory's mode, `autostart` and whether it runs are changed in place; everything else replaces it.

Out of scope: what is in it (`volume`).
"""

from __future__ import annotations

from dataclasses import asdict

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from clients.libvirt import pools
from clients.libvirt.description import PoolSpec, pool
from providers.libvirt.inputs import (
    ABSENT,
    Input,
    Props,
    changed,
    difference,
    fill,
    known,
    result,
    text,
    truth,
)

INPUTS = {
    "name": Input(text),
    "path": Input(text),
    "mode": Input(text, "0711"),
    "autostart": Input(truth, False),
}
IN_PLACE = {"mode", "autostart"}
OUTPUTS = ("running",)


class PoolProvider(ResourceProvider):
    """One pool. The id is its name."""

    serialize_as_secret_always = False

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Inputs that cannot work: a directory that QEMU could not reach."""
        return result(INPUTS, OUTPUTS, news, _look)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """What differs from the state; one that was stopped is started."""
        return difference(changed(INPUTS, olds, news), IN_PLACE, changes=not olds.get("running"))

    def create(self, props: Props) -> CreateResult:
        """Make the directory, define the pool and start it."""
        return CreateResult(props["name"], _outputs(pools.create(_spec(props))))

    def read(self, id_: str, _props: Props) -> ReadResult:
        """The pool as it is; a foreign one counts as absent, and a missing directory has no mode."""
        there = pools.find(id_) if id_ else None
        if there is None or not there.ours:
            return ABSENT
        return ReadResult(id_, _outputs(there))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """Start it, set the mode and `autostart`."""
        return UpdateResult(_outputs(pools.update(_spec(news))))

    def delete(self, id_: str, _props: Props) -> None:
        """Remove it with its directory; one that does not exist counts as deleted."""
        pools.remove(id_)


def _look(props: Props) -> None:
    if known(props):
        spec = _spec(props)
        pool.to_xml(spec)
        pools.refuse_foreign(spec)
        pools.refuse_unreachable(spec.path)


def _spec(props: Props) -> PoolSpec:
    return PoolSpec(**fill(INPUTS, props)[0])


def _outputs(found: pools.Found) -> Props:
    return {**asdict(found.spec), "running": found.running}
