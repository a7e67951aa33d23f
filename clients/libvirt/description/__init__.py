"""What libvirt is given and what it answers: dataclasses on our side, XML on its.

Each sibling has the dataclass, `to_xml` and `from_xml`; a thing that was built and read back equals itself.
XML is built as a tree, never pasted together. What XML cannot carry (control characters) and what libvirt
cannot use as a name is Refused before anything is made.
"""

from clients.libvirt.description.domain import DiskSpec, DomainSpec, InterfaceSpec
from clients.libvirt.description.network import NetworkSpec
from clients.libvirt.description.pool import PoolSpec
from clients.libvirt.description.volume import VolumeSpec

__all__ = ["DiskSpec", "DomainSpec", "InterfaceSpec", "NetworkSpec", "PoolSpec", "VolumeSpec"]
