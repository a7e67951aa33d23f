"""Secrets on their way through: plain for Docker, sealed again in what is answered, masked in messages.

An output is secret when the input of its name was, or the output that the state holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.providers.docker.kind import Plain
from engine.values import Properties, Secret, Value, contains_secret, without_secrets

SHORTEST_MASKED = 4  # shorter ones are words of any sentence
MASK = "[secret]"


def plain(properties: Properties) -> Plain:
    """What Docker gets: no secrets, nothing that is not given, none of the bridge's own keys."""
    opened = {key: without_secrets(value) for key, value in properties.items()}
    return {key: value for key, value in opened.items() if value is not None and not key.startswith("__")}


def sealed(outputs: Plain, *sources: Properties) -> Properties:
    """The outputs, secret where a source is."""
    return {
        key: Secret(value) if any(contains_secret(source.get(key)) for source in sources) else value
        for key, value in outputs.items()
    }


def merged(original: Value, addition: Value) -> Value:
    """`original` with what Check adds, deep into maps, its secrets kept."""
    if isinstance(original, Secret):
        return Secret(merged(original.value, addition))
    if isinstance(addition, dict):
        base = original if isinstance(original, dict) else {}
        return {**base, **{key: merged(base.get(key), value) for key, value in addition.items()}}
    return addition


def masked(message: str, *sources: Properties) -> str:
    """A message without the secrets of these properties: Docker and a container's log may repeat them."""
    words = {word for source in sources for value in source.values() for word in _secret_words(value, False)}
    for word in sorted(words, key=len, reverse=True):
        message = message.replace(word, MASK)
    return message


def _secret_words(value: Value, inside: bool) -> Iterator[str]:
    if isinstance(value, Secret):
        yield from _secret_words(value.value, True)
    elif isinstance(value, list):
        for item in value:
            yield from _secret_words(item, inside)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secret_words(item, inside)
    elif inside and isinstance(value, str):
        # NAME=value of an environment: the value alone may be what a log repeats.
        yield from (word for word in (value, value.partition("=")[2]) if len(word) >= SHORTEST_MASKED)
