"""The probe's answer parsed, its program made, and the definitions that carry it in the service's place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import pytest

from machine.errors import Unavailable
from substrates import process
from substrates.boundaries import program
from substrates.boundaries.reading import Limit, parse
from substrates.docker import substrate as docker
from substrates.kubernetes import substrate as kubernetes
from substrates.kubernetes.copies import Definition

COMMAND = ["/usr/bin/python3.11", "-I", "-S", "/srv/app.py"]
STATUS = "Name:\tprobe\nCapEff:\t0000000000000400\nCapBnd:\t00000000000000ff\nNoNewPrivs:\t0\nSeccomp:\t2\n"
ANSWER: dict[str, Any] = {
    "nonce": "n", "release": "6.1", "version": "#1", "host": "h", "uid": 65532, "pid": 1,
    "files": {
        "/proc/self/status": STATUS,
        "/proc/self/mountinfo": "22 1 0:2 / /proc rw - proc proc rw\n23 1 0:3 / / ro,nosuid - ext4 /dev/vda ro\n",
        "/proc/meminfo": "MemTotal:       2048 kB\nMemFree: 1 kB\n",
        "/proc/self/uid_map": "     65532      65532          1\n",
        "/proc/self/net/dev": "Inter-|  Receive\n face |bytes\n    lo: 0 0\n  eth0: 1 2\n",
        "/proc/self/limits": "Limit   Soft Limit  Hard Limit  Units\nMax open files            512     1024     files\n",
        "/proc/sys/kernel/random/boot_id": "aa-bb\n",
    },
    "namespaces": {"pid": "pid:[1]"}, "root": [1, 2, 3], "paths": {"/home": "absent"},
    "processes": {"may": [], "seen": 3, "usable": 0, "block": 0, "error": 0},
    "sysctls": {"may": ["/proc/sys/a"], "seen": 10, "usable": 1, "block": 0, "error": 0},
    "devices": {"may": [], "seen": 5, "usable": 0, "block": 2, "error": 0},
    "calls": {"read": 14, "mount": 1, "kexec_load": 38, "bpf": -31, "getpid": 0}, "asked": {"raw packets": 1},
    "limits": {
        "memory": {"asked": 100, "got": 80, "signal": 9, "error": 0}, "tasks": {"asked": 9, "got": 4, "error": 11},
        "cpus": {"asked": 2, "wall_ns": 2_000_000_000, "used_ns": 1_000_000_000}, "processors": 2,
    },
}  # fmt: skip


def test_answer_is_read() -> None:
    """Texts of the kernel become values: masks, the root's options, links, limits and how many CPUs were busy."""
    found = parse(json.dumps(ANSWER).encode())
    assert (found.boot_id, found.user_map, found.root_options) == ("aa-bb", "65532 65532 1", "ro,nosuid")
    assert (found.capabilities, found.regainable, found.bounding, found.seccomp_mode) == (
        1 << 10,
        0xFF,
        0xFF,
        2,
    )
    assert (found.links, found.memory_bytes, found.files_most) == (["lo", "eth0"], 2048 * 1024, 1024)
    assert found.memory == Limit(100, 80, 9, 0)
    assert found.cpus == Limit(2, 0.5)
    assert (found.settings.names, found.devices.block, found.processes) == (["/proc/sys/a"], 2, 3)


def test_refused_are_eperm_enosys_and_a_signal() -> None:
    """A call that failed for its arguments was let through; one that ended the caller was not."""
    assert parse(json.dumps(ANSWER).encode()).refused_calls() == {"mount", "kexec_load", "bpf"}


def test_no_proc_is_read_too() -> None:
    """Without a /proc everything is empty, and nothing fails."""
    blind = {**ANSWER, "files": dict.fromkeys(ANSWER["files"]), "namespaces": {}, "limits": {"processors": 1}}
    found = parse(json.dumps(blind).encode())
    assert (found.boot_id, found.root_options, found.links, found.memory, found.files_most) == (
        "",
        "",
        [],
        None,
        0,
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version": "1"}', b'"text"', b'{"files": 3}'])
def test_other_answers_are_refused(body: bytes) -> None:
    """The service's own answer, a torn one, or none is a clear error."""
    with pytest.raises(ValueError, match="not an answer of the probe"):
        parse(body)


def test_table_of_calls_comes_from_the_headers() -> None:
    """Numbers and names are taken as the kernel's headers have them, and nothing else is."""
    text = "#define __NR_read 0\n#define __NR_mount 165\n#define __NR3264_fcntl 25\n#define __NR_sync __NR_other\n#define X 1\n"
    made = program.calls_header(text)
    assert '{0, "read"}' in made
    assert '{165, "mount"}' in made
    assert made.count('"') == 4


def test_program_is_small_static_and_kept() -> None:
    """It fits into one variable of an environment (128 KiB, as hexadecimal), and is an ELF program."""
    made = program.program()
    assert made[:4] == b"\x7fELF"
    assert len(made.hex()) < 128 * 1024 - len(program.VARIABLE) - 2


def test_script_is_replaced_and_nothing_else() -> None:
    """The loader comes in the script's place, also behind a dynamic loader; a service without our interpreter is refused."""
    behind = ["/lib/ld.so", "--library-path", "/lib", *COMMAND]
    assert program.instead_of(behind) == [*behind[:-1], "-c", program.LOADER]
    assert "\n" not in program.LOADER
    with pytest.raises(Unavailable, match="interpreter"):
        program.instead_of(["/usr/sbin/nginx", "-g", "daemon off;"])


def test_process_and_container_carry_it() -> None:
    """The copy keeps its own environment and gets the program and the bounds; everything else stays as it was."""
    own = process.define(
        name="n", command=COMMAND, port=1, health="/", cpus=1.0, memory_bytes=1, environment={"A": "b"}
    )
    made = process.with_probe(own, {"PROBE_TASKS": "7"})
    assert made.environment["A"] == "b"
    assert made.environment["PROBE_TASKS"] == "7"
    assert bytes.fromhex(made.environment[program.VARIABLE]) == program.program()
    assert own.environment == {"A": "b"}
    config = {"Image": "i", "Entrypoint": COMMAND[:1], "Cmd": COMMAND[1:], "Env": ["A=b"]}
    inside = docker.with_probe(docker.Definition(config, "8080/tcp"), {}).config
    assert [*inside["Entrypoint"], *inside["Cmd"]] == program.instead_of(COMMAND)
    assert inside["Env"][0] == "A=b"
    assert (inside["Image"], config["Cmd"]) == ("i", COMMAND[1:])


@dataclass(frozen=True)
class Template:
    """As much of a Kubernetes definition as is looked at."""

    template: dict[str, Any]


def test_pod_carries_it_without_being_killed_for_it() -> None:
    """The pod's container gets command and environment; probes that would end it while it looks are left out."""
    container = {
        "command": COMMAND,
        "env": [{"name": "A", "value": "b"}],
        "livenessProbe": {},
        "readinessProbe": {},
    }
    own = Template({"spec": {"containers": [container]}})
    made = kubernetes.with_probe(cast(Definition, own), {}).template["spec"]["containers"][0]
    assert [*made["command"], *made["args"]] == program.instead_of(COMMAND)
    assert [row["name"] for row in made["env"]] == ["A", program.VARIABLE]
    assert set(made) >= {"readinessProbe"}
    assert "livenessProbe" not in made
    assert "livenessProbe" in container


@dataclass(frozen=True)
class Guest:
    """As much of a guest's definition as is looked at."""

    spec: Any
    files: dict[str, str]


@dataclass(frozen=True)
class Domain:
    """Its kernel's command line says who starts the service."""

    cmdline: str


def test_guest_carries_it_where_no_systemd_starts_the_service() -> None:
    """The configuration disk has a word a line and a variable a line; a guest whose unit starts the service is refused."""
    vm = pytest.importorskip("substrates.vm.substrate")
    files = {"command": "".join(f"{word}\n" for word in COMMAND), "environment": "A=b\n", "address": "x"}
    made = vm.with_probe(Guest(Domain("vmlab_variant=slim"), files), {"PROBE_CPUS": "2"}).files
    assert made["command"].splitlines() == program.instead_of(COMMAND)
    assert made["environment"].startswith("A=b\nVMLAB_PROBE=7f454c46")
    assert made["environment"].endswith("\nPROBE_CPUS=2\n")
    assert len("".join(made.values())) < 1 << 18  # what the guest's init reads
    with pytest.raises(Unavailable, match="systemd"):
        vm.with_probe(Guest(Domain("quiet vmlab_variant=full"), files), {})
