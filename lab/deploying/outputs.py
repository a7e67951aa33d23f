"""What a stack exports, as the engine prints it in JSON: the same names on every substrate.

`components/spec.py` names them for the program; the lab never imports that. `instance` also has what its substrate needs to
find the instance again, which only that substrate's module reads.
"""

from __future__ import annotations

from typing import Any, Required, TypedDict

# What is not equal between substrates: kernel, accelerator, runtime, network, ...; JSON values.
Conditions = dict[str, Any]


class Instance(TypedDict, total=False):
    """By what the running thing is found again, and how its answer is recognised."""

    path: Required[str]
    echoes_nonce: Required[bool]
    kubeconfig: str


class Limits(TypedDict, total=False):
    """`substrates.contract.Limits` in JSON. `guest_*` is what a guest's own kernel sees; None where there is no guest."""

    cpus: Required[float]
    memory_bytes: Required[int]
    enforced: Required[bool]
    guest_cpus: int | None
    guest_memory_bytes: int | None


class Outputs(TypedDict):
    """The outputs of a stack that is up."""

    substrate: str
    url: str
    instance: Instance
    artifact: str
    limits: Limits
    conditions: Conditions
