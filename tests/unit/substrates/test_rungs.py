"""The ladder's order, what is wrong with a list of rungs, and the plans that the rungs write."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from machine.errors import InvalidInput, Unavailable
from substrates import rungs
from substrates.rungs import cgroups, launcher, linux, network
from substrates.rungs.rung import Plan, Setting, Stage

ROOT_ONLY = ("network", "limits")
ADDRESSES = (
    "lo UNKNOWN 127.0.0.1/8 \nheld0 DOWN 198.18.2.98/24 198.18.2.99/32 \n"  # as `ip -brief address` says it
)


def setting(*names: str, own: int = 0, **changed: object) -> Setting:
    """A copy with these rungs."""
    members = {
        "name": "vmlab-try",
        "directory": Path("/run/x"),
        "root": Path("/tree"),
        "data": Path("/run/x/data"),
        "rungs": frozenset(names),
        "user": 65532,
        "own": own,
        "cpus": 1.0,
        "memory_bytes": 1024,
        "pids": 10,
        "address": "198.18.2.9",
    }
    return Setting(**{**members, **changed})  # type: ignore[arg-type]


def planned(*names: str, own: int = 0, **changed: object) -> Plan:
    """The plan of these rungs, without the steps that none is needed for."""
    plan = Plan()
    for rung in rungs.RUNGS:
        if rung.name in names:
            rung.apply(plan, setting(*names, own=own, **changed))
    return plan


def words(plan: Plan) -> list[str]:
    """What the launcher reads, line by line."""
    return plan.text(["/serve"]).splitlines()


def test_the_ladder_is_in_order() -> None:
    """Every rung stands after what it needs, under a name of its own, with a sentence that describes it."""
    for i, rung in enumerate(rungs.RUNGS):
        assert set(rung.needs) <= set(rungs.NAMES[:i])
        assert len(rung.describe()) > 20
        assert "\n" not in rung.describe()
    assert len(set(rungs.NAMES)) == len(rungs.NAMES) == 15


def test_prefixes_begin_with_nothing_and_end_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prefix is one rung longer than the one before, and each is a list that is accepted."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = rungs.prefixes()

    assert (found[0], found[-1]) == ((), rungs.NAMES)
    assert all(
        len(long) == len(short) + 1 and long[:-1] == short for short, long in itertools.pairwise(found)
    )
    assert [[rung.name for rung in rungs.chosen(one)] for one in found] == [list(one) for one in found]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["jail"], "there is no rung 'jail'; the rungs are mount, chroot"),
        (["pid"], "the rung 'pid' needs 'mount' before it"),
        (["mount", "pivot_root"], "the rung 'pivot_root' needs 'chroot' before it"),
        (["seccomp", "no_new_privs"], "the rung 'seccomp' needs 'no_new_privs' before it"),
        (["mount", "mount"], "the rung 'mount' is listed twice"),
        ([""], "there is no rung ''"),
    ],
)
def test_a_wrong_list_is_refused(names: list[str], line: str) -> None:
    """In one line that says what is wrong."""
    with pytest.raises(InvalidInput) as error:
        rungs.chosen(names)

    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_what_needs_root_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root the rungs but two are accepted, if `user` is among them, and what is not says so."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    able = rungs.without_root()

    assert set(rungs.NAMES) - set(able) == set(ROOT_ONLY)
    assert [rung.name for rung in rungs.chosen(able)] == list(able)
    assert rungs.chosen(["no_new_privs", "seccomp", "rlimits"])
    with pytest.raises(InvalidInput, match="'mount' needs root, or the rung 'user' with it"):
        rungs.chosen(["mount"])
    with pytest.raises(InvalidInput, match="'limits' needs root; next: run it as root, or leave out limits"):
        rungs.chosen(["user", "limits"])


def test_all_namespaces_are_made_in_one_call() -> None:
    """The flags of the clone are those of the rungs; the cgroup namespace comes when the child is in its cgroup."""
    plan = planned("mount", "pid", "uts", "ipc", "user", "network", "cgroup")
    flags = linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC
    lines = words(plan)

    assert f"clone\t{flags | linux.CLONE_NEWUSER | linux.CLONE_NEWNET:#x}" in lines
    assert lines.index("unshare\t0x2000000") > len(lines) - 1 - lines[::-1].index("await")


def test_the_steps_are_in_the_order_that_works() -> None:
    """Mounts, then the change of root, then privileges, the filter last of all, and the program as the child of an init."""
    names = tuple(name for name in rungs.NAMES if name != "limits")
    lines = words(planned(*names))
    order = [
        "write\t/proc/%p/uid_map",
        "inside",
        "await",
        "become",
        "private",
        "bind\t/tree",
        "mount\tproc",
        "pivot",
    ]
    order += [
        "address\teth0",
        "no_new_privs",
        "bounding",
        "rlimit",
        "capset",
        "seccomp",
        "init\t/serve",
        "undo",
    ]
    places = [next(i for i, line in enumerate(lines) if line.startswith(word)) for word in order]

    assert places == sorted(places)
    assert lines[places[-3] + 1] == "init\t/serve"


def test_pivot_root_takes_the_place_of_chroot() -> None:
    """A plan has one of the two."""
    assert ("chroot",) in planned("mount", "chroot").steps[Stage.ROOT]
    assert planned("mount", "chroot", "pivot_root").steps[Stage.ROOT] == [("pivot",), ("chdir", "/data")]


def test_a_user_maps_itself() -> None:
    """Root maps the service's user to itself; somebody else maps it to themselves, and gives up setgroups first."""
    as_root, as_user = planned("user").steps[Stage.IDENTITY], planned("user", own=1000).steps[Stage.IDENTITY]

    assert [step[2] for step in as_root] == ["65532 65532 1"] * 2
    assert as_user[0] == ("write", "/proc/%p/setgroups", "deny")
    assert [step[2] for step in as_user[1:]] == ["65532 1000 1"] * 2


def test_words_keep_their_tabs_and_lines() -> None:
    """A word with a tab, a line's end or a backslash stays one word of the launcher's; a zero byte is refused."""
    text = Plan().text(["/serve", "a\tb\nc\\d", ""])

    assert text.splitlines()[-2] == "exec\t/serve\ta\\tb\\nc\\\\d\t"
    with pytest.raises(InvalidInput, match="zero byte"):
        Plan().text(["/serve", "a\0b"])


def test_the_secret_is_mounted_only_where_there_is_one() -> None:
    """Its place needs a /run that can be written to, which is not made without need."""
    without, with_ = (
        words(planned("mount", "chroot")),
        words(planned("mount", "chroot", secret_file="/run/s")),
    )

    assert not [line for line in without if "secrets" in line]
    assert "bind\t/run/s\trun/secrets/service" in with_
    assert "attributes\trun/secrets/service\t15" in with_
    assert with_.index("attributes\trun\t15") > with_.index("bind\t/run/s\trun/secrets/service")


def test_the_limits_of_version_2_are_a_birthplace(monkeypatch: pytest.MonkeyPatch) -> None:
    """With cgroup version 2 the child is made in its group; with version 1 it moves itself in, and nobody has to move it."""
    monkeypatch.setattr(cgroups, "here", lambda: cgroups.Version2(Path("/cg"), "vmlab"))
    second = words(planned("limits"))
    monkeypatch.setattr(cgroups, "here", lambda: cgroups.Version1(Path("/cg"), "vmlab"))
    first = words(planned("limits"))

    assert "clone\t0x0\t/cg/vmlab/vmlab-try" in second
    assert "write\t/cg/cgroup.subtree_control\t+cpu +memory +pids" in second
    assert not [line for line in second if line.startswith("enter")]
    assert [line for line in first if line.startswith("enter")] == [
        f"enter\t/cg/{controller}/vmlab/vmlab-try/tasks" for controller in cgroups.CONTROLLERS
    ]
    assert "clone\t0x0" in first
    assert not [line for line in first + second if "cgroup.procs" in line]
    assert first[-3:] == [f"rmdir\t/cg/{controller}/vmlab/vmlab-try" for controller in cgroups.CONTROLLERS]


def test_addresses() -> None:
    """Stacks have .2 to .99, copies .100 to .254; anything else is refused with what is possible."""
    network.check_address("198.18.2.2")
    network.check_address("198.18.2.99")
    for wrong in ("198.18.2.1", "198.18.2.100", "198.18.3.2", "10.0.0.1", "x", ""):
        with pytest.raises(InvalidInput, match=r"198\.18\.2\."):
            network.check_address(wrong)
    assert [network.copy_address(number) for number in (0, 154)] == ["198.18.2.100", "198.18.2.254"]
    with pytest.raises(InvalidInput, match="slot 155"):
        network.copy_address(155)


def test_link_names_fit() -> None:
    """A link's name has at most 15 characters, says the address, and another copy's is another."""
    found = {network.link_of(f"vmlab-namespaces-{number:010x}", "198.18.2.254") for number in range(50)}

    assert len(found) == 50
    assert all(len(name) <= 15 and name.startswith("vmlab-") and name.endswith("-254") for name in found)


def test_an_address_of_another_home_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A link with the address that is not this copy's own is refused with its name; its own, and other addresses, are not."""
    monkeypatch.setattr(network, "LINKS", tmp_path)
    monkeypatch.setattr(network, "run", lambda _: ADDRESSES)
    (tmp_path / network.link_of("own", "198.18.2.5")).mkdir()
    (tmp_path / "vmlab-zzzzz-15").mkdir()

    network.refuse_taken("own", "198.18.2.5")
    assert network.links_of("own") == [network.link_of("own", "198.18.2.5")]
    with pytest.raises(InvalidInput, match=r"198\.18\.2\.5 is taken by the owner of the link vmlab-"):
        network.refuse_taken("other", "198.18.2.5")
    with pytest.raises(InvalidInput, match="vmlab-zzzzz-15"):
        network.refuse_taken("own", "198.18.2.15")


def test_an_address_of_this_machine_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An address that an interface of this machine has, whatever its prefix, is refused with the interface."""
    monkeypatch.setattr(network, "LINKS", tmp_path)
    monkeypatch.setattr(network, "run", lambda _: ADDRESSES)

    network.refuse_taken("own", "198.18.2.9")
    with pytest.raises(InvalidInput, match=r"the address 198\.18\.2\.99 is taken by the interface held0"):
        network.refuse_taken("own", "198.18.2.99")


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Where the launcher cannot be compiled the reason and the packages are said, and nothing half-made is left."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("machine.commands.SYSTEM_FOLDERS", "/nowhere")

    with pytest.raises(Unavailable) as error:
        launcher.program()

    assert "gcc" in error.value.reason
    assert error.value.fix.startswith("apt-get install gcc")
    assert not [path for path in home.rglob("*") if path.is_file()]
