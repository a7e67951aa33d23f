"""Who we are to the API server: headers for each request, and a client certificate.

A token file is read again for each request (kubelet rotates it). A plugin (`exec`) is run when first needed, again when
what it gave expires, and once more when the server refuses it. Left out: plugins that talk to a terminal.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import subprocess
import threading
from pathlib import Path

import grpc

from engine import children
from engine.providers.kubernetes.kubeconfig import Access
from engine.providers.kubernetes.refusal import Plain, RefusalError

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
        """Whether a refusal may be met by asking again."""
        return self._access.plugin is not None

    def forget(self) -> None:
        """Ask the plugin again next time."""
        with self._lock:
            self._given = None

    def headers(self) -> dict[str, str]:
        """The headers that say who asks."""
        access = self._access
        token = access.token
        if access.token_file:
            token = Path(access.token_file).read_text().strip()
        if access.plugin:
            token = self._status().get("token") or token
        headers = dict(access.impersonate)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        elif access.username:
            pair = base64.b64encode(f"{access.username}:{access.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers

    def certificate(self) -> str:
        """Certificate and key in PEM, or nothing."""
        if self._access.plugin:
            status = self._status()
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


def _expired(status: Plain) -> bool:
    stamp = status.get("expirationTimestamp")
    if not stamp:
        return False
    left = datetime.datetime.fromisoformat(str(stamp)) - datetime.datetime.now(datetime.UTC)
    return left.total_seconds() < EARLY_SECONDS


def _asked(access: Access) -> Plain:
    """Run the plugin."""
    plugin = access.plugin or {}
    command, version = plugin.get("command", ""), plugin.get("apiVersion", "")
    if version not in VERSIONS:
        raise _broken(access, f"apiVersion {version!r} is none of {', '.join(VERSIONS)}")
    information = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(information)}
    environment |= {row["name"]: row["value"] for row in plugin.get("env") or []}
    program = str(access.directory / command) if "/" in command else command
    try:
        child = children.start(
            [program, *(plugin.get("args") or [])],
            environment=environment,
            directory=access.directory,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise _broken(access, str(error)) from None
    try:
        out, err = child.communicate(timeout=PLUGIN_SECONDS)
    except subprocess.TimeoutExpired:
        children.stop(child)
        child.communicate()
        raise _broken(access, f"it did not end within {PLUGIN_SECONDS:g} s") from None
    if child.returncode != 0:
        last = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise _broken(access, f"it ended with {child.returncode}: {last or plugin.get('installHint', '')}")
    return _answer(access, out)


def _answer(access: Access, out: bytes) -> Plain:
    try:
        status = json.loads(out)["status"]
    except (ValueError, KeyError, TypeError):
        raise _broken(access, "what it printed is no ExecCredential") from None
    if not isinstance(status, dict):
        raise _broken(access, "what it printed is no ExecCredential")
    return status


def _broken(access: Access, why: str) -> RefusalError:
    command = (access.plugin or {}).get("command", "")
    message = f"{access.said}: its credential plugin {command!r} gave nothing: {why}"
    return RefusalError(grpc.StatusCode.FAILED_PRECONDITION, message)
