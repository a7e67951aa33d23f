"""URNs: the names by which state refers to resources.

`urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>`. The chain of parent types leaves the root stack out.
"""

from __future__ import annotations

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource whose parent has the URN `parent` ("" for none)."""
    chain = qualified_type(parent) if parent else ""
    chain = f"{chain}${type_}" if chain and chain != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{chain}::{name}"


def qualified_type(urn: str) -> str:
    """The chain of types, the resource's own last."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """The resource's own type token."""
    return qualified_type(urn).rpartition("$")[2]


def name_of(urn: str) -> str:
    """The resource's name as the program gave it."""
    return urn.split("::", 3)[3]


def is_valid(urn: str) -> bool:
    """Whether `urn` has the four parts of a URN."""
    return urn.startswith("urn:pulumi:") and len(urn.split("::", 3)) == 4


def is_provider_type(type_: str) -> bool:
    """Whether a resource of this type is a provider's configuration."""
    return type_.startswith(PROVIDER_PREFIX)


def package_of(type_: str) -> str:
    """The package whose provider serves a type: `docker` of both `docker:index/network:Network` and its provider."""
    if is_provider_type(type_):
        return type_[len(PROVIDER_PREFIX) :]
    return type_.split(":", 1)[0]
