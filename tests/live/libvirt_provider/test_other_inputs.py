"""Every input of networks, pools and volumes: made, changed, read back from libvirt and from the disk."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clients.libvirt import connection, volumes
from providers.libvirt import network, pool, volume
from tests.live.libvirt_provider.world import MIB, World

pytestmark = pytest.mark.live
NETWORK: list[tuple[str, Any, Any, str, str | None, str | None]] = [
    ("address", "198.18.1.193/26", "198.18.1.225/27", "ip@address", "198.18.1.193", "198.18.1.225"),
    ("bridge", "{bridge}", "{bridge}x", "bridge@name", "{bridge}", "{bridge}x"),
    ("isolated", True, False, "forward@mode", None, "nat"),
    ("dns", False, True, "dns@enable", "no", "yes"),
    ("dhcp", [], ["198.18.1.200", "198.18.1.210"], "ip/dhcp/range@end", None, "198.18.1.210"),
]


def test_every_input_is_in_a_test() -> None:
    """No input is left untested; those that are not in the table have a test of their own below."""
    assert {case[0] for case in NETWORK} | {"name", "stack", "autostart"} == set(network.INPUTS)
    assert set(pool.INPUTS) == {"name", "path", "mode", "autostart"}
    assert set(volume.INPUTS) == {
        "name", "pool", "capacity_bytes", "format", "backing", "backing_format", "mode", "files", "copy_of",
    }  # fmt: skip


@pytest.mark.parametrize("case", NETWORK, ids=lambda case: str(case[0]))
def test_network(world: World, case: tuple[str, Any, Any, str, str | None, str | None]) -> None:
    """A changed input shows in the network's XML, by a new network; a second up changes nothing."""
    key, first, second, where, shown_first, shown_second = case

    def named(value: Any) -> Any:
        return value.replace("{bridge}", world.bridge) if isinstance(value, str) else value

    path, _, attribute = where.partition("@")
    world.ask(net=world.network(**{key: named(first)}))
    world.up()
    found = world.xml("net").find(path)
    assert (None if found is None else found.get(attribute)) == named(shown_first)

    world.change("net", **{key: named(second)})
    assert world.up().get("replace") == 1

    found = world.xml("net").find(path)
    assert (None if found is None else found.get(attribute)) == named(shown_second)
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()


def test_network_in_place_and_renamed(world: World) -> None:
    """Autostart is set in place, another name is another network, and another stack's network is refused."""
    world.ask(net=world.network())
    world.up()
    handle = connection.open().networkLookupByName(world.name("net"))
    world.change("net", autostart=True)
    assert world.up().get("update") == 1
    assert handle.autostart() == 1
    world.change("net", autostart=False)
    world.up()
    world.change("net", stack=f"{world.label}/b")
    failed = world.engine("up", "--skip-preview")
    assert failed.code == 2
    assert f"belongs to the stack {world.label}" in failed.err + failed.out
    world.change("net", stack=world.label, name=world.name("other"))
    assert world.up().get("replace") == 1
    names = {
        network.name() for network in connection.open().listAllNetworks() if world.stack in network.name()
    }
    assert names == {world.name("other")}
    world.engine("destroy", "--skip-preview").good()


def test_pool(world: World) -> None:
    """Mode and autostart are set in place, name and path make another pool, and a directory is as closed as was asked."""
    world.ask(pool=world.pool())
    world.up()
    path = Path(world.pool()[1]["path"])
    assert path.stat().st_mode & 0o777 == 0o711
    world.change("pool", mode="0755", autostart=True)
    assert world.up().get("update") == 1
    assert path.stat().st_mode & 0o777 == 0o755
    assert connection.open().storagePoolLookupByName(world.name("pool")).autostart() == 1
    world.engine("preview", "--expect-no-changes").good()

    world.change("pool", path=f"{path}-b", mode="0711", autostart=False)
    assert world.up().get("replace") == 1
    assert not path.exists()
    assert world.xml("pool").findtext("target/path") == f"{path}-b"
    world.engine("destroy", "--skip-preview").good()
    assert not Path(f"{path}-b").exists()


def test_pool_that_holds_something_stays(world: World) -> None:
    """A pool is not taken away with what somebody put into it: destroy names the file and goes on when it is gone."""
    world.ask(pool=world.pool())
    world.up()
    precious = Path(world.pool()[1]["path"]) / "precious"
    precious.write_text("data")

    failed = world.engine("destroy", "--skip-preview")

    assert failed.code == 1
    assert "precious" in failed.err + failed.out
    assert precious.read_text() == "data"
    precious.unlink()
    world.engine("destroy", "--skip-preview").good()


def test_volume(world: World) -> None:
    """A volume grows in place; format, backing file, mode, template, pool and name make another one."""
    template = world.files / "template"
    with template.open("wb") as file:
        for at, text in ((1024, b"head"), (MIB, b"second"), (4 * MIB, b"end")):
            file.seek(at)
            file.write(text)
    world.ask(pool=world.pool(), disk=world.volume(capacity_bytes=MIB))
    world.up()
    path = Path(world.pool()[1]["path"]) / world.name("disk")
    path.write_bytes(b"kept" + path.read_bytes()[4:])
    world.change("disk", capacity_bytes=2 * MIB)
    assert world.up().get("update") == 1
    assert world.xml("disk").findtext("capacity") == str(2 * MIB)
    assert path.read_bytes()[:4] == b"kept"
    assert path.stat().st_mode & 0o777 == 0o600

    steps: list[dict[str, Any]] = [
        {"capacity_bytes": MIB},
        {"mode": "0640"},
        {"capacity_bytes": 0, "copy_of": str(template)},
        {"capacity_bytes": MIB, "copy_of": "", "format": "qcow2"},
        {"capacity_bytes": 0, "backing": str(template)},
    ]
    for step in steps:
        world.change("disk", **step)
        assert world.up().get("replace") == 1, step
        world.engine("preview", "--expect-no-changes").good()
        if step.get("copy_of"):
            assert path.read_bytes() == template.read_bytes()
            assert path.stat().st_blocks * 512 < MIB  # the holes are holes
    assert world.xml("disk").findtext("backingStore/path") == str(template)
    assert path.stat().st_mode & 0o777 == 0o640
    world.change("disk", backing_format="qcow2", capacity_bytes=4 * MIB, backing=str(path_of_overlay(world)))
    assert world.up().get("replace") == 1
    assert world.xml("disk").find("backingStore/format").get("type") == "qcow2"  # type: ignore[union-attr]
    world.change("disk", name=world.name("other"))
    assert world.up().get("replace") == 1
    assert not path.exists()
    world.engine("destroy", "--skip-preview").good()


def path_of_overlay(world: World) -> Path:
    """A qcow2 image that is somebody else's."""
    there = volumes.find(world.name("disk"), world.name("pool"))
    assert there is not None
    copy = world.files / "overlay.qcow2"
    copy.write_bytes(Path(there.path).read_bytes())
    return copy


def test_files_are_a_plain_archive(world: World) -> None:
    """The files are a tar archive on the disk, their fingerprint is what is read back, and the order given is not seen."""
    world.ask(pool=world.pool(), config=world.volume("config", files={"b": "2", "a": "ä1"}))
    world.up()
    disk = Path(world.pool()[1]["path"]) / world.name("config")
    with tarfile.open(disk) as tar:
        assert {m.name: tar.extractfile(m).read().decode() for m in tar} == {"a": "ä1", "b": "2"}  # type: ignore[union-attr]
    outputs = next(r["outputs"] for r in world.state()["resources"] if r["urn"].endswith("::config"))
    assert outputs["sha256"] == hashlib.sha256(disk.read_bytes()).hexdigest()
    assert disk.stat().st_size % 512 == 0

    world.change("config", files={"a": "ä1", "b": "2"})
    world.engine("preview", "--expect-no-changes").good()
    world.change("config", capacity_bytes=MIB)
    assert world.up().get("replace") == 1
    assert disk.stat().st_size == MIB
    world.engine("preview", "--expect-no-changes").good()
    world.engine("destroy", "--skip-preview").good()
