"""Comparing: what changes between a resource's old state and its goal, and whether that means a replacement.

The provider has the first word; where it leaves the comparison to the engine, old and new inputs are compared here
(docs/engine-rules.md B4). ignoreChanges and replaceOnChanges are the program's corrections to either (B2, B6).
"""

from __future__ import annotations

from engine.providers.client import Difference, Provider
from engine.state.resource import Resource
from engine.values import Properties, contains_unknown, without_secrets
from engine.values.paths import changed_paths, covers, parse, reset

INIT_ERROR = "#initerror"  # replaceOnChanges: ["#initerror"] replaces what did not become ready


def keep_ignored(news: Properties, olds: Properties, ignore: list[str]) -> tuple[Properties, list[str]]:
    """`news` with the ignored paths as they are in `olds`, and a message for each path where that is not possible."""
    messages = []
    for text in ignore:
        news, possible = reset(news, olds, parse(text))
        if not possible:
            messages.append(f"cannot ignore changes in added or removed elements of the path {text!r}")
    return news, messages


def compare(
    provider: Provider, old: Resource, news: Properties, ignore: list[str], preview: bool
) -> Difference:
    """The difference between `old` and `news`; every changed key is in `keys`."""
    if not provider.configured:  # its configuration is not known yet, so it cannot be asked (B9)
        difference = Difference(changed=None)
    else:
        difference = provider.diff(old.urn, old.id, old.inputs, old.outputs, news, ignore)
    keys = changed_keys(old.inputs, news)
    if difference.changed is None:
        difference.changed = bool(keys)
    difference.keys = sorted({*difference.keys, *difference.replaces}) or keys
    if preview and not difference.changed and any(contains_unknown(news.get(key)) for key in keys):
        difference.changed = True  # a provider that cannot see unknowns took them for equal
    return difference


def changed_keys(olds: Properties, news: Properties) -> list[str]:
    """Names of the inputs that differ; a value that only became secret is the same value."""
    plain_old, plain_new = without_secrets(olds), without_secrets(news)
    return sorted(
        {str(path[0]) for path in changed_paths(plain_old, plain_new) if path and path[0] != "__provider"}
    )


def force_replace(difference: Difference, old: Resource, news: Properties, patterns: list[str]) -> Difference:
    """Turn changes that match replaceOnChanges into replacements."""
    for text in patterns:
        if text == INIT_ERROR:
            if old.init_errors:
                difference.replaces.append(INIT_ERROR)
                difference.changed = True
            continue
        pattern = parse(text)
        paths = changed_paths(without_secrets(old.inputs), without_secrets(news))
        paths += [parse(path) for path in difference.detailed]
        hits = [path for path in paths if covers(pattern, path) or covers(path, pattern)]
        if hits and difference.changed:
            difference.replaces += sorted({str(path[0]) for path in hits} - set(difference.replaces))
    return difference
