"""A kubeconfig's active context: where the API server is and how to authenticate.

Looked for as kubectl does: what was given (text or a path), `KUBECONFIG` (files are merged, the first value counts),
`~/.kube/config`, the service account of the pod that this runs in. A setting that is not supported is refused by name.
Out of scope: proxies, the auth providers that Kubernetes removed in 1.26.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clients.kubernetes.errors import BadKubeconfig, NoAnswer

IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NOT_SUPPORTED = {"cluster": ("proxy-url",), "user": ("auth-provider",)}
ROWS = ("clusters", "contexts", "users")
Plain = dict[str, Any]


@dataclass(frozen=True)
class Access:
    """One cluster as one user sees it."""

    source: str  # how messages call the kubeconfig; never its content
    server: str
    namespace: str = "default"
    authority_pem: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    certificate_pem: str = ""
    key_pem: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    impersonate: tuple[tuple[str, str], ...] = ()
    plugin: Plain | None = field(default=None, repr=False)  # the `exec` entry
    directory: Path = field(default_factory=Path.cwd)  # where the plugin's relative paths start


def access(given: str = "", context: str = "", cluster: str = "", base: Path | None = None) -> Access:
    """The access that these settings mean; BadKubeconfig states what is wrong with it, NoAnswer that there is none."""
    source, content, directory = _content(given, base or Path.cwd())
    return _active(source, content, context, cluster, directory) if content else _in_cluster()


def _absent(message: str) -> NoAnswer:
    """Without a kubeconfig there is no cluster to reach; the provider's `deleteUnreachable` covers this too."""
    return NoAnswer(message, sent=False)


def _content(given: str, base: Path) -> tuple[str, Plain | None, Path]:
    ambient = os.environ.get("KUBECONFIG", "")
    if "\n" in given or given.lstrip().startswith("{"):
        source = "the kubeconfig given to the provider"
        return source, _parsed(source, given), base
    if given and given != ambient:  # else the SDK handed it over as if the program had given it
        return _files([base / Path(given).expanduser()], must_exist=True)
    named = [Path(entry) for entry in ambient.split(os.pathsep) if entry]
    return _files(named or [Path("~/.kube/config").expanduser()], must_exist=bool(named))


def _files(paths: list[Path], *, must_exist: bool) -> tuple[str, Plain | None, Path]:
    source = f"kubeconfig {os.pathsep.join(map(str, paths))}"
    present = [path for path in paths if path.is_file()]
    if not present:
        if must_exist:
            raise _absent(f"{source} does not exist: name another with KUBECONFIG or kubernetes:kubeconfig")
        return source, None, Path.cwd()
    merged: Plain = {}
    for path in present:
        try:
            content = _parsed(f"kubeconfig {path}", path.read_text())
        except OSError as error:
            raise BadKubeconfig(f"kubeconfig {path} cannot be read: {error.strerror}") from None
        _absolute(content, path.parent)
        for key, value in content.items():
            merged[key] = merged.get(key, []) + value if key in ROWS else merged.get(key) or value
    return source, merged, present[0].parent


def _parsed(source: str, text: str) -> Plain:
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        raise BadKubeconfig(f"{source} is not YAML{place}") from None
    if not isinstance(content, dict) or not isinstance(content.get("clusters"), list):
        raise BadKubeconfig(f"{source} has no clusters: it is not a kubeconfig")
    return {key: value or [] if key in ROWS else value for key, value in content.items()}


def _absolute(content: Plain, directory: Path) -> None:
    """Paths inside a kubeconfig start where it lies."""
    for rows, keys in (
        ("clusters", ("certificate-authority",)),
        ("users", ("client-certificate", "client-key", "tokenFile")),
    ):
        for row in content.get(rows, []):
            body = row.get(rows[:-1]) or {}
            for key in keys:
                if body.get(key):
                    body[key] = str(directory / body[key])


def _active(source: str, content: Plain, context: str, cluster: str, directory: Path) -> Access:
    name = context or content.get("current-context") or ""
    found = _named(source, content, "contexts", name) if name or not cluster else {}
    there = _named(source, content, "clusters", cluster or found.get("cluster", ""))
    user = _named(source, content, "users", found["user"]) if found.get("user") else {}
    for kind, body in (("cluster", there), ("user", user)):
        for key in NOT_SUPPORTED[kind]:
            if body.get(key):
                raise BadKubeconfig(f"{source} uses {key}, which is not supported")
    if not there.get("server"):
        raise BadKubeconfig(f"{source} names no server for its cluster")
    return Access(
        source=source,
        server=str(there["server"]).rstrip("/"),
        namespace=found.get("namespace") or "default",
        authority_pem=_material(source, there, "certificate-authority"),
        insecure=there.get("insecure-skip-tls-verify") is True,
        tls_server_name=there.get("tls-server-name") or "",
        directory=directory,
        certificate_pem=_material(source, user, "client-certificate"),
        key_pem=_material(source, user, "client-key"),
        token=user.get("token") or "",
        token_file=user.get("tokenFile") or "",
        username=user.get("username") or "",
        password=user.get("password") or "",
        impersonate=tuple(_impersonation(user)),
        plugin=user.get("exec"),
    )


def _impersonation(user: Plain) -> list[tuple[str, str]]:
    headers = [("Impersonate-User", user["as"])] if user.get("as") else []
    return headers + [("Impersonate-Group", group) for group in user.get("as-groups") or []]


def _named(source: str, content: Plain, rows: str, name: str) -> Plain:
    for row in content.get(rows, []):
        if row.get("name") == name:
            return row.get(rows[:-1]) or {}
    known = ", ".join(str(row.get("name")) for row in content.get(rows, [])) or "none"
    raise BadKubeconfig(f"{source} has no {rows[:-1]} {name!r}; it has: {known}")


def _material(source: str, body: Plain, key: str) -> str:
    """A PEM text: inline as `<key>-data`, or from the file `<key>`."""
    if body.get(f"{key}-data"):
        try:
            return base64.b64decode(body[f"{key}-data"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BadKubeconfig(f"{source}: {key}-data is not base64 of a PEM text") from None
    if not body.get(key):
        return ""
    try:
        return Path(body[key]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"{source}: {key} {body[key]} cannot be read: {error}") from None


def _in_cluster() -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (IN_CLUSTER / "token").is_file():
        raise _absent(
            "there is no kubeconfig: name one with KUBECONFIG or kubernetes:kubeconfig, or put one at ~/.kube/config"
        )
    return Access(
        source="this pod's service account",
        server=f"https://{host}:{port}",
        namespace=(IN_CLUSTER / "namespace").read_text().strip() or "default",
        authority_pem=(IN_CLUSTER / "ca.crt").read_text(),
        token_file=str(IN_CLUSTER / "token"),
    )
