"""Pools. The directory's mode, `autostart` and whether it runs are changed in place; everything else replaces it.

Out of scope: what is in it (`volume`).
"""

from __future__ import annotations

from dataclasses import asdict

from clients.libvirt import pools
from clients.libvirt.description import PoolSpec, pool
from providers.libvirt.inputs import Props, inputs_of, known
from providers.libvirt.provider import Provider

INPUTS = inputs_of(PoolSpec)


class PoolProvider(Provider):
    """One pool. The id is its name."""

    inputs, own_outputs, in_place = INPUTS, ("running",), {"mode", "autostart"}

    def look(self, props: Props) -> None:
        """Not a directory that QEMU could not reach."""
        if known(props):
            spec = PoolSpec(**props)
            pool.to_xml(spec)
            pools.refuse_foreign(spec)
            pools.refuse_unreachable(spec.path)

    def make(self, props: Props) -> pools.Found:
        """Make the directory, define the pool and start it."""
        return pools.create(PoolSpec(**props))

    def found(self, id_: str, _props: Props) -> pools.Found | None:
        """A foreign one counts as absent, and a missing directory has no mode."""
        there = pools.find(id_)
        return there if there and there.ours else None

    def change(self, props: Props) -> pools.Found:
        """Start it, set the mode and `autostart`."""
        return pools.update(PoolSpec(**props))

    def outputs(self, _props: Props, found: pools.Found) -> Props:
        """Its spec, and whether it runs."""
        return {**asdict(found.spec), "running": found.running}

    def delete(self, id_: str, _props: Props) -> None:
        """Remove it with its directory; one that does not exist counts as deleted."""
        pools.remove(id_)
