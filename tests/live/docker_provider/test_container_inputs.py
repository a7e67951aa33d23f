"""Every implemented input of a container: made, changed, applied as Diff says, read back from Docker."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from engine.providers.docker.container_inputs import INPUTS
from engine.providers.docker.forms import Applied

pytestmark = pytest.mark.live
MB = 1024 * 1024


class Case(NamedTuple):
    """One input: its value before and after, and where Docker shows both."""

    key: str
    first: Any
    second: Any
    where: str
    shown_first: Any
    shown_second: Any
    others: dict[str, Any] = {}  # inputs that it needs beside it  # noqa: RUF012
    taken_away: bool = False  # a limit that Docker cannot lift from a living container


def mount(**rest: Any) -> list[dict[str, Any]]:
    return [{"target": "/m", "type": "tmpfs", **rest}]


CASES = [
    Case("command", ["sleep", "1"], ["sleep", "2"], "Config.Cmd", ["sleep", "1"], ["sleep", "2"]),
    Case("entrypoints", ["sh"], ["env"], "Config.Entrypoint", ["sh"], ["env"]),
    Case("envs", ["A=1"], ["A=2"], "Config.Env.0", "A=1", "A=2"),
    Case("user", "65532", "65532:65532", "Config.User", "65532", "65532:65532"),
    Case("workingDir", "/tmp", "/bin", "Config.WorkingDir", "/tmp", "/bin"),
    Case("stdinOpen", False, True, "Config.OpenStdin", False, True),
    Case("tty", False, True, "Config.Tty", False, True),
    Case("init", False, True, "HostConfig.Init", False, True),
    Case(
        "labels",
        [{"label": "a", "value": "1"}],
        [{"label": "a", "value": "2"}],
        "Config.Labels.a",
        "1",
        "2",
    ),
    Case("stopSignal", "SIGTERM", "SIGINT", "Config.StopSignal", "SIGTERM", "SIGINT"),
    Case("stopTimeout", 1, 2, "Config.StopTimeout", 1, 2),
    Case(
        "healthcheck",
        {"tests": ["CMD", "true"], "interval": "1m30s"},
        {"tests": ["CMD", "true"], "interval": "500ms", "timeout": "1s", "retries": 3, "startPeriod": "2s"},
        "Config.Healthcheck",
        {"Test": ["CMD", "true"], "Interval": 90 * 10**9},
        {
            "Test": ["CMD", "true"],
            "Interval": 5 * 10**8,
            "Timeout": 10**9,
            "StartPeriod": 2 * 10**9,
            "Retries": 3,
        },
    ),
    Case(
        "ports",
        [{"internal": 80, "external": 0, "ip": "127.0.0.1"}],
        [{"internal": 81, "external": 54381, "ip": "127.0.0.1", "protocol": "udp"}],
        "HostConfig.PortBindings",
        {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        {"81/udp": [{"HostIp": "127.0.0.1", "HostPort": "54381"}]},
    ),
    Case("publishAllPorts", False, True, "HostConfig.PublishAllPorts", False, True),
    Case("networkMode", "none", "host", "HostConfig.NetworkMode", "none", "host"),
    Case("hostname", "one", "two", "Config.Hostname", "one", "two"),
    Case("domainname", "one.test", "two.test", "Config.Domainname", "one.test", "two.test"),
    Case("dns", ["127.0.0.1"], ["127.0.0.2"], "HostConfig.Dns", ["127.0.0.1"], ["127.0.0.2"]),
    Case("dnsOpts", ["ndots:1"], ["ndots:2"], "HostConfig.DnsOptions", ["ndots:1"], ["ndots:2"]),
    Case("dnsSearches", ["a.test"], ["b.test"], "HostConfig.DnsSearch", ["a.test"], ["b.test"]),
    Case(
        "hosts",
        [{"host": "a", "ip": "198.18.0.9"}],
        [{"host": "b", "ip": "198.18.0.9"}],
        "HostConfig.ExtraHosts",
        ["a:198.18.0.9"],
        ["b:198.18.0.9"],
    ),
    Case("mounts", mount(), mount(readOnly=True), "Mounts.0.RW", True, False),
    Case(
        "mounts",
        mount(tmpfsOptions={"sizeBytes": MB, "mode": 0o700}),
        mount(tmpfsOptions={"sizeBytes": 2 * MB, "mode": 0o700}),
        "HostConfig.Mounts.0.TmpfsOptions",
        {"SizeBytes": MB, "Mode": 0o700},
        {"SizeBytes": 2 * MB, "Mode": 0o700},
    ),
    Case(
        "mounts",
        mount(type="bind", source="/etc", readOnly=True),
        mount(type="bind", source="/usr", readOnly=True, bindOptions={"propagation": "private"}),
        "HostConfig.Mounts.0",
        {"Type": "bind", "Source": "/etc", "Target": "/m", "ReadOnly": True},
        {
            "Type": "bind",
            "Source": "/usr",
            "Target": "/m",
            "ReadOnly": True,
            "BindOptions": {"Propagation": "private"},
        },
    ),
    Case(
        "volumes",
        [{"hostPath": "/etc", "containerPath": "/m"}],
        [{"hostPath": "/usr", "containerPath": "/m"}],
        "Mounts.0.Source",
        "/etc",
        "/usr",
    ),
    Case(
        "volumes",
        [{"hostPath": "/etc", "containerPath": "/m"}],
        [{"hostPath": "/etc", "containerPath": "/m", "readOnly": True}],
        "HostConfig.Binds",
        ["/etc:/m:rw"],
        ["/etc:/m:ro"],
    ),
    Case("volumes", [{"containerPath": "/m"}], [{"containerPath": "/n"}], "Mounts.0.Destination", "/m", "/n"),
    Case(
        "tmpfs",
        {"/t": "size=1m"},
        {"/t": "size=2m"},
        "HostConfig.Tmpfs",
        {"/t": "size=1m"},
        {"/t": "size=2m"},
    ),
    Case("readOnly", False, True, "HostConfig.ReadonlyRootfs", False, True),
    Case("shmSize", 8, 16, "HostConfig.ShmSize", 8 * MB, 16 * MB),
    Case(
        "devices",
        [{"hostPath": "/dev/null", "containerPath": "/dev/a", "permissions": "r"}],
        [{"hostPath": "/dev/null", "containerPath": "/dev/b"}],
        "HostConfig.Devices",
        [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/a", "CgroupPermissions": "r"}],
        [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/b", "CgroupPermissions": "rwm"}],
    ),
    Case(
        "deviceCgroupRules",
        ["c 1:3 r"],
        ["c 1:3 rwm"],
        "HostConfig.DeviceCgroupRules",
        ["c 1:3 r"],
        ["c 1:3 rwm"],
    ),
    Case("privileged", False, True, "HostConfig.Privileged", False, True),
    Case(
        "capabilities",
        {"adds": ["NET_ADMIN"]},
        {"adds": ["SYS_TIME"]},
        "HostConfig.CapAdd.0",
        "NET_ADMIN",
        "SYS_TIME",
    ),
    Case("capabilities", {"drops": ["ALL"]}, {"drops": ["CHOWN"]}, "HostConfig.CapDrop.0", "ALL", "CHOWN"),
    Case(
        "securityOpts",
        ["no-new-privileges"],
        ["seccomp=unconfined"],
        "HostConfig.SecurityOpt",
        ["no-new-privileges"],
        ["seccomp=unconfined"],
    ),
    Case("groupAdds", ["100"], ["101"], "HostConfig.GroupAdd", ["100"], ["101"]),
    Case(
        "ulimits",
        [{"name": "nofile", "soft": 64, "hard": 128}],
        [{"name": "nofile", "soft": 64, "hard": 256}],
        "HostConfig.Ulimits.0.Hard",
        128,
        256,
    ),
    Case(
        "sysctls",
        {"net.ipv4.ip_forward": "1"},
        {"net.ipv4.ip_forward": "0"},
        "HostConfig.Sysctls",
        {"net.ipv4.ip_forward": "1"},
        {"net.ipv4.ip_forward": "0"},
    ),
    Case("ipcMode", "private", "none", "HostConfig.IpcMode", "private", "none"),
    Case("pidMode", None, "host", "HostConfig.PidMode", "", "host"),
    Case("usernsMode", None, "host", "HostConfig.UsernsMode", "", "host"),
    Case("cgroupnsMode", "host", "private", "HostConfig.CgroupnsMode", "host", "private"),
    Case("cgroupParent", "/one", "/two", "HostConfig.CgroupParent", "/one", "/two"),
    Case("runtime", "runc", "io.containerd.runc.v2", "HostConfig.Runtime", "runc", "io.containerd.runc.v2"),
    Case("logDriver", "json-file", "none", "HostConfig.LogConfig.Type", "json-file", "none"),
    Case(
        "logOpts",
        {"max-size": "1m"},
        {"max-size": "2m"},
        "HostConfig.LogConfig.Config",
        {"max-size": "1m"},
        {"max-size": "2m"},
    ),
    Case("rm", False, True, "HostConfig.AutoRemove", False, True),
    Case("restart", "no", "unless-stopped", "HostConfig.RestartPolicy.Name", "no", "unless-stopped"),
    Case("restart", "always", None, "HostConfig.RestartPolicy.Name", "always", "no"),
    Case(
        "maxRetryCount",
        2,
        3,
        "HostConfig.RestartPolicy.MaximumRetryCount",
        2,
        3,
        {"restart": "on-failure"},
    ),
    Case("memory", 64, 32, "HostConfig.Memory", 64 * MB, 32 * MB),
    Case("memory", 32, 128, "HostConfig.Memory", 32 * MB, 128 * MB),
    Case("memory", 32, None, "HostConfig.Memory", 32 * MB, 0, taken_away=True),
    Case("memorySwap", 64, 96, "HostConfig.MemorySwap", 64 * MB, 96 * MB, {"memory": 32}),
    Case("memoryReservation", 16, 24, "HostConfig.MemoryReservation", 16 * MB, 24 * MB, {"memory": 32}),
    Case("cpuShares", 512, 256, "HostConfig.CpuShares", 512, 256),
    Case("cpuSet", "0", "0-1", "HostConfig.CpusetCpus", "0", "0-1"),
    Case("cpuPeriod", 50000, 20000, "HostConfig.CpuPeriod", 50000, 20000),
    Case("cpuQuota", 50000, 20000, "HostConfig.CpuQuota", 50000, 20000),
    Case("cpus", "0.5", "1.25", "HostConfig.NanoCpus", 5 * 10**8, 125 * 10**7),
]
ELSEWHERE = {  # tested in test_container.py, by what they do
    "image", "name", "networksAdvanced", "destroyGraceSeconds", "removeVolumes", "mustRun", "start", "wait", "waitTimeout",
}  # fmt: skip


def shown(found: Any, where: str) -> Any:
    """The value at a dotted path."""
    for part in where.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.key}-{case.shown_second}"[:40])
def test_a_changed_input_reaches_docker(engine, image, settings, case):
    """An input's value is in the container, and so is its new value after what Diff called for."""
    common = {"image": image, "name": f"vmlab-{engine.project}", "start": False, **case.others}
    state = engine.create(engine.urn("Container"), common | {case.key: case.first})
    assert shown(settings(state.id), case.where) == case.shown_first
    assert engine.up(state, common | {case.key: case.first})[1] == "same"
    first_id = state.id
    state, how = engine.up(state, common | {case.key: case.second})
    assert shown(settings(state.id), case.where) == case.shown_second
    assert (state.id != first_id) == (how == "replaced")
    in_place = INPUTS[case.key].applied is Applied.UPDATE and not case.taken_away
    assert how == ("updated" if in_place else "replaced")
    assert engine.refresh(state)
    assert engine.up(state, common | {case.key: case.second})[1] == "same"
    engine.delete(state)


def test_every_input_has_a_case():
    """No implemented input goes untried."""
    assert {case.key for case in CASES} | ELSEWHERE == set(INPUTS)
