"""The passphrase cipher of secrets, byte for byte Pulumi's (docs/engine-rules.md 1.5).

The key is PBKDF2-HMAC-SHA256 of the passphrase with a million rounds; a value is AES-256-GCM with a random
nonce. The derivation takes up to half a second, so it starts in a thread as soon as a cipher exists and is
only waited for when a value is needed. A value that did not change keeps its ciphertext, or every save would
look like a change.

Out of scope: other secrets providers (cloud KMS), asking for the passphrase on a terminal, changing it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

from engine.errors import WrongUse

ITERATIONS = 1_000_000  # sdk/go/common/resource/config/crypt.go
VERIFIER = "pulumi"  # what the last part of a salt string decrypts to
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"
_HINT = f"export {PASSPHRASE_FILE}=FILE  (or {PASSPHRASE}=...)"


class Cipher:
    """Encrypts and decrypts with one passphrase and one salt; safe to share between threads."""

    def __init__(self, salt: bytes, passphrase: str, state: str) -> None:
        """Use `Cipher.create` or `Cipher.open`."""
        self._raw_salt = salt
        self._state = state
        self._checked = False
        self._known: dict[tuple[str, str], str] = {}  # (scope, plaintext) -> ciphertext
        self._lock = threading.Lock()
        self._key: Future[bytes] = Future()
        derive = threading.Thread(target=self._derive, args=(passphrase,), name="derive-key", daemon=True)
        derive.start()

    @classmethod
    def create(cls, passphrase: str) -> Cipher:
        """A cipher with a new salt."""
        cipher = cls(os.urandom(8), passphrase, "")
        cipher._checked = True  # there is nothing yet that the passphrase could fail to open
        return cipher

    @classmethod
    def open(cls, salt: str, passphrase: str) -> Cipher:
        """The cipher of a stack whose state or stack file holds `salt`; one object for the same arguments.

        So state and configuration share one derivation and one memory of ciphertexts.
        """
        raw = _raw_salt(salt)
        with _opened_lock:
            if (salt, passphrase) not in _opened:
                _opened[salt, passphrase] = cls(raw, passphrase, salt)
            return _opened[salt, passphrase]

    def _derive(self, passphrase: str) -> None:
        try:
            self._key.set_result(
                hashlib.pbkdf2_hmac("sha256", passphrase.encode(), self._raw_salt, ITERATIONS, 32)
            )
        except (ValueError, UnicodeError, MemoryError) as error:
            self._key.set_exception(error)

    @property
    def salt(self) -> str:
        """What state and stack file keep: salt and verifier, never the key. A new one waits for the key."""
        with self._lock:
            if not self._state:
                raw = base64.b64encode(self._raw_salt).decode()
                self._state = f"v1:{raw}:{self._seal(VERIFIER)}"
            return self._state

    def check(self) -> None:
        """Wait for the key; WrongUse if the passphrase is not the stack's."""
        if not self._checked:
            if self._unseal(self._state.split(":", 2)[2]) != VERIFIER:
                raise WrongUse(
                    f"incorrect passphrase: {PASSPHRASE} or {PASSPHRASE_FILE} holds another one", _HINT
                )
            self._checked = True

    def encrypt(self, plaintext: str, scope: str = "") -> str:
        """`v1:nonce:ciphertext`; what was encrypted or decrypted before in `scope` keeps its ciphertext."""
        self.check()
        with self._lock:
            if (scope, plaintext) not in self._known:
                self._known[scope, plaintext] = self._seal(plaintext)
            return self._known[scope, plaintext]

    def decrypt(self, ciphertext: str, scope: str = "") -> str:
        """The plaintext; WrongUse if the ciphertext was changed or belongs to another key."""
        self.check()
        plaintext = self._unseal(ciphertext)
        if plaintext is None:
            of = f" of {scope}" if scope else ""
            raise WrongUse(f"a secret{of} cannot be decrypted: it was changed or encrypted with another key")
        with self._lock:
            self._known.setdefault((scope, plaintext), ciphertext)
        return plaintext

    def _seal(self, plaintext: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import (
            AESGCM,
        )  # 20 ms that a stack without secrets saves

        nonce = os.urandom(12)
        sealed = AESGCM(self._key.result()).encrypt(nonce, plaintext.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def _unseal(self, ciphertext: str) -> str | None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._key.result()
        try:
            version, nonce, sealed = ciphertext.split(":")
            if version != "v1":
                return None
            return AESGCM(key).decrypt(_decode(nonce), _decode(sealed), None).decode()
        except (ValueError, InvalidTag):  # binascii.Error and UnicodeDecodeError are ValueErrors
            return None


_opened: dict[tuple[str, str], Cipher] = {}
_opened_lock = threading.Lock()


def read_passphrase(environment: Mapping[str, str]) -> str:
    """The passphrase the user chose; an empty one is legal, none at all is not."""
    if PASSPHRASE in environment:
        return environment[PASSPHRASE]
    if environment.get(PASSPHRASE_FILE):
        return _from_file(Path(environment[PASSPHRASE_FILE]))
    raise WrongUse(
        f"the stack's secrets need a passphrase: {PASSPHRASE} or {PASSPHRASE_FILE} is not set", _HINT
    )


def _from_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise WrongUse(f"{path}: the passphrase file can be read by others", f"chmod 600 {path}")
            return file.read().strip()  # Pulumi strips too: editors end files with a newline
    except (OSError, UnicodeError) as error:
        raise WrongUse(f"{PASSPHRASE_FILE}: cannot read the passphrase: {error}", _HINT) from error


def _raw_salt(salt: str) -> bytes:
    parts = salt.split(":")
    try:
        if len(parts) != 5 or parts[0] != "v1" or parts[2] != "v1":
            raise ValueError("not of the form v1:salt:v1:nonce:verifier")
        return _decode(parts[1])
    except ValueError as error:
        raise WrongUse(f"the encryption salt {salt!r} is malformed: {error}") from error


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
