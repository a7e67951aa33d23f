"""One HTTP exchange with an API server, over pooled connections with one TLS context.

On urllib3. The `kubernetes` package takes 0.26 s to import against 0.09 s, brings 20 packages, and writes the client's key
into a file that kill -9 leaves behind. Here certificates stay in memory. A context is made once and again only when the
client certificate has changed; none for plain HTTP. `ssl.create_default_context()` would cost 17 ms of CPU (it reads the
system's authorities, which a kubeconfig with its own does not need) against 0.09 ms. Out of scope: retries (`api.py`).
"""

from __future__ import annotations

import functools
import json
import os
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3 import exceptions

from clients.kubernetes.credentials import Credentials
from clients.kubernetes.errors import BadKubeconfig, NoAnswer
from clients.kubernetes.kubeconfig import Access, Plain

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0  # the API server's own limit for a request
CONNECTIONS = 64  # as many as the provider has threads; urllib3 complains on stderr about more
_NOT_SENT = (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.SSLError)
Pool = urllib3.HTTPConnectionPool


class Connection:
    """The connections to one API server; safe to use from many threads. `silence`: what is raised without an answer."""

    def __init__(self, access: Access, silence: type[NoAnswer] = NoAnswer) -> None:
        self.access = access
        self._silence = silence
        self._credentials = Credentials(access)
        self._prefix = urlsplit(access.server).path.rstrip("/")
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._certificate = ""  # the one that the pool presents

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any,
        content_type: str,
        *,
        seconds: float = ANSWER_SECONDS,
        lasting: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """The response, whatever its status; NoAnswer without one. Silence of more than `seconds` ends it.

        A `lasting` response has not been read yet. Credentials that are rejected are renewed once."""
        send = functools.partial(
            self._send,
            method,
            self._prefix + path + (f"?{urlencode(query)}" if query else ""),
            {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "vmlab"},
            body=None if body is None else json.dumps(body).encode(),
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
            preload_content=not lasting,
        )
        response = send()
        if response.status == 401 and self._credentials.renewable:
            response.release_conn()
            self._credentials.forget()
            self.close()
            response = send()
        return response

    def no_answer(self, why: str, *, sent: bool) -> NoAnswer:
        """The error of a server that does not answer."""
        source = f"{self.access.source} points at {self.access.server}, which does not answer: {why}"
        return self._silence(source, sent=sent)

    def _send(self, method: str, url: str, headers: Plain, **how: Any) -> urllib3.BaseHTTPResponse:
        ours, certificate = self._credentials.current()
        pool = self._connections(certificate)
        try:
            return pool.urlopen(method, url, headers=headers | ours, retries=False, redirect=False, **how)
        except (exceptions.HTTPError, OSError) as error:
            raise self.no_answer(_words(error), sent=not isinstance(error, _NOT_SENT)) from None

    def _connections(self, certificate: str) -> Pool:
        with self._lock:
            if self._pool is None or certificate != self._certificate:
                if self._pool is not None:
                    self._pool.close()  # those in use end with their request
                self._pool, self._certificate = _pool(self.access, certificate), certificate
            return self._pool


def _pool(access: Access, certificate: str) -> Pool:
    parts = urlsplit(access.server)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(host, parts.port or 80, maxsize=CONNECTIONS)
    name = access.tls_server_name or None
    return urllib3.HTTPSConnectionPool(
        host,
        parts.port or 443,
        maxsize=CONNECTIONS,
        ssl_context=_context(access, certificate),
        cert_reqs="CERT_NONE" if access.insecure else "CERT_REQUIRED",
        server_hostname=name,
        assert_hostname=name,
    )


def _context(access: Access, certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if access.insecure:
            urllib3.disable_warnings(exceptions.InsecureRequestWarning)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif access.authority_pem:
            context.load_verify_locations(cadata=access.authority_pem)
        else:
            context.load_default_certs()
    except ssl.SSLError:
        raise BadKubeconfig(f"{access.source}: its certificate authority cannot be used") from None
    if certificate:
        _present(context, certificate, access.source)
    return context


def _present(context: ssl.SSLContext, certificate: str, source: str) -> None:
    """The ssl module reads files only; this one is in memory and never on a disk."""
    handle = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(handle, certificate.encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    except ssl.SSLError:
        raise BadKubeconfig(f"{source}: its client certificate and key cannot be used") from None
    finally:
        os.close(handle)


def _words(error: BaseException) -> str:
    """The reason at the bottom of a nested error."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, exceptions.SSLError) and error.args and isinstance(error.args[0], OSError):
        error = error.args[0]
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not the one the kubeconfig trusts ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return "no answer in time"
    return str(error.args[-1] if error.args else error).strip("'\"") or type(error).__name__
