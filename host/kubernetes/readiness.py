"""When the cluster is usable, decided once: for `up`, which waits for it, and for `status`, which reports it.

Every program runs, the API server is ready, the node is Ready, the default service account exists (without it every pod is
refused; the controllers create it a moment after their start), and every program answers its own check.
Out of scope: the order in which programs start (supervisor.py).
"""

from __future__ import annotations

from typing import Any

from host.kubernetes import api, layout, programs, supervisor
from machine.errors import VmlabError

ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def trouble() -> str:
    """Why the cluster cannot be used right now; "" when it can be."""
    noted = supervisor.noted()
    for child in noted:
        if not supervisor.living(child):
            return _ended(child)
    if len(noted) < len(programs.KNOWN):
        return "its programs have not started yet"
    try:
        if not api.is_ready():
            return f"the API server at {layout.API} is not ready; {_silent()}"
        if not _node_ready():
            return f"{layout.NODE} is not Ready"
        if api.get(ACCOUNT) is None:
            return "the controllers have not created the default service account"
    except VmlabError as error:
        return str(error)
    return _silent()


def restarts() -> dict[str, int]:
    """How often the supervisor started a program again."""
    return {child["name"]: child["restarts"] for child in supervisor.noted() if child["restarts"] > 0}


def _silent() -> str:
    """The programs that do not answer their own check."""
    names = [name for name, program in programs.KNOWN.items() if not program.ready()]
    return f"no answer from {', '.join(names)}" if names else ""


def _ended(child: dict[str, Any]) -> str:
    path = layout.log(child["name"])
    if child["restarts"] < 0:
        return f"{child['name']} has not started yet"
    lines = path.read_text(errors="replace").strip().splitlines()[-1:] if path.exists() else []
    last = f": {lines[0][:200]}" if lines else ""
    return f"{child['name']} has exited (exit code {child['exit_code']}) and is started again; the end of {path}{last}"


def _node_ready() -> bool:
    node = api.get(f"/api/v1/nodes/{layout.NODE}") or {}
    conditions = node.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
