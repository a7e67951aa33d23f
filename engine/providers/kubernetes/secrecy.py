"""Secrets on their way through: plain for the cluster, sealed again in answers, masked in messages.

The rules are the official provider's (`annotateSecrets`): data and stringData of every Secret are secret whoever
wrote them; elsewhere an output is secret where the input at its place is, and a list as a whole where any of its
items is. A pod's log may repeat a secret that another resource brought in, so every secret that passed here is masked
in every message.
"""

from __future__ import annotations

import base64
import threading
from typing import Any

from engine.providers.kubernetes.refusal import Plain
from engine.values import Properties, Secret, Value, contains_secret, rewrite, without_secrets

SHORTEST_MASKED = 4  # shorter ones are words of any sentence
MASK = "[secret]"
SECRET_KEYS = ("data", "stringData")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# JSON schema words that the SDK cannot spell; `mapReplUnderscoreToDash` of the official provider.
_WORDS = (
    "embedded_resource int_or_string list_map_keys list_type map_type preserve_unknown_fields validations"
)
_SPELLINGS = {f"x_kubernetes_{word}": f"x-kubernetes-{word.replace('_', '-')}" for word in _WORDS.split()}
_UNSPELLINGS = {dashed: underscored for underscored, dashed in _SPELLINGS.items()}


def plain(properties: Properties) -> Plain:
    """What the cluster gets: no secrets, nothing that is not given, none of the bridge's own keys."""
    opened = without_secrets({key: value for key, value in properties.items() if not key.startswith("__")})
    return _respelled(opened, _SPELLINGS)


def spelled_for_sdk(live: Plain) -> Properties:
    """An object's keys as the SDK spells them."""
    return _respelled(live, _UNSPELLINGS)


def _respelled(thing: Value, spellings: dict[str, str]) -> Plain:
    def visit(node: Value) -> Value:
        if not isinstance(node, dict):
            return node
        return {spellings.get(key, key): value for key, value in node.items() if value is not None}

    found = rewrite(thing, visit)
    return found if isinstance(found, dict) else {}


def sealed(live: Properties, *sources: Properties) -> Properties:
    """`live` with everything secret that has to be."""
    result: Properties = dict(live)
    for source in sources:
        result = _sealed(result, source)
    if result.get("kind") == "Secret":
        result = {key: _sealed_whole(value) if key in SECRET_KEYS else value for key, value in result.items()}
        result = _without_readable_copy(result)
    return result


def _sealed(live: Value, source: Value) -> Any:
    if isinstance(live, Secret):
        return live
    if isinstance(live, dict) and isinstance(source, dict):
        return {key: _sealed(value, source.get(key)) for key, value in live.items()}
    return Secret(live) if contains_secret(source) else live


def _sealed_whole(value: Value) -> Value:
    return value if isinstance(value, Secret) else Secret(without_secrets(value))


def _without_readable_copy(secret: Properties) -> Properties:
    """kubectl apply leaves the whole object in an annotation."""
    metadata = secret.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict) or LAST_APPLIED not in annotations:
        return secret
    hidden = _sealed_whole(annotations[LAST_APPLIED])
    return with_member(secret, ("metadata", "annotations", LAST_APPLIED), hidden)


def with_member(properties: Properties, path: tuple[str, ...], member: Value) -> Properties:
    """A copy of `properties` in which `path` is `member`, its secrets kept."""
    inner, rest = properties.get(path[0]), path[1:]
    if rest:
        held = inner.value if isinstance(inner, Secret) else inner
        found = with_member(held if isinstance(held, dict) else {}, rest, member)
        member = Secret(found) if isinstance(inner, Secret) else found
    return {**properties, path[0]: member}


class Masks:
    """Every secret that passed through one provider."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: set[str] = set()

    def learn(self, *sources: Properties) -> None:
        """Remember the secrets of these properties, and what a Secret's data say in the clear."""
        found: set[str] = set()
        for source in sources:
            _collect(source, False, found)
            if without_secrets(source.get("kind")) == "Secret":
                for key in SECRET_KEYS:
                    _collect(source.get(key), True, found)
        with self._lock:
            self._words |= found

    def masked(self, message: str) -> str:
        """The message without them."""
        with self._lock:
            words = sorted(self._words, key=len, reverse=True)
        for word in words:
            message = message.replace(word, MASK)
        return message


def _collect(value: Value, inside: bool, found: set[str]) -> None:
    if isinstance(value, Secret):
        _collect(value.value, True, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, inside, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, inside, found)
    elif inside and isinstance(value, str):
        found |= {word for word in _forms(value) if len(word) >= SHORTEST_MASKED}


def _forms(value: str) -> list[str]:
    """As it is, its lines, in base64, and out of base64."""
    forms = [value, *value.split("\n"), base64.b64encode(value.encode()).decode()]
    try:
        clear = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return forms
    return [*forms, clear, *clear.split("\n")]
