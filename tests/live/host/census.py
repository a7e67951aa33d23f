"""Prints, as JSON, everything of this machine that `host up` may touch. Run inside the sandbox by its conftest."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

GUEST = "vmlab-sandbox"  # in the name of every guest of the sandbox


def main() -> None:
    """Take the census."""
    found = {
        "processes": processes(),
        "links": [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]],
        "firewall": {
            f"{program} {name}": firewall(program, name)
            for program in ("iptables", "ip6tables")
            for name in ("filter", "nat", "mangle")
        },
        "mounts": [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()],
        "sysctls": sysctls(),
        "cgroups": cgroups(),
        "files": files(),
        "libvirt": libvirt(),
    }
    sys.stdout.write(json.dumps(found))


def processes() -> list[str]:
    """Names of what runs, but for this census itself and kernel bookkeeping of processes that have ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(Path("/proc/self").readlink()):
            text = (entry / "stat").read_text()
            if text[text.rindex(")") + 2] != "Z":
                found.append(text[text.index("(") + 1 : text.rindex(")")])
    return sorted(found)


def firewall(program: str, table: str) -> list[str]:
    """Without counters. iptables-nft makes the built-in chains on first use; empty and accepting they mean nothing."""
    command = [f"{program}-save", "-t", table]
    saved = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [re.sub(r" \[\d+:\d+\]", "", line) for line in saved.splitlines()]
    return [line for line in lines if line[:1] in (":", "-") and not re.fullmatch(r":[A-Z]+ ACCEPT", line)]


def cgroups() -> list[str]:
    """Groups named docker, and those of the sandbox's containers, guests and pods: the hierarchies are shared with the outside.

    So is libvirt's `machine`, which comes and goes with the guests outside and is not counted."""
    names = {"docker", *(path.name for path in Path("/var/lib/docker/containers").glob("*"))}
    names.add(f"vmlab-k8s-{Path('/proc/self/ns/pid').stat().st_ino}")
    groups = (f"{path}/{name}" for path, folders, _ in os.walk("/sys/fs/cgroup") for name in folders)
    return [path for path in groups if Path(path).name in names or GUEST in Path(path).name]


def sysctls() -> dict[str, str]:
    """Those that Docker, libvirt and Kubernetes are known to change."""
    forwarding = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
    paths = [
        *(Path("/proc/sys/net") / name for name in forwarding),
        *Path("/proc/sys/net/bridge").glob("bridge-nf-*"),
    ]
    paths += Path("/proc/sys/kernel/keys").glob("root_max*")
    paths += Path("/proc/sys/net/ipv4/neigh/default").glob("gc_thresh*")
    paths += [Path("/proc/sys/kernel/panic"), Path("/proc/sys/kernel/panic_on_oops")]
    paths += [Path("/proc/sys/vm/overcommit_memory"), Path("/proc/sys/vm/panic_on_oom")]
    paths += Path("/proc/sys/net/netfilter").glob("nf_conntrack_max")
    paths += Path("/proc/sys/net/ipv4/conf/all").glob("route_localnet")
    return {str(path): path.read_text().strip() for path in paths}


def files() -> list[str]:
    """Sockets, pid files and folders under /run, but for vmlab's own folder, where its logs and locks stay."""
    found: list[Any] = [path for path in Path("/run").rglob("*") if path.is_dir() or interesting(path)]
    return sorted(
        str(path)
        for path in found
        if not str(path).startswith(("/run/vmlab/locks", "/run/vmlab/logs")) and path != Path("/run/vmlab")
    )


def libvirt() -> list[str]:
    """Its folders, definitions and bookkeeping, where the sandbox has its own; its logs and its cache of QEMUs stay."""
    folders = [Path(name) for name in ("/var/lib/libvirt", "/etc/libvirt")]
    return sorted(str(path) for folder in folders if folder.is_mount() for path in folder.rglob("*"))


def interesting(path: Path) -> bool:
    """A socket or a pid file."""
    return stat.S_ISSOCK(path.lstat().st_mode) or path.suffix == ".pid"


if __name__ == "__main__":
    main()
