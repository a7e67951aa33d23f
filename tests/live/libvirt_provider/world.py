"""One copy of the test program with a stack of its own, what it asks for, and what libvirt says about it.

Every name begins with the stack's, so that tests, and others who use the same libvirtd, do not meet. The census counts
what libvirt and the file system have under that name, taps that belong to no domain, and processes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from clients.libvirt import connection, domains, networks, pools, volumes
from machine import places
from tests.live import census
from tests.live.libvirt_provider import guest
from tests.live.site import PROJECT, ROOT, Site

PROGRAM = Path(__file__).with_name("program")
FOLDERS = (
    "/etc/libvirt",
    "/var/lib/libvirt",
    "/var/log/libvirt",
    "/run/libvirt",
    "/run/vmlab",
    "/var/lib/vmlab/pools",
)
MIB = 1024**2


@dataclass
class World(Site):
    """A site whose program makes things of libvirt's."""

    things: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def start_up(cls) -> World:
        """A new one; nothing is asked for yet."""
        world = cls(Path(tempfile.mkdtemp(prefix="vmlab-virt-")), f"t{uuid.uuid4().hex[:10]}")
        world.root.chmod(0o755)  # QEMU's user reads the initramfs
        for folder in (world.files, world.temporary, world.backend):
            folder.mkdir()
        shutil.copytree(PROGRAM, world.project, ignore=shutil.ignore_patterns("__pycache__"))
        for package in (
            "catalogue",
            "clients",
            "machine",
            "providers",
            "substrates",
        ):  # the program finds only what is in its project
            (world.project / package).symlink_to(ROOT / package)
        world.stack_file.write_text("config: {}\n")
        return world

    # -- what is asked for

    @property
    def label(self) -> str:
        """Whose the things are."""
        return f"{PROJECT}/{self.stack}"

    @property
    def bridge(self) -> str:
        """The network's link."""
        return f"v{self.stack}"

    @property
    def console(self) -> Path:
        """What the guest says."""
        return places.run() / f"test-{self.stack}" / "console"

    def name(self, part: str) -> str:
        """The name of a thing."""
        return f"vmlab-{self.stack}-{part}"

    def ask(self, **things: tuple[str, dict[str, Any]]) -> None:
        """Ask for these things, in this order."""
        self.things = things
        (self.project / "things.json").write_text(json.dumps(things))

    def change(self, thing: str, **inputs: Any) -> None:
        """Ask for other inputs of a thing."""
        kind, before = self.things[thing]
        self.ask(**{**self.things, thing: (kind, {**before, **inputs})})

    def pool(self, **more: Any) -> tuple[str, dict[str, Any]]:
        """A pool."""
        return "Pool", {"name": self.name("pool"), "path": str(places.pools() / self.name("pool")), **more}

    def volume(self, part: str = "disk", **more: Any) -> tuple[str, dict[str, Any]]:
        """A volume in that pool."""
        return "Volume", {"name": self.name(part), "pool": self.name("pool"), **more}

    def network(self, **more: Any) -> tuple[str, dict[str, Any]]:
        """A network."""
        own = {"name": self.name("net"), "stack": self.label, "bridge": self.bridge}
        return "Network", {**own, "address": "198.18.1.193/26", **more}

    def domain(self, *modules: str, **more: Any) -> tuple[str, dict[str, Any]]:
        """A guest of a kernel and one program, which loads these modules."""
        initramfs = self.files / f"initramfs-{'-'.join(modules)}"
        if not initramfs.exists():
            guest.initramfs(initramfs, modules)
        boots = {"kernel": str(guest.kernel()), "initrd": str(initramfs), "cmdline": guest.CMDLINE}
        own = {"name": self.name("vm"), "stack": self.label, "console": str(self.console)}
        return "Domain", {**own, **boots, "memory_bytes": 96 * MIB, "stop_seconds": 0, **more}

    def up(self) -> dict[str, int]:
        """Up without its preview; what changed."""
        return self.engine("up", "--skip-preview", "--json").good().changes

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Nobody answers the program where it looks for libvirtd."""
        package = self.project / "clients"
        package.unlink()
        shutil.copytree(ROOT / "clients", package)
        file = package / "libvirt" / "connection.py"
        text = file.read_text()
        file.write_text(text.replace('"qemu:///system"', '"qemu+unix:///system?socket=/no/such/socket"'))
        assert file.read_text() != text
        yield
        shutil.rmtree(package)
        package.symlink_to(ROOT / "clients")

    # -- what is there

    def outputs(self, thing: str) -> dict[str, Any] | None:
        """What the state has of a thing; None when it has none."""
        found = (r["outputs"] for r in self.state()["resources"] if r["urn"].endswith(f"::{thing}"))
        return next(found, None)

    def xml(self, part: str = "vm") -> ElementTree.Element:
        """What libvirt says about a thing: its live XML while it runs."""
        api, name = connection.open(), self.name(part)
        if part == "vm":
            return ElementTree.fromstring(api.lookupByName(name).XMLDesc(0))
        if part == "net":
            return ElementTree.fromstring(api.networkLookupByName(name).XMLDesc(0))
        pool = api.storagePoolLookupByName(self.name("pool"))
        return ElementTree.fromstring(
            (pool if part == "pool" else pool.storageVolLookupByName(name)).XMLDesc(0)
        )

    def guest_said(self, words: str, seconds: float = 40.0) -> None:
        """Wait until the guest's console has these words."""
        deadline = time.monotonic() + seconds
        while not (self.console.exists() and words in self.console.read_text(errors="replace")):
            assert time.monotonic() < deadline, (
                self.console.read_text() if self.console.exists() else "no console"
            )
            time.sleep(0.02)

    @property
    def rows_of_libvirt(self) -> census.Rows:
        """Everything that carries this world's name."""
        return {
            **census.of_libvirt(self._named),
            "links": lambda: filter(self._named, (link.name for link in Path("/sys/class/net").iterdir())),
            "files": lambda: (path for at in FOLDERS for path in census.below(at) if self._named(path)),
            "processes": lambda: {*self.processes().values(), *filter(self._named, _guests())},
            **census.of_states(self.backend),
            **census.of_folders(private_directories=(self.temporary, "**/*")),
            "taps": census.orphaned_taps,
        }

    def _named(self, text: str) -> bool:
        return self.stack in text

    def sweep(self) -> None:
        """Take away what is left, whatever the state says."""
        for name, stack in domains.labelled((self.label,)):
            domains.remove(name, stack)
        for name, stack in networks.labelled((self.label,)):
            networks.remove(name, stack)
        for pool, name in volumes.labelled():
            if self.stack in pool:
                volumes.remove(name, pool)
        pools.remove(self.name("pool"))
        shutil.rmtree(self.console.parent, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)


def _guests() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "qemu-system" in words or "dnsmasq" in words:
            found.append(words)
    return found
