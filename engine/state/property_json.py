"""Property values <-> the JSON of a state file (`pkg/resource/stack/deployment.go`).

A secret is an object with the signature key and either a ciphertext or, in an export that shows secrets, a
plaintext; both hold the JSON *text* of the value. A secret inside a secret is flattened when written, since
the outer one hides it already; both forms are read. Infinities and NaN, which JSON lacks, are the bits of the
float in hexadecimal. Assets, archives and resource references stay the dicts they are.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

from engine.errors import WrongUse
from engine.values import (
    SECRET,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_SENTINEL,
    Properties,
    Secret,
    Unknown,
    Value,
    without_secrets,
)

FLOAT = "8ad145fe-0d11-4827-bfd7-1abcbf086f5c"
BYTE_STRING = "803fd3297a5875dc03ca845dda5d2a98"

Decrypt = Callable[[str], str]

# Go escapes these in JSON; doing so too keeps the plaintext, and with it the ciphertext, that Go once wrote.
_GO_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def compact(value: Any) -> str:
    """JSON without spaces and without escapes that UTF-8 does not need."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate is legal in a Python string only: escape it
        return json.dumps(value, separators=(",", ":"))
    return text


def encode(value: Value, secret: Callable[[str], dict[str, Any]]) -> Any:
    """What json.dumps can write; `secret` makes the object for the JSON text of a secret."""
    if isinstance(value, Secret):
        plain = encode(without_secrets(value.value), secret)
        return secret(compact(plain).translate(_GO_ESCAPES))
    if isinstance(value, Unknown):
        return UNKNOWN_SENTINEL
    if isinstance(value, list):
        return [encode(item, secret) for item in value]
    if isinstance(value, dict):
        return {key: encode(value[key], secret) for key in sorted(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {SIGNATURE: FLOAT, "value": struct.pack(">d", value).hex()}
    return value


def decode(raw: Any, decrypt: Decrypt) -> Value:
    """The value of parsed JSON; `decrypt` opens a ciphertext."""
    if isinstance(raw, list):
        return [decode(item, decrypt) for item in raw]
    if isinstance(raw, dict):
        signature = raw.get(SIGNATURE)
        if signature == SECRET:
            return Secret(_decode_secret(raw, decrypt))
        if signature == FLOAT:
            return float(struct.unpack(">d", bytes.fromhex(raw["value"]))[0])
        return {key: decode(item, decrypt) for key, item in raw.items()}
    return UNKNOWN if raw == UNKNOWN_SENTINEL else raw


def decode_properties(raw: Any, decrypt: Decrypt) -> Properties:
    """The inputs or outputs of a resource; absent means empty."""
    return {key: decode(item, decrypt) for key, item in (raw or {}).items()}


def _decode_secret(raw: dict[str, Any], decrypt: Decrypt) -> Value:
    texts = [raw[key] for key in ("plaintext", "ciphertext") if raw.get(key)]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise WrongUse("malformed secret in the state: exactly one of ciphertext and plaintext must be there")
    text = texts[0] if raw.get("plaintext") else decrypt(texts[0])
    # Inside a secret the official engine leaves "ciphertext" unencrypted, because the outer one hides it.
    return without_secrets(decode(json.loads(text), lambda inner: inner))


def encrypted(ciphertext: str) -> dict[str, Any]:
    """A secret as a state file holds it."""
    return {SIGNATURE: SECRET, "ciphertext": ciphertext}


def shown(text: str) -> dict[str, Any]:
    """A secret as an export that shows secrets holds it."""
    return {SIGNATURE: SECRET, "plaintext": text}
