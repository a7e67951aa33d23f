"""An image registry on this machine: the few calls of the distribution API (v2) that pushing and reading an image take.

Plain HTTP, because it listens on loopback. Out of scope: TLS, passwords, and removing images.
"""

from __future__ import annotations

import hashlib
import http.client
from pathlib import Path

from machine import addresses
from machine.errors import VmlabError

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_PIECE = 1 << 20
Headers = dict[str, str]


def digest_of(data: bytes) -> str:
    """`sha256:...`, by which the registry knows a blob or a manifest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    """A registry by its address, HOST:PORT; each call may take `seconds`. VmlabError when it does not answer or refuses."""

    def __init__(self, address: str = addresses.REGISTRY, seconds: float = 60) -> None:
        self._address = address
        self._seconds = seconds

    def answers(self) -> bool:
        """Whether a registry answers; never raises."""
        try:
            return self._call("GET", "/v2/")[0] == http.client.OK
        except VmlabError:
            return False

    def digest(self, repository: str, tag: str) -> str:
        """The digest of the manifest with this tag; empty if there is none."""
        status, headers, _ = self._call("HEAD", f"/v2/{repository}/manifests/{tag}", {"Accept": MANIFEST})
        return headers.get("Docker-Content-Digest", "") if status == http.client.OK else ""

    def manifest(self, repository: str, reference: str) -> bytes | None:
        """The manifest with this tag or digest; None if there is none."""
        status, _, data = self._call("GET", f"/v2/{repository}/manifests/{reference}", {"Accept": MANIFEST})
        return data if status == http.client.OK else None

    def blob(self, repository: str, digest: str) -> bytes:
        """The blob, which must exist."""
        return self._done(http.client.OK, "GET", f"/v2/{repository}/blobs/{digest}")[1]

    def put_blob(self, repository: str, digest: str, content: bytes | Path) -> None:
        """Upload a blob unless it exists."""
        if self._call("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == http.client.OK:
            return
        headers, _ = self._done(http.client.ACCEPTED, "POST", f"/v2/{repository}/blobs/uploads/")
        place = headers["Location"].removeprefix(f"http://{self._address}")
        path = f"{place}{'&' if '?' in place else '?'}digest={digest}"
        self._done(http.client.CREATED, "PUT", path, content, "application/octet-stream")

    def put_manifest(self, repository: str, tag: str, content: bytes) -> None:
        """Store a manifest with this tag; its blobs must exist."""
        self._done(http.client.CREATED, "PUT", f"/v2/{repository}/manifests/{tag}", content, MANIFEST)

    def _done(
        self, wanted: int, method: str, path: str, content: bytes | Path = b"", kind: str = ""
    ) -> tuple[Headers, bytes]:
        status, headers, data = self._call(method, path, {"Content-Type": kind} if kind else {}, content)
        if status != wanted:
            raise VmlabError(f"the registry at {self._address} answered {status} to {method} {path}")
        return headers, data

    def _call(
        self, method: str, path: str, headers: Headers | None = None, content: bytes | Path = b""
    ) -> tuple[int, Headers, bytes]:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        sent = {**(headers or {}), **({"Content-Length": str(size)} if method in ("POST", "PUT") else {})}
        connection = http.client.HTTPConnection(self._address, timeout=self._seconds, blocksize=_PIECE)
        try:
            if isinstance(content, Path):
                with content.open("rb") as body:
                    connection.request(method, path, body, sent)
            else:
                connection.request(method, path, content or None, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise VmlabError(
                f"no registry answers at {self._address} ({error})", "vmlab host up registry artifact"
            ) from None
        finally:
            connection.close()
