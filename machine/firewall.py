"""What a daemon adds to the firewall, found in the output of iptables-save and removed again.

Only what carries the daemon's mark is removed: its chains, the rules in other chains that jump to them, and, for Docker, rules
that name its bridges. Rules that another program added meanwhile stay. Each table changes in one step (iptables-restore).
Out of scope: nftables written directly.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from machine import commands

PROGRAMS = ("iptables", "ip6tables")
_IPV6 = Path("/proc/net/if_inet6")


@dataclass(frozen=True)
class Table:
    """One table: the policy of each chain ("-" for a user-defined chain), and the rules in order."""

    chains: dict[str, str] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


Tables = dict[str, Table]


@dataclass(frozen=True)
class Mark:
    """How a daemon's part is recognised, as regular expressions: the names of its chains and, where given, of its links."""

    chain: str
    link: str = ""

    def chains(self, table: Table) -> list[str]:
        """The daemon's chains in a table."""
        return [chain for chain in table.chains if re.fullmatch(self.chain, chain)]

    def concerns(self, words: list[str]) -> bool:
        """Whether a rule, or its jump, is about one of the daemon's links or chains."""
        links = [word for option, word in pairwise(words) if option in ("-i", "-o")]
        return any(re.fullmatch(self.link, link) for link in links) or bool(
            re.fullmatch(self.chain, _target(words))
        )


def saved(program: str = "iptables") -> str:
    """The firewall of one family now; nothing where there is none. A kernel without IPv6 has no ip6tables to save."""
    if commands.find(f"{program}-save") is None or (program == "ip6tables" and not _IPV6.exists()):
        return ""
    return commands.run([f"{program}-save"], timeout_seconds=20)


def parse(text: str) -> Tables:
    """The tables of an iptables-save, without its counters."""
    tables: Tables = {}
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


def chains(mark: Mark) -> dict[str, list[str]]:
    """The daemon's chains now, as "table chain", by family."""
    return {program: _named(parse(saved(program)), mark) for program in PROGRAMS}


def remove(mark: Mark, before: Mapping[str, list[str]]) -> int:
    """Remove the daemon's chains that are not in `before` (from `chains`), with the jumps to them; the number of changes."""
    return sum(_apply(program, mark, _tables(before.get(program, []))) for program in PROGRAMS)


def restore(mark: Mark, before: str) -> int:
    """Remove the daemon's chains and rules added since `before`, an output of `saved()`; the number of changes."""
    return _apply("iptables", mark, parse(before))


def undo(before: Tables, after: Tables, mark: Mark) -> str:
    """The input of iptables-restore that removes the difference: policies, rules, then the chains they jump to."""
    lines: list[str] = []
    for name, table in after.items():
        if found := _undo_table(before.get(name, Table()), table, mark):
            lines += [f"*{name}", *found, "COMMIT"]
    return "\n".join(lines) + "\n" if lines else ""


def _undo_table(old: Table, new: Table, mark: Mark) -> list[str]:
    gone = [chain for chain in mark.chains(new) if chain not in old.chains]
    rules = []
    for rule in new.rules:
        words = shlex.split(rule)
        added = bool(mark.link) and rule not in old.rules and mark.concerns(words)
        if words[1] not in gone and (_target(words) in gone or added):
            rules.append(f"-D {rule.removeprefix('-A ')}")
    policies = []
    # Docker sets FORWARD to DROP when it was the one that turned forwarding on.
    policy = old.chains.get("FORWARD", "ACCEPT")
    if mark.link and new.chains.get("FORWARD") == "DROP" != policy:
        policies = [f":FORWARD {policy} [0:0]"]
    return [*policies, *rules, *(f"-F {chain}" for chain in gone), *(f"-X {chain}" for chain in gone)]


def _target(words: list[str]) -> str:
    """The chain or extension that a rule jumps to; empty for one that only counts."""
    jumps = [word for option, word in pairwise(words) if option in ("-j", "-g")]
    return jumps[0] if jumps else ""


def _apply(program: str, mark: Mark, before: Tables) -> int:
    text = undo(before, parse(saved(program)), mark)
    if text:
        commands.run([f"{program}-restore", "--noflush", "--wait=5"], timeout_seconds=30, input_text=text)
    return sum(line.startswith(("-", ":")) for line in text.splitlines())


def _named(tables: Tables, mark: Mark) -> list[str]:
    return sorted(f"{name} {chain}" for name, table in tables.items() for chain in mark.chains(table))


def _tables(names: list[str]) -> Tables:
    """Tables that have just these chains, each written as "table chain"."""
    tables: Tables = {}
    for name, chain in map(str.split, names):
        tables.setdefault(name, Table()).chains[chain] = "-"
    return tables
