"""`--kubeconfig` and `--context`: another cluster than the lab's own. They travel as environment variables, as `--accelerator`.

A kubeconfig that points nowhere is refused before anything is made. Left out: destroy and refresh, which find the cluster in
the stack's state.
"""

from __future__ import annotations

import os
from typing import Any

from machine.errors import InvalidInput

FLAGS = {"--kubeconfig": "VMLAB_KUBECONFIG", "--context": "VMLAB_CONTEXT"}
ENGINE_VERBS = ("up", "preview")  # the engine's verbs that run the program
HELP = {
    "--kubeconfig": "the cluster to use instead of the lab's own",
    "--context": "the context in it, if not its current one",
}


def taken_from(arguments: list[str]) -> list[str]:
    """The arguments of an engine's verb without ours, which are set and checked; Refused (exit 2) when they are no good."""
    if arguments[0] not in ENGINE_VERBS:
        return arguments
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        flag, inline, value = word.partition("=")
        if flag not in FLAGS:
            rest.append(word)
            continue
        choose(flag, value if inline else next(words, ""))
    check()
    return rest


def choose(flag: str, value: str | None) -> None:
    """Set it for this process and all that it starts; None leaves what the environment says."""
    if value is None:
        return
    if not value:
        raise InvalidInput(f"{flag} wants a {'file' if flag == '--kubeconfig' else 'name'}")
    os.environ[FLAGS[flag]] = os.path.abspath(value) if flag == "--kubeconfig" else value  # noqa: PTH100


def check() -> None:
    """Refused when the cluster that the user named does not answer. The lab's own is not asked: it may come up yet."""
    if not is_named():
        return
    from clients.kubernetes.choice import chosen, connect

    api = connect(chosen())
    api.get("/version")
    api.close()


def is_named() -> bool:
    """Whether the user wants another cluster."""
    return bool(os.environ.get("VMLAB_KUBECONFIG"))


def refuse_another(stack: str, outputs: dict[str, Any]) -> None:
    """InvalidInput when a stack that is up is on another cluster than was asked for: its copies would be, too."""
    asked, found = os.environ.get("VMLAB_KUBECONFIG"), outputs["instance"].get("kubeconfig")
    if asked and found and asked != found:
        raise InvalidInput(
            f"stack {stack!r} is up on the cluster of {found}, and that of {asked} was asked for",
            f"vmlab destroy {stack}",
        )
