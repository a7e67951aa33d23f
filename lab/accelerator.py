"""`--accelerator`: on what guests are to run. It travels as an environment variable, so that either engine's program sees it.

What can be refused is refused before anything is made. Left out: what is measured under which accelerator, which the
stacks say themselves (`conditions`).
"""

from __future__ import annotations

import os
from typing import Any

from machine.errors import InvalidInput

FLAG = "--accelerator"
ENGINE_VERBS = ("up", "preview")  # the engine's verbs that run the program, and so make guests
HELP = "how a virtual machine's instructions run: kvm, tcg (emulated), or what was proven to work"


def taken_from(arguments: list[str]) -> list[str]:
    """The arguments of an engine's verb without ours, which is set and checked; InvalidInput or Refused (both exit 2)."""
    if arguments[0] not in ENGINE_VERBS:
        return arguments
    rest = list(arguments)
    for place, argument in enumerate(arguments):
        if argument == FLAG or argument.startswith(f"{FLAG}="):
            inline = "=" in argument
            words = [argument.partition("=")[2]] if inline else arguments[place + 1 : place + 2]
            choose("".join(words))
            rest = arguments[:place] + arguments[place + (1 if inline else 2) :]
            break
    check()
    return rest


def choose(word: str | None) -> None:
    """Set it for this process and all that it starts; None leaves what the environment says."""
    from substrates.vm import accelerator

    if word is None:
        return
    if word not in accelerator.CHOICES:
        raise InvalidInput(f"{FLAG} is one of {', '.join(accelerator.CHOICES)}, not {word!r}")
    os.environ[accelerator.VARIABLE] = word


def check() -> None:
    """Refused for a word in the environment that is none, and for KVM where it was asked for and cannot be used.

    Where what proves it is not installed yet nothing is said; the program asks again before it makes a guest."""
    if not os.environ.get("VMLAB_ACCELERATOR"):  # the usual `vmlab up` pays for nothing
        return
    from substrates.vm import accelerator

    if accelerator.chosen() == "kvm" and (kernel := accelerator.some_kernel()) and accelerator.can_prove():
        accelerator.proven(kernel)


def refuse_another(stack: str, conditions: dict[str, Any]) -> None:
    """InvalidInput when a stack that is up runs under another accelerator than was asked for: its copies would, too."""
    from substrates.vm import accelerator

    asked, found = accelerator.chosen(), conditions.get("accelerator")
    if asked != "auto" and found and found != asked:
        raise InvalidInput(
            f"stack {stack!r} is up under {found}, and {asked} was asked for",
            f"vmlab up {stack} {FLAG} {asked}",
        )
