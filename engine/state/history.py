"""The history: one record per run and the state it left (`apitype.UpdateInfo`, shown by `pulumi stack
history`)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from engine.state import durable_files
from engine.state.backend import Backend
from engine.state.property_json import compact


@dataclass
class UpdateInfo:
    """What happened in a run."""

    kind: str  # update, refresh, destroy, import
    start_time: int  # seconds since 1970
    end_time: int
    result: str  # succeeded, failed
    message: str = ""
    environment: dict[str, str] = field(default_factory=dict)  # facts about engine and caller; never secrets
    config: dict[str, Any] = field(default_factory=dict)  # as in the stack file: secrets encrypted
    resource_changes: dict[str, int] = field(default_factory=dict)  # by operation: create, update, same, ...

    def to_json(self) -> dict[str, Any]:
        """Pulumi's record."""
        raw = {
            "kind": self.kind,
            "startTime": self.start_time,
            "message": self.message,
            "environment": self.environment,
            "config": self.config,
            "version": 0,  # a directory numbers nothing; the official engine writes 0 too
            "result": self.result,
            "endTime": self.end_time,
        }
        return raw | ({"resourceChanges": self.resource_changes} if self.resource_changes else {})


def add_history(backend: Backend, project: str, stack: str, info: UpdateInfo, checkpoint: bytes) -> None:
    """Keep the record of a run and the state it left."""
    prefix = backend.history_directory(project, stack) / f"{stack}-{time.time_ns()}"
    durable_files.write(prefix.with_name(f"{prefix.name}.checkpoint.json"), checkpoint)
    durable_files.write(prefix.with_name(f"{prefix.name}.history.json"), compact(info.to_json()).encode())
