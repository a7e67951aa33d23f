"""What libvirt leaves when it ends: seen before it starts, taken back afterwards.

Measured with 9.0.0 and an isolated network: chains named LIBVIRT_* in three tables of iptables and of ip6tables with the
jumps to them, a control group `machine` in each hierarchy, folders. From its source: a network that forwards turns
ip_forward on and nobody turns it off. Bridges and taps go with their networks and domains, which are ended before.
"""

from __future__ import annotations

import glob
import shlex
import shutil
from pathlib import Path
from typing import Any

from host.docker import api
from host.libvirt import daemons
from machine import cgroups, commands, firewall

PROGRAMS = ("iptables", "ip6tables")
SYSCTLS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
IPV6 = Path("/proc/net/if_inet6")
STATE = Path("/var/lib/libvirt")
# libvirt 9.0 makes this one only with a dnsmasq to start. A network without DHCP and DNS starts none, and then its first
# domain fails: "Failed to create file '/var/lib/libvirt/dnsmasq/<bridge>.macs.new'".
NEEDED = STATE / "dnsmasq"
# libvirtd makes those of qemu at its start where the package did not.
QEMU = ("channel/target", "channel", "checkpoint", "dump", "nvram", "ram", "save", "snapshot")
FOLDERS = (*(STATE / "qemu" / name for name in QEMU), NEEDED)
Traces = dict[str, Any]


def take() -> Traces:
    """The machine before libvirt, as JSON."""
    folders = (daemons.RUN / "libvirt", *FOLDERS)
    return {
        "chains": {program: _chains(program) for program in PROGRAMS},
        "sysctls": {name: _sysctl(name) for name in SYSCTLS},
        "cgroups": _machines(),
        "absent": [str(path) for path in folders if not path.exists()],
    }


def prepare() -> None:
    """Make what libvirt needs and does not make itself."""
    NEEDED.mkdir(mode=0o755, parents=True, exist_ok=True)


def prepared() -> bool:
    """Whether it is there."""
    return NEEDED.is_dir()


def undo(before: Traces, domains: list[str]) -> list[str]:
    """Take back the difference; what was done, in words. libvirtd has ended; `domains` are those that it had."""
    rules = sum(_remove_chains(program, before["chains"].get(program, [])) for program in PROGRAMS)
    done = [f"{rules} firewall changes"] if rules else []
    done += [f"{name.replace('/', '.')} = {value}" for name, value in _put_back(before["sysctls"])]
    done += [f"cgroup {path}" for path in _remove_groups(before["cgroups"], domains)]
    _remove_folders(before["absent"])
    return done


def unchain(saved: str, before: list[str]) -> list[list[str]]:
    """The arguments of iptables that take LIBVIRT_* out again: jumps first, then the chains."""
    commands = []
    for name, table in firewall.parse(saved).items():
        chains = [chain for chain in _libvirts(table) if f"{name} {chain}" not in before]
        for rule in table.rules:
            words = shlex.split(rule)
            if words[1] not in chains and words[-2] == "-j" and words[-1] in chains:
                commands.append(["-t", name, "-D", *words[1:]])
        commands += [["-t", name, verb, chain] for verb in ("-F", "-X") for chain in chains]
    return commands


def _libvirts(table: firewall.Table) -> list[str]:
    return [chain for chain in table.chains if chain.startswith("LIBVIRT_")]


def _chains(program: str) -> list[str]:
    tables = firewall.parse(_saved(program))
    return [f"{name} {chain}" for name, table in tables.items() for chain in _libvirts(table)]


def _saved(program: str) -> str:
    """Nothing where there is no such firewall; a kernel booted without IPv6 has no ip6tables to save."""
    if commands.find(f"{program}-save") is None or (program == "ip6tables" and not IPV6.exists()):
        return ""
    return commands.run([f"{program}-save"], timeout_seconds=20)


def _remove_chains(program: str, before: list[str]) -> int:
    found = unchain(_saved(program), before)
    for words in found:
        commands.run([program, *words], timeout_seconds=20)
    return len(found)


def _put_back(before: dict[str, str | None]) -> list[tuple[str, str]]:
    """Not while a Docker answers: its containers need forwarding, and it turns it on only when it starts."""
    changed = {name: value for name, value in before.items() if value is not None and _sysctl(name) != value}
    if not changed or api.answers(api.SOCKET):
        return []
    for name, value in changed.items():
        (Path("/proc/sys") / name).write_text(value)
    return list(changed.items())


def _sysctl(name: str) -> str | None:
    try:
        return (Path("/proc/sys") / name).read_text().strip()
    except OSError:
        return None


def _machines() -> list[str]:
    """The group below which libvirt puts its guests, in each hierarchy."""
    paths = (Path(mount) / "machine" for mount in cgroups.detect().mounts)
    return [str(path) for path in paths if path.is_dir()]


def _remove_groups(before: list[str], domains: list[str]) -> list[str]:
    """Groups of guests that were killed with their libvirtd, then the empty `machine`. rmdir refuses one in use."""
    removed = []
    for machine in map(Path, _machines()):
        for domain in domains:
            for group in machine.glob(f"qemu-*-{glob.escape(domain)}.libvirt-qemu"):
                below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
                removed += [str(path) for path in (*below, group) if _rmdir(path)]
        if str(machine) not in before and _rmdir(machine):
            removed.append(str(machine))
    return removed


def _remove_folders(absent: list[str]) -> None:
    """Those that were not there before: what lies in /run is libvirt's bookkeeping, others go only when empty."""
    for path in map(Path, absent):
        if path.is_relative_to(daemons.RUN):
            shutil.rmtree(path, ignore_errors=True)
        else:
            _rmdir(path)


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return False
    return True
