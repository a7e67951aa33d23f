"""The same container started with `docker run -d` by hand, timed from the call to the first valid answer.

The flags are read from the stack's own container, so that both start the same thing. Out of scope: flags that the
lab's components never set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import Any

from clients.docker import shared
from clients.http_probe import first_answer
from machine.errors import VmlabError
from substrates.contract import Request, Slot

NAME = "vmlab-bench-by-hand"


def flags(instance: dict[str, Any]) -> tuple[list[str], str, list[str]]:
    """Options, image and arguments of the stack's container, without name, port and nonce."""
    found = shared().inspect_container(instance["id"])
    host, config = found["HostConfig"], found["Config"]
    options = [
        f"--user={config['User']}",
        f"--cpus={host['NanoCpus'] / 1e9}",
        f"--memory={host['Memory']}",
        f"--memory-swap={host['MemorySwap']}",
        *(f"--cap-drop={name}" for name in host["CapDrop"]),
        *(f"--security-opt={name}" for name in host["SecurityOpt"]),
        *(f"--tmpfs={path}:{how}" for path, how in (host["Tmpfs"] or {}).items()),
        *(f"--ulimit={u['Name']}={u['Soft']}:{u['Hard']}" for u in host["Ulimits"] or []),
        *(f"--env={member}" for member in config["Env"]),
        *(f"--network={name}" for name in found["NetworkSettings"]["Networks"]),
        *(f"--mount=type=volume,target={m['Target']}" for m in host["Mounts"] if m["Type"] == "volume"),
        *(["--read-only"] if host["ReadonlyRootfs"] else []),
        *(["--init"] if host["Init"] else []),
        f"--entrypoint={config['Entrypoint'][0]}",
    ]
    return options, config["Image"], [*config["Entrypoint"][1:], *(config["Cmd"] or [])]


def boot_seconds(known: tuple[list[str], str, list[str]], slot: Slot, request: Request, inside: int) -> float:
    """Start it, wait for its answer, remove it."""
    options, image, arguments = known
    own = [f"--name={NAME}", f"--env=NONCE={request.nonce}", f"--publish=127.0.0.1:{slot.port}:{inside}"]
    client = shutil.which("docker") or "docker"
    command = [client, "run", "-d", *own, *options, image, *arguments]
    start = time.monotonic_ns()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)
    url = f"http://127.0.0.1:{slot.port}{request.path}"
    answer = first_answer(url, start + int(request.seconds * 1e9), request.expected)
    subprocess.run([client, "rm", "-fv", NAME], check=True, stdout=subprocess.DEVNULL)
    if answer is None:
        raise VmlabError(f"{' '.join(command)}: no answer within {request.seconds:g} s")
    return (answer.at_ns - start) / 1e9
