"""Which cluster, and as whom: the lab's own, or the one that the user names with VMLAB_KUBECONFIG and VMLAB_CONTEXT.

Never the user's default context: a lab that makes and removes namespaces must be pointed at a cluster on purpose. Reads a
kubeconfig as kubectl does. Left out: proxies, basic authentication, impersonation, merging several files.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from machine import places
from machine.commands import run
from machine.errors import InvalidInput, Unavailable, VmlabError

KUBECONFIG, CONTEXT = "VMLAB_KUBECONFIG", "VMLAB_CONTEXT"
NODE = "vmlab-node"  # the only node of the lab's own cluster
PLUGIN_SECONDS = 60.0


@dataclass(frozen=True)
class Choice:
    """A kubeconfig's path and the context in it ("" is its current one). `ours`: the lab's built-in cluster."""

    path: Path
    context: str = ""
    ours: bool = True


@dataclass(frozen=True)
class Access:
    """One cluster as one user sees it."""

    server: str
    authority_pem: str = ""
    insecure: bool = False
    server_name: str = ""
    certificate_pem: str = field(default="", repr=False)  # with its key
    token: str = field(default="", repr=False)


def lab_kubeconfig() -> Path:
    """Where the built-in cluster's kubeconfig is when it is up."""
    return places.run() / "cluster" / "kubeconfig"


def chosen() -> Choice:
    """The cluster to work on; Unavailable when the lab's is not up, InvalidInput when what the user named is no file."""
    named = os.environ.get(KUBECONFIG) or ""
    context = os.environ.get(CONTEXT) or ""
    path = Path(named).expanduser().absolute() if named else lab_kubeconfig()
    if named and path.resolve() != lab_kubeconfig().resolve():
        if not path.is_file():
            raise InvalidInput(f"there is no kubeconfig {path}; next: give --kubeconfig a file")
        return Choice(path, context, ours=False)
    if not path.is_file():
        raise Unavailable(
            f"the lab's own cluster is not up ({path} is not there)", "vmlab host up kubernetes"
        )
    return Choice(path, context)


def access(choice: Choice) -> Access:
    """What the kubeconfig says; InvalidInput says what in it is wrong."""
    said = f"kubeconfig {choice.path}"
    content = _content(choice.path, said)
    name = choice.context or content.get("current-context") or ""
    context = _named(said, content, "contexts", name)
    cluster = _named(said, content, "clusters", context.get("cluster", ""))
    user = _named(said, content, "users", context["user"]) if context.get("user") else {}
    if not cluster.get("server"):
        raise InvalidInput(f"{said} names no server for its cluster")
    folder = choice.path.parent
    given = _plugin(said, user["exec"], folder) if user.get("exec") else {}
    certificate = given.get("clientCertificateData") or _material(said, user, "client-certificate", folder)
    key = given.get("clientKeyData") or _material(said, user, "client-key", folder)
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        authority_pem=_material(said, cluster, "certificate-authority", folder),
        insecure=cluster.get("insecure-skip-tls-verify") is True,
        server_name=cluster.get("tls-server-name") or "",
        certificate_pem=f"{certificate}\n{key}" if certificate else "",
        token=given.get("token") or user.get("token") or _token_file(said, user, folder),
    )


def _content(path: Path, said: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{said} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InvalidInput(f"{said} is no YAML") from None
    if not isinstance(content, dict) or not content.get("clusters"):
        raise InvalidInput(f"{said} has no clusters: it is no kubeconfig")
    return content


def _named(said: str, content: dict[str, Any], rows: str, name: str) -> dict[str, Any]:
    for row in content.get(rows) or []:
        if row.get("name") == name:
            return row.get(rows[:-1]) or {}
    known = ", ".join(str(row.get("name")) for row in content.get(rows) or []) or "none"
    raise InvalidInput(f"{said} has no {rows[:-1]} {name!r}; it has: {known}")


def _material(said: str, body: dict[str, Any], key: str, folder: Path) -> str:
    """A PEM text: inline as `<key>-data`, or from the file `<key>`."""
    try:
        if body.get(f"{key}-data"):
            return base64.b64decode(str(body[f"{key}-data"]), validate=True).decode()
        return (folder / str(body[key])).read_text() if body.get(key) else ""
    except (binascii.Error, UnicodeDecodeError, OSError) as error:
        raise InvalidInput(f"{said}: its {key} cannot be read ({error})") from None


def _token_file(said: str, user: dict[str, Any], folder: Path) -> str:
    if not user.get("tokenFile"):
        return ""
    try:
        return (folder / str(user["tokenFile"])).read_text().strip()
    except OSError as error:
        raise InvalidInput(f"{said}: its tokenFile cannot be read ({error})") from None


def _plugin(said: str, plugin: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a credential plugin (`exec`) answers, as the clouds' kubeconfigs have them."""
    version = plugin.get("apiVersion", "client.authentication.k8s.io/v1")
    information = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    members = [f"{row['name']}={row['value']}" for row in plugin.get("env") or []]
    command = str(plugin.get("command", ""))
    program = str(folder / command) if "/" in command else command
    call = [
        "env",
        f"KUBERNETES_EXEC_INFO={json.dumps(information)}",
        *members,
        program,
        *(plugin.get("args") or []),
    ]
    try:
        status = json.loads(run(call, timeout_seconds=PLUGIN_SECONDS))["status"]
    except (VmlabError, ValueError, KeyError):
        raise InvalidInput(f"{said}: its credential plugin {command!r} gave nothing") from None
    return dict(status)
