"""The passphrase cipher and where the passphrase comes from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import WrongUse
from engine.state.secrets import PASSPHRASE, PASSPHRASE_FILE, Cipher, read_passphrase

# From Pulumi's own tests, pkg/secrets/passphrase/manager_test.go.
VECTOR = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ=="


def test_pulumis_own_vector_opens() -> None:
    """A salt that Pulumi made opens with its passphrase and no other, at the full number of rounds."""
    Cipher.open(VECTOR, "password").check()
    with pytest.raises(WrongUse, match="incorrect passphrase") as caught:
        Cipher.open(VECTOR, "passwort").encrypt("x")
    assert PASSPHRASE_FILE in caught.value.next_command
    assert PASSPHRASE in caught.value.next_command


def test_opening_twice_gives_one_cipher() -> None:
    """State and configuration of one stack share a derivation."""
    assert Cipher.open(VECTOR, "password") is Cipher.open(VECTOR, "password")


@pytest.mark.parametrize("salt", ["", "v1:AAAA", "v2:AAAA:v1:AAAA:AAAA", "v1:!!:v1:AAAA:AAAA", "v1:a:b:c:d"])
def test_a_malformed_salt_is_refused(salt: str) -> None:
    """A salt that is not one is named before a key is derived."""
    with pytest.raises(WrongUse, match="malformed"):
        Cipher.open(salt, "x")


def test_what_was_encrypted_decrypts(cipher: Cipher) -> None:
    """A value comes back through another cipher of the same salt and passphrase."""
    sealed = cipher.encrypt("gehe\u00efm <&>")
    assert Cipher.open(cipher.salt, "a passphrase").decrypt(sealed) == "gehe\u00efm <&>"


def test_an_unchanged_value_keeps_its_ciphertext(cipher: Cipher) -> None:
    """In one scope the same plaintext keeps its ciphertext; another scope gets another."""
    first = cipher.encrypt("x", "a")
    assert cipher.encrypt("x", "a") == first
    assert cipher.encrypt("x", "b") != first
    later = Cipher(b"12345678", "p", "")
    later._checked = True
    sealed = later.encrypt("y", "elsewhere")
    assert later.decrypt(sealed, "urn") == "y"
    assert later.encrypt("y", "urn") == sealed


@pytest.mark.parametrize("place", ["version", "nonce", "text", "shape"])
def test_a_tampered_ciphertext_is_refused(cipher: Cipher, place: str) -> None:
    """A change anywhere in a ciphertext is noticed and the resource is named."""
    version, nonce, text = cipher.encrypt("x").split(":")
    flipped = ("B" if text[0] == "A" else "A") + text[1:]
    broken = {
        "version": f"v2:{nonce}:{text}",
        "nonce": f"{version}:{nonce[4:]}:{text}",
        "text": f"{version}:{nonce}:{flipped}",
        "shape": text,
    }[place]
    with pytest.raises(WrongUse, match="a secret of urn:x cannot be decrypted"):
        cipher.decrypt(broken, "urn:x")


def test_passphrase_from_the_environment() -> None:
    """The variable wins over the file, an empty passphrase is one, and none is an error."""
    assert read_passphrase({PASSPHRASE: "", PASSPHRASE_FILE: "/nowhere"}) == ""
    with pytest.raises(WrongUse, match="is not set"):
        read_passphrase({PASSPHRASE_FILE: ""})


def test_passphrase_from_a_file(tmp_path: Path) -> None:
    """A private file is read without its newline; one that others can read, or none, is refused."""
    path = tmp_path / "passphrase"
    path.write_text("open sesame\n")
    path.chmod(0o600)
    assert read_passphrase({PASSPHRASE_FILE: str(path)}) == "open sesame"
    path.chmod(0o640)
    with pytest.raises(WrongUse, match="can be read by others") as caught:
        read_passphrase({PASSPHRASE_FILE: str(path)})
    assert caught.value.next_command == f"chmod 600 {path}"
    with pytest.raises(WrongUse, match="cannot read the passphrase"):
        read_passphrase({PASSPHRASE_FILE: str(tmp_path / "none")})


def test_derivation_runs_beside_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a cipher does not wait for the key."""
    gate = os.pipe()
    monkeypatch.setattr("hashlib.pbkdf2_hmac", lambda *_: os.read(gate[0], 1) * 32)
    cipher = Cipher.create("x")  # would hang here
    os.write(gate[1], b"k")
    assert cipher.decrypt(cipher.encrypt("y")) == "y"
    for end in gate:
        os.close(end)
