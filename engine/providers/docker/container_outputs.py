"""What Docker reports about a container, in the words of `pulumi_docker`; and where that contradicts the inputs.

Outputs are the inputs with what only Docker knows: addresses, the ports it chose, the defaults it filled
in.
"""

from __future__ import annotations

from typing import Any

from engine.providers.docker.container_config import LIMITS, MEGABYTE, limits, restart_policy
from engine.providers.docker.kind import Plain


def outputs_of(inputs: Plain, found: Plain) -> Plain:
    """Every output."""
    config, host, state = found["Config"], found["HostConfig"], found["State"]
    outputs: Plain = {
        **{key: value for key, value in inputs.items() if value is not None},
        "name": found["Name"].removeprefix("/"),
        "bridge": found["NetworkSettings"].get("Bridge") or "",
        "networkDatas": networks_of(found),
        "mustRun": must_run(inputs) and (state["Running"] or not inputs.get("start", True)),
    }
    defaults = {
        "command": config.get("Cmd") or [],
        "entrypoints": config.get("Entrypoint") or [],
        "envs": config.get("Env") or [],
        "hostname": config.get("Hostname"),
        "init": bool(host.get("Init")),
        "ipcMode": host.get("IpcMode"),
        "logDriver": host.get("LogConfig", {}).get("Type"),
        "networkMode": host.get("NetworkMode"),
        "restart": host["RestartPolicy"]["Name"] or "no",
        "runtime": host.get("Runtime"),
        "shmSize": (host.get("ShmSize") or 0) // MEGABYTE,
        "securityOpts": host.get("SecurityOpt") or [],
        "stopSignal": config.get("StopSignal") or "SIGTERM",
        "stopTimeout": config.get("StopTimeout") or 0,
    }
    outputs |= {
        key: value for key, value in defaults.items() if outputs.get(key) is None and value is not None
    }
    if inputs.get("ports"):
        outputs["ports"] = ports_of(inputs["ports"], found)
    if state["Status"] in ("exited", "dead"):
        outputs["exitCode"] = state["ExitCode"]
    return outputs


def networks_of(found: Plain) -> list[Plain]:
    """The addresses of a container, by the network's name."""
    rows = []
    for name, network in sorted((found["NetworkSettings"].get("Networks") or {}).items()):
        row = {
            "networkName": name,
            "ipAddress": network.get("IPAddress"),
            "ipPrefixLength": network.get("IPPrefixLen"),
            "gateway": network.get("Gateway"),
            "macAddress": network.get("MacAddress"),
            "globalIpv6Address": network.get("GlobalIPv6Address"),
            "globalIpv6PrefixLength": network.get("GlobalIPv6PrefixLen"),
            "ipv6Gateway": network.get("IPv6Gateway"),
        }
        rows.append({key: value for key, value in row.items() if value is not None})
    return rows


def ports_of(ports: list[Plain], found: Plain) -> list[Plain]:
    """The ports as given, each with the host's port that Docker bound for it."""
    bound = {key: list(rows or []) for key, rows in (found["NetworkSettings"].get("Ports") or {}).items()}
    rows = []
    for port in ports:
        protocol, ip = port.get("protocol") or "tcp", port.get("ip") or "0.0.0.0"
        row = {
            "internal": port["internal"],
            "external": port.get("external") or 0,
            "ip": ip,
            "protocol": protocol,
        }
        candidates = bound.get(f"{port['internal']}/{protocol}", [])
        for candidate in candidates:
            wanted = row["external"] in (0, int(candidate["HostPort"] or 0))
            if wanted and candidate["HostIp"] == ip:
                row["external"] = int(candidate["HostPort"] or 0)
                candidates.remove(candidate)
                break
        rows.append(row)
    return rows


def inputs_found(inputs: Plain, found: Plain) -> Plain:
    """The inputs of the state with the limits that were changed with `docker update`."""
    host, wanted = found["HostConfig"], limits(inputs)
    drifted: dict[str, Any] = {}
    for ours, docker, factor in LIMITS:
        if (
            inputs.get(ours) is not None
            and docker in wanted
            and host.get(docker) not in (wanted[docker], None)
        ):
            value = host[docker]
            drifted[ours] = value if factor is None or value == -1 else value // factor
    if inputs.get("cpus") and host.get("NanoCpus") != wanted["NanoCpus"]:
        drifted["cpus"] = f"{(host.get('NanoCpus') or 0) / 10**9:g}"
    policy, asked = host["RestartPolicy"], restart_policy(inputs)
    if (policy["Name"] or "no") != asked["Name"]:
        drifted["restart"] = policy["Name"] or "no"
    if (policy.get("MaximumRetryCount") or 0) != asked["MaximumRetryCount"]:
        drifted["maxRetryCount"] = policy.get("MaximumRetryCount") or 0
    return inputs | drifted


def must_run(inputs: Plain) -> bool:
    """Whether it is configured to keep running."""
    return inputs.get("mustRun") is not False
