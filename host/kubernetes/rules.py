"""The cluster's part of the firewall: our fence, and what kubelet, kube-proxy and the CNI plugins add and leave behind.

Found by the names of the chains, in both families, and removed in one step a table. Rules that somebody else made in
other chains stay. Left out: Docker's part, machine/firewall.py.
"""

from __future__ import annotations

import re

from machine import commands
from machine.firewall import Table, parse

_CHAIN = re.compile(r"KUBE-[A-Z0-9-]+|CNI-[A-Za-z0-9-]+|VMLAB-K8S[A-Z-]*")
_JUMP = re.compile(rf" -[jg] ({_CHAIN.pattern})\b")
FAMILIES = ("iptables", "ip6tables")


def chains() -> dict[str, list[str]]:
    """The chains of such names that are there now, by family; what was there before the cluster stays."""
    return {
        family: sorted(
            {f"{name} {chain}" for name, table in _tables(family).items() for chain in _ours(table)}
        )
        for family in FAMILIES
    }


def remove(before: dict[str, list[str]]) -> int:
    """Take away what came since; how many chains that were."""
    count = 0
    for family in FAMILIES:
        text = undo(_tables(family), set(before.get(family, [])))
        count += text.count("\n-X ")
        if text:
            commands.run([f"{family}-restore", "--noflush", "--wait=5"], timeout_seconds=30, input_text=text)
    return count


def undo(tables: dict[str, Table], before: set[str]) -> str:
    """The lines for iptables-restore: jumps first, then the chains' rules, then the chains."""
    lines: list[str] = []
    for name, table in tables.items():
        gone = [chain for chain in _ours(table) if f"{name} {chain}" not in before]
        if not gone:
            continue
        jumps = [rule for rule in table.rules if rule.split()[1] not in gone and _leads_to(rule) in gone]
        lines += [f"*{name}", *(f"-D {rule.removeprefix('-A ')}" for rule in jumps)]
        lines += [*(f"-F {chain}" for chain in gone), *(f"-X {chain}" for chain in gone), "COMMIT"]
    return "\n".join(lines) + "\n" if lines else ""


def _leads_to(rule: str) -> str:
    found = _JUMP.search(rule)
    return found[1] if found else ""


def _ours(table: Table) -> list[str]:
    return [chain for chain in table.chains if _CHAIN.fullmatch(chain)]


def _tables(family: str) -> dict[str, Table]:
    if commands.find(f"{family}-save") is None:
        return {}
    return parse(commands.run([f"{family}-save"], timeout_seconds=20))
