"""One resource as the state keeps it: Pulumi's `apitype.ResourceV3`, with Python names.

A plain record without behaviour. Fields that only the official engine writes (source positions, hooks, views) are kept
in `extra` and written back as they were, so that a stack which went through this engine has lost nothing.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from engine.values import Properties


@dataclass
class Resource:
    """The last known state of one resource. `custom` ones have a provider and an id; components have neither."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""  # "<urn of the provider resource>::<its id>"
    protect: bool = False
    external: bool = False  # read by the program, never created: delete leaves the real thing alone
    delete: bool = False  # replaced; the real thing is still to be deleted
    pending_replacement: bool = False  # deleted before its replacement was created
    retain_on_delete: bool = False
    deleted_with: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    init_errors: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)  # seconds, by create, update, delete
    import_id: str = ""
    created: str = ""  # RFC 3339
    modified: str = ""
    extra: dict[str, Any] = field(default_factory=dict)  # JSON of fields this engine does not use

    def copy(self) -> Resource:
        """A copy that shares no list or dict with this one."""
        return copy.deepcopy(self)


@dataclass
class PendingOperation:
    """What was under way: saved before the provider is called, gone when its answer was saved."""

    resource: Resource
    type: str  # creating, updating, deleting, reading, importing
