"""Objects with the lab's label, with or without a state, and waiting for the end of one.

An object is the lab's only by both its label and its name: another user's look-alikes have at most one of the two.
Out of scope: what is inside a namespace, which is removed with it.
"""

from __future__ import annotations

from typing import Any

from clients.kubernetes.api import Api
from clients.kubernetes.choice import chosen, shared
from machine.errors import Unavailable, VmlabError
from machine.waiting import Deadline
from substrates.inputs import folder
from substrates.kubernetes.copies import CORE, LABEL

COPIES = ("boot.",)  # how the label's value begins: boot.<copy>, or <project>.<stack>
OURS = ("vmlab.", *COPIES)
GONE_SECONDS = 60.0


def copies(api: Api) -> list[str]:
    """The paths of the pods and Services of copies, in every namespace."""
    return [
        f"{CORE}/namespaces/{found['metadata']['namespace']}/{kind}/{found['metadata']['name']}"
        for kind in ("pods", "services")
        for found in _labelled(api, f"{CORE}/{kind}", COPIES)
    ]


def everything() -> list[tuple[str, str, str]]:
    """Kind, name and path in the API, namespaces first, because their claims hold the volumes; a folder has no path."""
    found: list[tuple[str, str, str]] = []
    try:
        api = shared(chosen())
        for kind, plural in (("namespace", "namespaces"), ("volume", "persistentvolumes")):
            names = [row["metadata"]["name"] for row in _labelled(api, f"{CORE}/{plural}", OURS)]
            found += [(kind, name, f"{CORE}/{plural}/{name}") for name in names]
    except Unavailable:  # then there are no objects; the folders are listed all the same
        pass
    return found + [("folder", name, "") for name in folder.names()]


def remove(api: Api, path: str, **options: Any) -> None:
    """Delete an object and wait until it is gone; VmlabError when it is not in time."""
    api.delete(path, **options)
    until_gone(api, path)


def until_gone(api: Api, path: str) -> None:
    """Wait until the API server no longer has the object."""
    if not Deadline(GONE_SECONDS).until(lambda: api.look(path) is None):
        raise VmlabError(
            f"{path} still exists after {GONE_SECONDS:g} s; kubectl get -o yaml shows its finalizers"
        )


def _labelled(api: Api, path: str, owners: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        found
        for found in api.listed(path, labelSelector=LABEL)
        if str(found["metadata"]["labels"][LABEL]).startswith(owners)
        and found["metadata"]["name"].startswith("vmlab-")
    ]
