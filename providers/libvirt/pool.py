"""Pools. The directory's mode, `autostart` and whether it runs are changed in place; everything else replaces it.

Out of scope: what is in it (`volume`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from clients.libvirt import pools
from clients.libvirt.description import PoolSpec, pool
from providers.libvirt.inputs import Props, inputs_of, known
from providers.libvirt.provider import Provider

INPUTS = inputs_of(PoolSpec)


class PoolProvider(Provider):
    """One pool. The id is its name."""

    client: ClassVar[Any] = pools
    kind = PoolSpec
    inputs, own_outputs, in_place = INPUTS, ("running",), {"mode", "autostart"}

    def look(self, props: Props) -> None:
        """Not a directory that QEMU could not reach."""
        if known(props):
            spec = self.spec(props)
            pool.to_xml(spec)
            pools.refuse_foreign(spec)
            pools.refuse_unreachable(spec.path)

    def found(self, id_: str, _props: Props) -> pools.Found | None:
        """A foreign one counts as absent, and a missing directory has no mode."""
        there = pools.find(id_)
        return there if there and there.ours else None

    def delete(self, id_: str, _props: Props) -> None:
        """Remove it with its directory; one that does not exist counts as deleted."""
        pools.remove(id_)
