"""Old inputs against new ones: what changed, and whether a new object is needed.

Inputs are compared with inputs, not with what Docker reports, so that an image given by name or by id, an
ephemeral port or a default that Docker fills in is never a difference. Drift is what Read put into the
outputs and the kind recognises.
"""

from __future__ import annotations

from typing import Any

from pulumi.runtime.proto import provider_pb2

from engine.providers.docker.forms import Applied
from engine.providers.docker.kind import Kind, Plain

_KINDS = {
    (True, False): (provider_pb2.PropertyDiff.ADD, provider_pb2.PropertyDiff.ADD_REPLACE),
    (False, True): (provider_pb2.PropertyDiff.DELETE, provider_pb2.PropertyDiff.DELETE_REPLACE),
    (False, False): (provider_pb2.PropertyDiff.UPDATE, provider_pb2.PropertyDiff.UPDATE_REPLACE),
}


def changed_keys(kind: Kind, olds: Plain, news: Plain) -> list[str]:
    """The implemented inputs whose value differs."""
    return [key for key in kind.INPUTS if _canonical(kind, key, olds) != _canonical(kind, key, news)]


def answer(kind: Kind, olds: Plain, news: Plain, outputs: Plain) -> provider_pb2.DiffResponse:
    """Diff's whole answer."""
    drifted = kind.drift(outputs, news)
    keys = changed_keys(kind, olds, news)
    replaces = [key for key in keys if kind.how(key, olds, news) is Applied.REPLACE]
    everything = keys + [key for key in drifted if key not in keys]
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if everything else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=everything,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and kind.deletes_first(olds, news),
        hasDetailedDiff=True,
    )
    for key in everything:
        added = olds.get(key) is None and key in keys
        names = _KINDS[(added, not added and news.get(key) is None and key in keys)]
        response.detailedDiff[key].kind = names[key in replaces]
        response.detailedDiff[key].inputDiff = key in keys
    return response


def _canonical(kind: Kind, key: str, inputs: Plain) -> Any:
    row = kind.INPUTS[key]
    value = inputs.get(key)
    if value is None:
        return row.default
    canonical = row.form.canonical(value)
    return row.default if canonical in ([], {}) else canonical
