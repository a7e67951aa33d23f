"""How a client authenticates: headers for each request, and a client certificate.

A token file is read again for each request (the kubelet rotates it). A plugin (`exec`) is run when first needed, again
10 s before its credentials expire, and once more when the server rejects them. Out of scope: interactive plugins.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import threading
from pathlib import Path

from clients.kubernetes.errors import BadKubeconfig, BadPlugin
from clients.kubernetes.kubeconfig import Access, Plain
from machine import commands
from machine.errors import VmlabError

PLUGIN_SECONDS = 60.0
EARLY_SECONDS = 10.0  # what expires in less counts as expired
VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class Credentials:
    """The credentials of one access."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._given: Plain | None = None  # the plugin's ExecCredential.status

    @property
    def renewable(self) -> bool:
        """Whether rejected credentials can be renewed."""
        return self._access.plugin is not None

    def forget(self) -> None:
        """Run the plugin again for the next request."""
        with self._lock:
            self._given = None

    def current(self) -> tuple[dict[str, str], str]:
        """For one request: the headers that authenticate it, and the client certificate with its key in PEM ("": none)."""
        status = self._status() if self._access.plugin else {}
        return self._headers(status), self._certificate(status)

    def _headers(self, status: Plain) -> dict[str, str]:
        access = self._access
        token = status.get("token") or (_read(access) if access.token_file else access.token)
        headers = dict(access.impersonate)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        elif access.username:
            pair = base64.b64encode(f"{access.username}:{access.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers

    def _certificate(self, status: Plain) -> str:
        pair = (status.get("clientCertificateData") or "", status.get("clientKeyData") or "")
        if all(pair):
            return "\n".join(pair)
        access = self._access
        return f"{access.certificate_pem}\n{access.key_pem}" if access.certificate_pem else ""

    def _status(self) -> Plain:
        with self._lock:
            if self._given is None or _expired(self._given):
                self._given = _asked(self._access)
            return self._given


def _read(access: Access) -> str:
    try:
        return Path(access.token_file).read_text().strip()
    except OSError as error:
        what = f"its tokenFile {access.token_file} cannot be read: {error.strerror}"
        raise BadKubeconfig(f"{access.source}: {what}") from None


def _expired(status: Plain) -> bool:
    stamp = status.get("expirationTimestamp")
    if not stamp:
        return False
    left = datetime.datetime.fromisoformat(str(stamp)) - datetime.datetime.now(datetime.UTC)
    return left.total_seconds() < EARLY_SECONDS


def _asked(access: Access) -> Plain:
    """Run the plugin with our whole environment, as kubectl does: the clouds' plugins are configured by variables."""
    plugin = access.plugin or {}
    command, version = str(plugin.get("command", "")), plugin.get("apiVersion", VERSIONS[0])
    if version not in VERSIONS:
        raise _broken(access, f"apiVersion {version!r} is not one of {', '.join(VERSIONS)}")
    information = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(information)}
    environment |= {row["name"]: row["value"] for row in plugin.get("env") or []}
    program = str(access.directory / command) if "/" in command else command
    line = [program, *map(str, plugin.get("args") or [])]
    try:
        ended = commands.until_line(
            line, "", seconds=PLUGIN_SECONDS, environment=environment, directory=access.directory
        )
    except VmlabError as error:
        raise _broken(access, str(error)) from None
    if ended.code is None:
        raise _broken(access, f"it did not end within {PLUGIN_SECONDS:g} s")
    if ended.code:
        last = ended.errors[-1] if ended.errors else plugin.get("installHint", "")
        raise _broken(access, f"it exited with {ended.code}: {last}")
    return _answer(access, "\n".join(ended.output))


def _answer(access: Access, printed: str) -> Plain:
    try:
        status = json.loads(printed)["status"]
    except (ValueError, KeyError, TypeError):
        status = None
    if not isinstance(status, dict):
        raise _broken(access, "what it printed is not an ExecCredential")
    return status


def _broken(access: Access, why: str) -> BadPlugin:
    command = (access.plugin or {}).get("command", "")
    return BadPlugin(f"{access.source}: its credential plugin {command!r} failed: {why}")
