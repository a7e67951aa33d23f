"""The service as a libvirt VM: pool, isolated network, disk layer, data and configuration disks, and the domain.

Out of scope: a way out of the network, DHCP, DNS.
"""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from typing import Any

import pulumi

from clients.libvirt import connection
from components.libvirt import Domain, Network, Pool, Volume
from components.spec import ServiceArgs, conditions, object_name, probe, settings
from machine import addresses, places
from machine.waiting import answer_seconds
from substrates.vm import accelerator, guest
from substrates.vm.boot import mac_of
from substrates.vm.substrate import STOP_SECONDS

SUBSTRATE = "vm"
LEAST_MEMORY_BYTES = 128 * 1024**2  # below it the guest's kernel runs out of memory while it boots
VARIANTS = ("full", "slim")
SECRET_PATH = "/run/secrets/service"


@dataclass
class GuestArgs:
    """What only a VM has: its network, what else runs in it, and which kernel."""

    network: str = addresses.GUESTS_NETWORK
    variant: str = "full"  # a whole Debian with systemd, or `slim`: the service is the only process
    kernel: str = "default"  # or `other`: another Debian release's

    @classmethod
    def from_config(cls, config: pulumi.Config) -> GuestArgs:
        """From the stack's configuration; ValueError names a wrong key."""
        found = cls(*(config.get(key) or getattr(cls, key) for key in ("network", "variant", "kernel")))
        if found.variant not in VARIANTS:
            raise ValueError(f"variant must be {' or '.join(VARIANTS)}, not {found.variant!r}")
        if found.kernel not in ("default", "other"):
            raise ValueError(f"kernel must be default or other, not {found.kernel!r}")
        return found


class VmService(pulumi.ComponentResource):
    """A guest with a separate kernel."""

    outputs: dict[str, Any]

    def __init__(
        self,
        name: str,
        args: ServiceArgs,
        opts: pulumi.ResourceOptions | None = None,
        own: GuestArgs | None = None,
    ) -> None:
        own = own or GuestArgs.from_config(pulumi.Config())
        kernel = guest.kernel(own.kernel)
        proven = accelerator.proven(kernel.image)
        connection.open()  # otherwise each resource reports that libvirtd does not answer
        gateway, address = _addresses(own.network)
        if args.memory_bytes < LEAST_MEMORY_BYTES:
            least = f"at least {LEAST_MEMORY_BYTES // 1024**2} MiB for a guest to boot"
            raise ValueError(f"memory must be {least}, not {args.memory_bytes} bytes")
        settings(args.artifact.environment)  # a foreign service's, checked as the stack's are
        super().__init__("vmlab:index:VmService", name, None, opts)
        network = self._network(name, gateway)
        disks = self._disks(name, args, own, address)
        base = str(guest.disk(args.artifact, own.variant))
        url = f"http://{address.ip}:{args.artifact.port}"
        inputs = {
            **_named(name),
            **_machine(args, own, kernel, proven.name),
            "disks": _attached(disks, base),
            "interfaces": [{"network": object_name(name, "network"), "mac": mac_of(str(address.ip))}],
            "ready": {"url": f"{url}{args.artifact.health}", "seconds": answer_seconds()},
        }
        after = pulumi.ResourceOptions(parent=self, depends_on=[network, *disks])
        domain = Domain(f"{name}-domain", inputs, after)
        handle = {"name": domain.name, "uuid": domain.uuid, "port": args.artifact.port}
        self.outputs = {
            "substrate": SUBSTRATE,
            "url": url,
            "instance": {**probe(args), **handle, "address": str(address.ip)},
            "artifact": args.artifact.digest,
            "limits": {"cpus": args.cpus, "memory_bytes": args.memory_bytes, "enforced": True},
            "conditions": _conditions(own, kernel, proven),
        }
        self.register_outputs(self.outputs)

    def _network(self, name: str, gateway: ipaddress.IPv4Interface) -> Network:
        """An isolated bridge for this stack: no way out, no DHCP, no DNS."""
        network = object_name(name, "network")
        bridge = (
            f"vl-{network.rpartition('-')[2]}"  # at most 15 characters, and always the same for a network
        )
        inputs = {"name": network, "stack": _label(), "address": str(gateway), "bridge": bridge}
        return Network(f"{name}-network", inputs, pulumi.ResourceOptions(parent=self))

    def _disks(
        self, name: str, args: ServiceArgs, own: GuestArgs, address: ipaddress.IPv4Interface
    ) -> tuple[Volume, Volume, Volume]:
        """A layer above the artifact's disk, the data of `/visits`, and the configuration, in a pool for this stack."""
        pool = object_name(name, "pool")
        folder = {"name": pool, "path": str(places.pools() / pool)}
        resource = Pool(f"{name}-pool", folder, pulumi.ResourceOptions(parent=self))
        inside = pulumi.ResourceOptions(parent=self, depends_on=[resource])
        base = guest.disk(args.artifact, own.variant)
        layer = {"format": "qcow2", "backing": str(base), "capacity_bytes": base.stat().st_size}
        contents: dict[str, dict[str, Any]] = {
            "root": {"name": "root.qcow2", **layer},
            "data": {"name": "data.raw", "copy_of": str(guest.empty_disk())},
            "config": {"name": "config.raw", "files": _files(args, address)},
        }
        made = [
            Volume(f"{name}-{part}", {"pool": pool, **inputs}, inside) for part, inputs in contents.items()
        ]
        return made[0], made[1], made[2]


def _label() -> str:
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def _named(name: str) -> dict[str, str]:
    """The domain's name, its owner, and the file of its console."""
    domain = object_name(name, "domain")
    return {"name": domain, "stack": _label(), "console": str(places.run() / "console" / domain)}


def _machine(args: ServiceArgs, own: GuestArgs, kernel: guest.Kernel, name: str) -> dict[str, Any]:
    """The hardware, and what it boots."""
    return {
        "memory_bytes": args.memory_bytes,
        "vcpus": math.ceil(args.cpus),
        "cpus": args.cpus,
        "balloon": True,  # so that the guest reports its memory
        "accelerator": name,
        "machine": guest.MACHINE,
        "kernel": str(kernel.image),
        "initrd": str(kernel.initramfs),
        "cmdline": _command_line(own.variant),
        "stop_seconds": STOP_SECONDS,
    }


def _attached(disks: tuple[Volume, Volume, Volume], base: str) -> list[dict[str, Any]]:
    """The disks in the guest's order: vda, vdb, vdc."""
    root, data, config = disks
    layer = {"path": root.path, "format": "qcow2", "backing": base}
    return [layer, {"path": data.path}, {"path": config.path, "read_only": True}]


def _conditions(own: GuestArgs, kernel: guest.Kernel, proven: accelerator.Accelerator) -> dict[str, Any]:
    return conditions(
        runtime="libvirt, QEMU",
        network="bridge, isolated",
        variant=own.variant,
        guest_kernel=kernel.release,
        accelerator=proven.name,
        accelerator_reason=proven.reason,
    )


def _addresses(network: str) -> tuple[ipaddress.IPv4Interface, ipaddress.IPv4Interface]:
    """The bridge's address and the guest's: the first two of the network. It must have room for copies."""
    try:
        whole = ipaddress.IPv4Network(network)
    except ValueError as error:
        raise ValueError(f"network must be like {addresses.GUESTS_NETWORK}: {error}") from None
    if whole.prefixlen > 26:
        raise ValueError(f"network must have room for 62 addresses: a /26 or larger, not {network}")
    return tuple(ipaddress.IPv4Interface(f"{whole[n]}/{whole.prefixlen}") for n in (1, 2))  # type: ignore[return-value]


def _command_line(variant: str) -> str:
    more = f" {guest.FULL_COMMAND_LINE}" if variant == "full" else ""
    return f"{guest.COMMAND_LINE} vmlab_variant={variant}{more}"


def _files(args: ServiceArgs, address: ipaddress.IPv4Interface) -> pulumi.Output[dict[str, str]]:
    """What the guest reads from its configuration disk (host/guest/init.c)."""
    members = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **args.artifact.environment, **args.environment,
        "PORT": str(args.artifact.port), "BIND": "0.0.0.0", "DATA_DIR": "/data",
    }  # fmt: skip
    if args.secret is not None:
        members["SECRET_FILE"] = SECRET_PATH
    files = {
        "address": f"{address}\n",
        "hostname": f"{pulumi.get_stack()}\n",
        "environment": "".join(f"{name}={value}\n" for name, value in sorted(members.items())),
        "command": "".join(f"{word}\n" for word in args.artifact.command_inside()),
    }
    if args.secret is None:
        return pulumi.Output.from_input(files)
    return args.secret.apply(lambda secret: {**files, "secret": secret})
