"""The lab's bridge with several copies on it: an address that is given again, and neighbours that come and go."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace

import pytest

from clients.http_probe import ask
from machine.commands import run
from substrates import namespaces
from substrates.contract import Request, Slot
from substrates.inputs.artifact import Artifact
from substrates.rungs import NAMES, network

SOON_SECONDS = 0.9  # an ARP request or a SYN that was lost is repeated after a second


def test_an_address_can_be_given_again(definition: namespaces.Definition, built: Artifact) -> None:
    """Copies with the same address one after the other answer at once, though the bridge stays and knows the last one."""
    first = namespaces.start(definition)
    namespaces.wait(first)
    null = namespaces.for_ladder(built, NAMES, "null")
    for _ in range(8):
        boot = namespaces.boot(null, Slot(77, 18997), Request("/", secrets.token_hex(8), echoed=True))
        namespaces.destroy(boot.copy)

        assert boot.seconds < SOON_SECONDS


def test_neighbours_do_not_disturb(definition: namespaces.Definition, built: Artifact) -> None:
    """A copy answers at once while others come and go: the bridge keeps its own address whoever is on it."""
    first = namespaces.start(replace(definition))
    namespaces.wait(first)
    null = namespaces.for_ladder(built, NAMES, "null")
    for number in range(8):
        boot = namespaces.boot(
            null, Slot(60 + number, 18997), Request("/", secrets.token_hex(8), echoed=True)
        )
        for _ in range(2):
            began = time.monotonic()
            assert ask(first.url + definition.health) is not None
            assert time.monotonic() - began < SOON_SECONDS
            namespaces.destroy(boot.copy)

    assert (network.LINKS / network.BRIDGE / "address").read_text().strip() == network.mac_of(
        str(network.GATEWAY)
    )


def test_a_bridge_that_was_begun_is_finished(definition: namespaces.Definition) -> None:
    """A bridge without its address, as a killed start leaves it, is not in the way of the next one."""
    if (network.LINKS / network.BRIDGE).exists():
        pytest.skip("somebody else's copies are on the bridge")
    run(["ip", "link", "add", network.BRIDGE, "type", "bridge"])

    namespaces.wait(namespaces.start(definition))

    assert namespaces.names() == [definition.name]
