"""A container's inputs as the JSON of Docker's `POST /containers/create` and `/update`.

Sizes are in MB in Pulumi and in bytes in Docker; durations are Go's text and nanoseconds.
Source: Docker API 1.41, ContainerCreate; what an absent value means is left to Docker by not sending it.
"""

from __future__ import annotations

import re
from typing import Any

from engine.providers.docker import ownership
from engine.providers.docker.kind import Plain

MEGABYTE = 1024 * 1024
NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_CONFIG = {
    "image": "Image",
    "command": "Cmd",
    "entrypoints": "Entrypoint",
    "envs": "Env",
    "user": "User",
    "workingDir": "WorkingDir",
    "hostname": "Hostname",
    "domainname": "Domainname",
    "stdinOpen": "OpenStdin",
    "tty": "Tty",
    "stopSignal": "StopSignal",
    "stopTimeout": "StopTimeout",
}
_HOST = {
    "init": "Init",
    "publishAllPorts": "PublishAllPorts",
    "dns": "Dns",
    "dnsOpts": "DnsOptions",
    "dnsSearches": "DnsSearch",
    "tmpfs": "Tmpfs",
    "readOnly": "ReadonlyRootfs",
    "deviceCgroupRules": "DeviceCgroupRules",
    "privileged": "Privileged",
    "securityOpts": "SecurityOpt",
    "groupAdds": "GroupAdd",
    "sysctls": "Sysctls",
    "ipcMode": "IpcMode",
    "pidMode": "PidMode",
    "usernsMode": "UsernsMode",
    "cgroupnsMode": "CgroupnsMode",
    "cgroupParent": "CgroupParent",
    "runtime": "Runtime",
    "rm": "AutoRemove",
}
# input, Docker's name, factor
LIMITS = (
    ("memory", "Memory", MEGABYTE),
    ("memorySwap", "MemorySwap", MEGABYTE),
    ("memoryReservation", "MemoryReservation", MEGABYTE),
    ("cpuShares", "CpuShares", 1),
    ("cpuSet", "CpusetCpus", None),
    ("cpuPeriod", "CpuPeriod", 1),
    ("cpuQuota", "CpuQuota", 1),
)


def create_body(inputs: Plain, urn: str) -> Plain:
    """The whole body of a create."""
    body = {docker: inputs[ours] for ours, docker in _CONFIG.items() if inputs.get(ours) is not None}
    body["Labels"] = ownership.labels_of(urn, inputs.get("labels"))
    if inputs.get("healthcheck"):
        body["Healthcheck"] = _healthcheck(inputs["healthcheck"])
    ports = inputs.get("ports") or []
    body["ExposedPorts"] = {_port_key(port): {} for port in ports}
    anonymous = [
        v
        for v in inputs.get("volumes") or []
        if not any(v.get(k) for k in ("hostPath", "volumeName", "fromContainer"))
    ]
    body["Volumes"] = {volume["containerPath"]: {} for volume in anonymous}
    body["HostConfig"] = _host_config(inputs, urn)
    networks = inputs.get("networksAdvanced") or []
    if networks:
        body["NetworkingConfig"] = {"EndpointsConfig": {networks[0]["name"]: endpoint(networks[0])}}
    return body


def update_body(inputs: Plain) -> Plain:
    """The body of an update: every limit that is given, so that one call is right whatever changed."""
    return {**limits(inputs), "RestartPolicy": restart_policy(inputs)}


def limits(inputs: Plain) -> Plain:
    """Docker's resource limits. `cpus` beats period and quota, as in the official provider."""
    found: Plain = {}
    for ours, docker, factor in LIMITS:
        value = inputs.get(ours)
        if value is not None and not (inputs.get("cpus") and ours in ("cpuPeriod", "cpuQuota")):
            found[docker] = value if factor is None or value == -1 else value * factor
    if inputs.get("cpus"):
        found["NanoCpus"] = round(float(inputs["cpus"]) * 10**9)
    if found.get("Memory") and "MemorySwap" not in found:
        found["MemorySwap"] = 2 * found["Memory"]  # what Docker does at create, and does not redo at update
    return found


def restart_policy(inputs: Plain) -> Plain:
    """Docker's restart policy."""
    return {"Name": inputs.get("restart") or "no", "MaximumRetryCount": inputs.get("maxRetryCount") or 0}


def endpoint(network: Plain) -> Plain:
    """One network's settings of a container."""
    settings: Plain = {"Aliases": network.get("aliases") or []}
    if network.get("ipv4Address"):
        settings["IPAMConfig"] = {"IPv4Address": network["ipv4Address"]}
    return settings


def nanoseconds(duration: str) -> int:
    """Go's duration text."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", duration)
    return round(sum(float(number) * NANOSECONDS[unit] for number, unit in parts))


def _host_config(inputs: Plain, urn: str) -> Plain:
    host: Plain = {docker: inputs[ours] for ours, docker in _HOST.items() if inputs.get(ours) is not None}
    host |= limits(inputs) | {"RestartPolicy": restart_policy(inputs)}
    host["PortBindings"] = _bindings(inputs.get("ports") or [])
    host["NetworkMode"] = network_mode(inputs)
    host["Mounts"] = [_mount(mount, urn) for mount in inputs.get("mounts") or []]
    host |= _volumes(inputs.get("volumes") or [])
    if inputs.get("shmSize"):
        host["ShmSize"] = inputs["shmSize"] * MEGABYTE
    capabilities = inputs.get("capabilities") or {}
    host["CapAdd"], host["CapDrop"] = capabilities.get("adds") or [], capabilities.get("drops") or []
    host["ExtraHosts"] = [f"{row['host']}:{row['ip']}" for row in inputs.get("hosts") or []]
    host["Devices"] = [_device(row) for row in inputs.get("devices") or []]
    host["Ulimits"] = [
        {"Name": u["name"], "Soft": u["soft"], "Hard": u["hard"]} for u in inputs.get("ulimits") or []
    ]
    if inputs.get("logDriver") or inputs.get("logOpts"):
        host["LogConfig"] = {
            "Type": inputs.get("logDriver") or "json-file",
            "Config": inputs.get("logOpts") or {},
        }
    return host


def network_mode(inputs: Plain) -> str:
    """The mode names the network that create connects: with `networksAdvanced` the first of them."""
    networks = inputs.get("networksAdvanced") or []
    if networks:
        return str(networks[0]["name"])
    return str(inputs.get("networkMode") or "default")


def _port_key(port: Plain) -> str:
    return f"{port['internal']}/{port.get('protocol') or 'tcp'}"


def _bindings(ports: list[Plain]) -> dict[str, list[Plain]]:
    bindings: dict[str, list[Plain]] = {}
    for port in ports:
        host_port = str(port.get("external") or "")
        row = {"HostIp": port.get("ip") or "0.0.0.0", "HostPort": host_port}
        bindings.setdefault(_port_key(port), []).append(row)
    return bindings


def _mount(mount: Plain, urn: str) -> Plain:
    found: Plain = {"Target": mount["target"], "Type": mount["type"], "ReadOnly": bool(mount.get("readOnly"))}
    if mount.get("source"):
        found["Source"] = mount["source"]
    if (mount.get("bindOptions") or {}).get("propagation"):
        found["BindOptions"] = {"Propagation": mount["bindOptions"]["propagation"]}
    tmpfs = mount.get("tmpfsOptions") or {}
    if tmpfs:
        found["TmpfsOptions"] = {"SizeBytes": tmpfs.get("sizeBytes") or 0, "Mode": tmpfs.get("mode") or 0}
    if mount["type"] == "volume":
        found["VolumeOptions"] = _volume_options(mount.get("volumeOptions") or {}, urn)
    return found


def _volume_options(options: Plain, urn: str) -> Plain:
    """Labelled like all of ours: Docker makes the volume if there is none, and `gc` must find it."""
    found: Plain = {
        "NoCopy": bool(options.get("noCopy")),
        "Labels": ownership.labels_of(urn, options.get("labels")),
    }
    if options.get("driverName"):
        found["DriverConfig"] = {"Name": options["driverName"], "Options": options.get("driverOptions") or {}}
    return found


def _volumes(volumes: list[Plain]) -> Plain:
    binds, inherited = [], []
    for volume in volumes:
        flags = ["ro"] if volume.get("readOnly") else []
        if volume.get("fromContainer"):
            inherited.append(":".join([volume["fromContainer"], *flags]))
        elif volume.get("hostPath") or volume.get("volumeName"):
            flags += [volume["selinuxRelabel"]] if volume.get("selinuxRelabel") else []
            source = volume.get("hostPath") or volume["volumeName"]
            binds.append(":".join([source, volume["containerPath"], ",".join(flags or ["rw"])]))
    return {"Binds": binds, "VolumesFrom": inherited}


def _device(device: Plain) -> Plain:
    return {
        "PathOnHost": device["hostPath"],
        "PathInContainer": device.get("containerPath") or device["hostPath"],
        "CgroupPermissions": device.get("permissions") or "rwm",
    }


def _healthcheck(check: Plain) -> Plain:
    found: dict[str, Any] = {"Test": check["tests"], "Retries": check.get("retries") or 0}
    for ours, docker in (("interval", "Interval"), ("timeout", "Timeout"), ("startPeriod", "StartPeriod")):
        found[docker] = nanoseconds(check.get(ours) or "0s")
    return found
