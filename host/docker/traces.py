"""What a Docker daemon leaves in the kernel when it ends: noted before it starts, removed afterwards.

Measured with 20.10 in an empty network namespace: docker0, 19 chains and rules, FORWARD's policy and ip_forward stay;
of a killed one also the container's file system, its shim and its control groups. From its source: the key limits.
Out of scope: files and processes (`leftovers`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from machine import cgroups, commands, files, firewall, sysctl
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
# docker0, and br-<first 12 digits of the network's id> of user networks (libnetwork, drivers/bridge).
BRIDGE = r"docker0|br-[0-9a-f]{12}"
MARK = firewall.Mark(chain=r"DOCKER(-[A-Z0-9-]+)?", link=BRIDGE)
Traces = dict[str, Any]


def take() -> Traces:
    """The machine before the daemon, as JSON."""
    return {
        "firewall": firewall.saved(),
        "links": _links(),
        "mounts": _mounts(),
        "sysctls": sysctl.snapshot(SYSCTLS),
        "cgroups": list(map(str, cgroups.named("docker"))),
        "absent": [name for name in FOLDERS if not Path(name).exists()],
    }


def undo(before: Traces) -> list[str]:
    """Undo the difference; what was done, one line each. The daemon has ended."""
    done = [f"mount {path}" for path in _unmount(before["mounts"])]
    done += [f"link {name}" for name in _remove_links(before["links"])]
    rules = firewall.restore(MARK, before["firewall"])
    done += [f"{rules} firewall changes"] if rules else []
    # A bridge-nf parameter that was absent was not in force: its module came with Docker and stays loaded; 0 is the same.
    wanted = {
        name: "0" if value is None and name.startswith("net/bridge/") else value
        for name, value in before["sysctls"].items()
    }
    done += sysctl.put_back(wanted)
    return done + [f"cgroup {path}" for path in _remove_cgroups(before["cgroups"])]


def _unmount(before: list[str]) -> list[str]:
    """The latest first; a mount that is still in use is detached, and ends with its last user."""
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


def _remove_cgroups(before: list[str]) -> list[str]:
    """Remove the groups of containers whose shim was killed, then the empty ones above them.

    Another dockerd may share the hierarchy, so only this data root's containers count. A group that has processes stays.
    """
    containers = {path.name for path in CONTAINERS.glob("*")}
    parents = cgroups.named("docker")
    groups = [path for parent in parents for path in parent.iterdir() if path.name in containers]
    groups += [path for path in parents if str(path) not in before]
    return [str(path) for path in groups if files.remove_empty(path)]


def _links() -> list[str]:
    """Docker's bridges. /proc/net is this namespace's; /sys may show another's."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    names = [line.partition(":")[0].strip() for line in lines]
    return [name for name in names if re.fullmatch(BRIDGE, name)]


def _mounts() -> list[str]:
    """Mounts at or below Docker's folders, oldest first. proc(5): blanks are octal in mounts."""
    targets = [line.split(" ")[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    paths = [target.replace("\\040", " ") for target in targets]
    return [
        path for path in paths if any(path == holder or path.startswith(f"{holder}/") for holder in HOLDERS)
    ]
