"""The JSON text of each resource, made once.

A run saves its state twice per step, so with a hundred resources the same text would be made some hundred
times. A resource that a snapshot holds is never changed; its text is therefore remembered by the object's
identity for as long as the object lives. Out of scope: the document around the resources (`checkpoint`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.errors import WrongUse
from engine.state import resource_json
from engine.state.property_json import BYTE_STRING, compact, encrypted, shown
from engine.state.resource import Resource
from engine.state.secrets import Cipher

CipherSource = Cipher | Callable[[], Cipher] | None


class Fragment(NamedTuple):
    """A resource's JSON and what the document around it must declare."""

    text: str
    features: frozenset[str]
    salt: str  # of the cipher that was used, "" if none was


_made: dict[int, tuple[weakref.ref[Resource], Fragment]] = {}


def fragment(resource: Resource, cipher: CipherSource, *, show_secrets: bool = False) -> Fragment:
    """The text of `resource`; `cipher`, or what makes one, is only touched when there is a secret."""
    if show_secrets:  # never remembered: plaintexts should not stay in memory
        return _make(resource, None, show_secrets=True)
    if remembered := _recall(resource, cipher):
        return remembered
    made = _make(resource, cipher, show_secrets=False)
    key = id(resource)
    _made[key] = weakref.ref(resource, lambda _: _made.pop(key, None)), made
    return made


def _recall(resource: Resource, cipher: CipherSource) -> Fragment | None:
    """The remembered text, unless its secrets were encrypted with another salt."""
    reference, made = _made.get(id(resource), (None, None))
    if reference is None or made is None or reference() is not resource:
        return None
    if made.salt and made.salt != _open(cipher, resource).salt:
        return None
    return made


def _make(resource: Resource, cipher: CipherSource, *, show_secrets: bool) -> Fragment:
    salts: list[str] = []
    features = resource_json.features(resource)

    def secret(text: str) -> dict[str, Any]:
        if BYTE_STRING in text:  # cannot be seen any more once it is encrypted
            features.add("byteString")
        if show_secrets:
            return shown(text)
        opened = _open(cipher, resource)
        salts.append(opened.salt)
        return encrypted(opened.encrypt(text, resource.urn))

    text = compact(resource_json.to_json(resource, secret))
    if BYTE_STRING in text:
        features.add("byteString")
    return Fragment(text, frozenset(features), salts[0] if salts else "")


def _open(cipher: CipherSource, resource: Resource) -> Cipher:
    if cipher is None:
        raise WrongUse(f"{resource.urn} has a secret, and the stack has no passphrase to encrypt it with")
    return cipher if isinstance(cipher, Cipher) else cipher()
