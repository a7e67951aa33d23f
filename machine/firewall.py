"""What Docker leaves in the firewall, found by comparing two outputs of iptables-save.

Only Docker's own is ever removed: its chains, and rules that jump to them or name its bridges. Rules that somebody else
added meanwhile stay. Left out: nftables written directly, and ip6tables, which Docker 20.10 leaves alone by default.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from machine import commands

# docker0, and br-<first 12 digits of the network's id> of user networks (libnetwork, drivers/bridge).
_BRIDGE = r"(?:docker0|br-[0-9a-f]{12})"
_DOCKERS_RULE = re.compile(rf" -[jg] DOCKER\b| -[io] {_BRIDGE}\b")
_DOCKERS_CHAIN = re.compile(r"DOCKER(-[A-Z0-9-]+)?")


@dataclass(frozen=True)
class Table:
    """One table: the policy of each chain ("-" for a chain that somebody made), and the rules in order."""

    chains: dict[str, str] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


def saved() -> str:
    """The whole IPv4 firewall now; nothing where there is no iptables."""
    return commands.run(["iptables-save"], timeout_seconds=20) if commands.find("iptables-save") else ""


def parse(text: str) -> dict[str, Table]:
    """The tables of an iptables-save, without its counters."""
    tables: dict[str, Table] = {}
    table = Table()
    for line in text.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line[1:], Table())
        elif line.startswith(":"):
            chain, policy, *_ = line[1:].split()
            table.chains[chain] = policy
        elif line.startswith("-A "):
            table.rules.append(line)
    return tables


def undo(before: str, after: str) -> list[list[str]]:
    """The commands that take Docker's part of the difference back: rules first, then the chains they jump to."""
    old, found = parse(before), []
    for name, table in parse(after).items():
        found += [["iptables", "-t", name, *rest] for rest in _undo_table(old.get(name, Table()), table)]
    return found


def restore(before: str) -> int:
    """Take back what Docker added since `before`; how many commands that took."""
    found = undo(before, saved())
    for command in found:
        commands.run(command, timeout_seconds=20)
    return len(found)


def _undo_table(old: Table, new: Table) -> list[list[str]]:
    chains = [chain for chain in new.chains if _DOCKERS_CHAIN.fullmatch(chain) and chain not in old.chains]
    rules = [
        ["-D", *shlex.split(rule)[1:]]
        for rule in new.rules
        if rule not in old.rules and _DOCKERS_RULE.search(rule) and shlex.split(rule)[1] not in chains
    ]
    # Docker sets FORWARD to DROP when it was the one that turned forwarding on.
    policies = [
        ["-P", chain, old.chains.get(chain, "ACCEPT")]
        for chain, policy in new.chains.items()
        if chain == "FORWARD" and policy == "DROP" and old.chains.get(chain, "ACCEPT") != "DROP"
    ]
    flush = [["-F", chain] for chain in chains]
    return [*policies, *rules, *flush, *[["-X", chain] for chain in chains]]
