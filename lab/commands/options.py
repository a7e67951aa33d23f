"""`--accelerator`, `--kubeconfig`, `--context`: passed on as environment variables, so that either engine's program sees them.

What can be refused is refused before anything is created. Out of scope: destroy and refresh, which find the cluster in the
stack's state; what was measured under which accelerator, which the stacks report (`conditions`).
"""

from __future__ import annotations

import argparse
import os

from lab.deploying.engines import RUNS_PROGRAM, Flags
from lab.deploying.outputs import Outputs
from machine.errors import InvalidInput

ACCELERATOR, KUBECONFIG, CONTEXT = "--accelerator", "--kubeconfig", "--context"
# `substrates.vm.accelerator.CHOICES`, which costs an import; a test compares.
ACCELERATORS = ("auto", "kvm", "tcg")
HELP = {
    ACCELERATOR: "how a virtual machine's instructions run: kvm, tcg (emulated), or auto, the best that was proven to work",
    KUBECONFIG: "the cluster to use instead of the lab's own",
    CONTEXT: "the context in it, if not its current one",
}
_VARIABLES = {KUBECONFIG: "VMLAB_KUBECONFIG", CONTEXT: "VMLAB_CONTEXT"}


def add(parser: argparse.ArgumentParser) -> None:
    """The flags of a verb of the lab's own; a wrong accelerator is refused with the usage."""
    parser.add_argument(ACCELERATOR, choices=ACCELERATORS, help=HELP[ACCELERATOR])
    for flag in _VARIABLES:
        parser.add_argument(flag, metavar=flag.lstrip("-").upper(), help=HELP[flag])


def taken_from(arguments: list[str]) -> list[str]:
    """The arguments of an engine's verb without ours, which are set and checked; InvalidInput for a wrong value."""
    if arguments[0] not in RUNS_PROGRAM:
        return arguments
    flags = Flags()
    for flag in HELP:
        flags.add_argument(flag, nargs="?", const="")
    found, rest = flags.taken_from(arguments)
    choose(found)
    check()
    return rest


def choose(found: argparse.Namespace) -> None:
    """Set them for this process and all that it starts; a flag that was not given leaves what the environment has."""
    word = getattr(found, "accelerator", None)
    if word is not None:
        if word not in ACCELERATORS:
            raise InvalidInput(f"{ACCELERATOR} is one of {', '.join(ACCELERATORS)}, not {word!r}")
        os.environ["VMLAB_ACCELERATOR"] = word
    for flag, variable in _VARIABLES.items():
        value = getattr(found, flag.lstrip("-"), None)
        if value is None:
            continue
        if not value:
            raise InvalidInput(f"{flag} requires a {'file' if flag == KUBECONFIG else 'name'}")
        os.environ[variable] = os.path.abspath(value) if flag == KUBECONFIG else value  # noqa: PTH100


def check() -> None:
    """InvalidInput for a word in the environment that is not an accelerator, and for KVM where it cannot be used; the error of
    the cluster that the user named when it does not answer.

    Where what proves KVM is not installed yet nothing is reported: the program checks again before it creates a guest. The
    lab's own cluster is not asked, because it may come up yet."""
    if os.environ.get("VMLAB_ACCELERATOR"):  # the usual `vmlab up` pays for nothing
        from substrates.vm import accelerator

        kernel = accelerator.some_kernel() if accelerator.chosen() == "kvm" else None
        if kernel and accelerator.can_prove():
            accelerator.proven(kernel)
    if names_cluster():
        from clients.kubernetes.choice import chosen, connect

        api = connect(chosen())
        api.get("/version")
        api.close()


def names_cluster() -> bool:
    """Whether the user named another cluster than the lab's own."""
    return bool(os.environ.get("VMLAB_KUBECONFIG"))


def refuse_another(stack: str, outputs: Outputs) -> None:
    """InvalidInput when a stack that is up has another accelerator or cluster than was asked for: its copies would, too."""
    from substrates.vm import accelerator

    asked, found = accelerator.chosen(), outputs["conditions"].get("accelerator")
    if asked != "auto" and found and found != asked:
        raise InvalidInput(
            f"stack {stack!r} is up under {found}, and {asked} was asked for",
            f"vmlab up {stack} {ACCELERATOR} {asked}",
        )
    cluster, other = os.environ.get("VMLAB_KUBECONFIG"), outputs["instance"].get("kubeconfig")
    if cluster and other and cluster != other:
        raise InvalidInput(
            f"stack {stack!r} is up on the cluster of {other}, and that of {cluster} was asked for",
            f"vmlab destroy {stack}",
        )
