"""The provider of libvirt's things, thin over `substrates.libvirt`: domains, volumes, networks and pools.

Each is a dynamic resource whose id is its name, so that a create whose answer was lost is found again.
"""

from providers.libvirt.domain import DomainProvider
from providers.libvirt.network import NetworkProvider
from providers.libvirt.pool import PoolProvider
from providers.libvirt.volume import VolumeProvider

__all__ = ["DomainProvider", "NetworkProvider", "PoolProvider", "VolumeProvider"]
