"""Rules that the user writes: the annotation `pulumi.com/waitFor`.

`jsonpath={.status.phase}=Running`, `jsonpath={.status.ip}` (it is there), `condition=Ready`, `condition=Ready=False`,
or a JSON array of those, all of which must hold: what `kubectl wait --for` takes. Of JSONPath the part that names one
place is read: members, indexes and quoted members. Out of scope: filters, wildcards, slices, refused by name in Check.
"""

from __future__ import annotations

import json
import re
from typing import Any

from engine.providers.kubernetes.objects import condition, inside, is_observed
from engine.providers.kubernetes.readiness.view import READY, UNSEEN, Rule, Verdict, View, first
from engine.providers.kubernetes.refusal import Plain

_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]|\['?([^\]']+)'?\]")
_PATH = re.compile(r"\{(.*)\}(?:=(.*))?", re.DOTALL)


def rule(text: str) -> Rule:
    """The rule in an annotation's value; ValueError when it cannot be read."""
    try:
        values = json.loads(text)
    except ValueError:
        values = text
    texts = values if isinstance(values, list) else [text]
    if not texts or not all(isinstance(item, str) for item in texts):
        raise ValueError("at least one condition must be given, each as a text")
    rules = [_one(item) for item in texts]
    return lambda view, live: first(*(found(view, live) for found in rules))


def generic(view: View, live: Plain) -> Verdict:
    """PULUMI_K8S_AWAIT_ALL: the controller has seen it, and its condition Ready, if it has one, is True."""
    if inside(live, "status", "observedGeneration") is not None and not is_observed(live):
        return UNSEEN
    found = condition(live, "Ready")
    if not found or found.get("status") == "True":
        return READY
    return Verdict(f"the condition Ready: {found.get('message')}")


def _one(text: str) -> Rule:
    form, _, rest = text.partition("=")
    if form in _FORMS:
        return _FORMS[form](rest)
    raise ValueError(f'expected a "jsonpath=" or "condition=" prefix, got {text!r}')


def _condition(text: str) -> Rule:
    type_, _, status = text.partition("=")
    wanted = status or "True"
    if not type_:
        raise ValueError("condition= needs a name")

    def check(view: View, live: Plain) -> Verdict:
        have = str(condition(live, type_).get("status", "absent"))
        same = have.lower() == wanted.lower()
        return READY if same else Verdict(f"the condition {type_}={wanted}; it is {have}")

    return check


def _jsonpath(text: str) -> Rule:
    found = _PATH.fullmatch(text)
    if found is None:
        raise ValueError(f"jsonpath={text}: expected {{.path}} or {{.path}}=value")
    path, wanted = _steps(found[1]), found[2]

    def check(view: View, live: Plain) -> Verdict:
        have = inside(live, *path)
        if have is None or (wanted is not None and _written(have) != wanted.strip("'\"")):
            return Verdict(f"{{{found[1]}}}{'' if wanted is None else '=' + wanted}; it is {_written(have)}")
        return READY

    return check


def _steps(text: str) -> list[str | int]:
    text = text if text.startswith((".", "[")) else f".{text}"
    path: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None or step[5]:
            rest = text[position:]
            raise ValueError(f"jsonpath={{{text}}}: only members and indexes are implemented, from {rest!r}")
        path.append(int(step[2]) if step[2] else step[1] or step[3] or step[4])
        position = step.end()
    return path


def _written(value: Any) -> str:
    if value is None:
        return "absent"
    return value if isinstance(value, str) else json.dumps(value)


_FORMS = {"jsonpath": _jsonpath, "condition": _condition}
