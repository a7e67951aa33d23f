"""Dataclasses of libvirt's objects, and their XML both ways.

Each sibling has the dataclass, `to_xml` and `from_xml`; an object that was written and read back equals itself.
XML is built as a tree, never from strings. What XML cannot carry (control characters) and what libvirt cannot use as a
name is InvalidInput before anything is created. Out of scope: everything of libvirt's schema that the lab does not use.
"""

from clients.libvirt.description.devices import DiskSpec, InterfaceSpec
from clients.libvirt.description.domain import DomainSpec
from clients.libvirt.description.network import NetworkSpec
from clients.libvirt.description.pool import PoolSpec
from clients.libvirt.description.volume import VolumeSpec

__all__ = ["DiskSpec", "DomainSpec", "InterfaceSpec", "NetworkSpec", "PoolSpec", "VolumeSpec"]
