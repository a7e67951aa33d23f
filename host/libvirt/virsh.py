"""The few requests that `host` sends to libvirt, by the `virsh` command.

The command rather than libvirt-python, which `host up libvirt` installs. Out of scope: creating objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from machine import commands
from machine.errors import VmlabError

URI = "qemu:///system"


def answers() -> bool:
    """Whether a libvirt answers. Its socket accepts before its drivers are ready, so a request is sent."""
    try:
        return _ask("uri", timeout=5).strip() == URI
    except VmlabError:
        return False


def versions() -> str:
    """ "libvirt 9.0.0, QEMU 7.2.22", as far as it is known: without an emulator virsh fails half way."""
    try:
        text = _ask("version", "--daemon")
    except VmlabError as error:
        text = str(error)
    daemon = re.search(r"against daemon: (\S+)", text)
    emulator = re.search(r"hypervisor: (QEMU \S+)", text)
    names = [f"libvirt {daemon[1]}" if daemon else "libvirt", emulator[1] if emulator else "no emulator"]
    return ", ".join(names)


def running_domains() -> list[str]:
    """The names of the domains that run, of any owner."""
    return [line for line in _ask("list", "--name").splitlines() if line]


def active_networks() -> list[str]:
    """The names of the networks that have their bridge."""
    return [line for line in _ask("net-list", "--name").splitlines() if line]


def end_domain(name: str) -> None:
    """Terminate it by force; its definition stays."""
    _end(name, "destroy", running_domains)


def end_network(name: str) -> None:
    """Remove its bridge, dnsmasq and rules; its definition stays."""
    _end(name, "net-destroy", active_networks)


def _end(name: str, verb: str, left: Callable[[], list[str]]) -> None:
    """A name that virsh does not find is not an error: a libvirtd that reconnects to a guest kills it first."""
    try:
        _ask(verb, name, timeout=30)
    except VmlabError:
        if name in left():
            raise


def _ask(*words: str, timeout: float = 10) -> str:
    return commands.run(["virsh", "--quiet", "--connect", URI, *words], timeout_seconds=timeout)
