"""What a Docker daemon leaves in the kernel when it ends: seen before it starts, taken back afterwards.

Measured with 20.10 in an empty network namespace: docker0, 19 chains and rules, FORWARD's policy and ip_forward stay;
of a killed one also the container's file system, its shim and its control groups. From its source: the key limits.
Left out: files and processes, host/docker/leftovers.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from machine import cgroups, commands, firewall
from machine.errors import VmlabError

SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-arptables",
    "kernel/keys/root_maxkeys",  # dockerd raises both, daemon/keys.go
    "kernel/keys/root_maxbytes",
)
FOLDERS = ("/run/docker", "/run/containerd")
HOLDERS = ("/run/docker", "/var/run/docker", "/var/lib/docker")
CONTAINERS = Path("/var/lib/docker/containers")
BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
Traces = dict[str, Any]


def take() -> Traces:
    """The machine before the daemon, as JSON."""
    return {
        "firewall": firewall.saved(),
        "links": _links(),
        "mounts": _mounts(),
        "sysctls": {name: _sysctl(name) for name in SYSCTLS},
        "cgroups": _cgroups(),
        "absent": [name for name in FOLDERS if not Path(name).exists()],
    }


def undo(before: Traces) -> list[str]:
    """Take back the difference; what was done, in words. The daemon has ended."""
    done = [f"mount {path}" for path in _unmount(before["mounts"])]
    done += [f"link {name}" for name in _remove_links(before["links"])]
    rules = firewall.restore(before["firewall"])
    done += [f"{rules} firewall changes"] if rules else []
    done += [f"{name.replace('/', '.')} = {value}" for name, value in _put_back(before["sysctls"])]
    return done + [f"cgroup {path}" for path in _remove_cgroups(before["cgroups"])]


def _unmount(before: list[str]) -> list[str]:
    """The latest first; a mount that somebody still uses is detached and goes when they do."""
    mounts = [path for path in reversed(_mounts()) if path not in before]
    for path in mounts:
        try:
            commands.run(["umount", path], timeout_seconds=10)
        except VmlabError:
            commands.run(["umount", "--lazy", path], timeout_seconds=10)
    return mounts


def _remove_links(before: list[str]) -> list[str]:
    links = [name for name in _links() if name not in before]
    for name in links:
        commands.run(["ip", "link", "delete", name, "type", "bridge"], timeout_seconds=10)
    return links


def _put_back(before: dict[str, str | None]) -> list[tuple[str, str]]:
    """A bridge-nf sysctl that was absent was not in force: its module came with Docker and stays, so 0 says the same."""
    changed = []
    for name, value in before.items():
        wanted = "0" if value is None and name.startswith("net/bridge/") else value
        if wanted is not None and _sysctl(name) not in (None, wanted):
            (Path("/proc/sys") / name).write_text(wanted)
            changed.append((name, wanted))
    return changed


def _remove_cgroups(before: list[str]) -> list[str]:
    """The groups of containers whose shim was killed, then the empty ones above them.

    Another dockerd may share the hierarchy, so that only this data root's containers count. rmdir refuses a group that
    has processes or children: then somebody uses it.
    """
    containers = {path.name for path in CONTAINERS.glob("*")}
    groups = [path for parent in _cgroups() for path in Path(parent).iterdir() if path.name in containers]
    groups += [Path(path) for path in _cgroups() if path not in before]
    return [str(path) for path in groups if _rmdir(path)]


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def _links() -> list[str]:
    """Docker's bridges. /proc/net is this namespace's; /sys may show another's."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    names = [line.partition(":")[0].strip() for line in lines]
    return [name for name in names if BRIDGE.fullmatch(name)]


def _mounts() -> list[str]:
    """Mounts at or below Docker's folders, oldest first. proc(5): blanks are octal in mounts."""
    targets = [line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    paths = [target.replace("\\040", " ") for target in targets]
    return [
        path for path in paths if any(path == holder or path.startswith(f"{holder}/") for holder in HOLDERS)
    ]


def _sysctl(name: str) -> str | None:
    try:
        return (Path("/proc/sys") / name).read_text().strip()
    except OSError:
        return None


def _cgroups() -> list[str]:
    paths = (Path(mount) / "docker" for mount in cgroups.detect().mounts)
    return [str(path) for path in paths if path.is_dir()]
