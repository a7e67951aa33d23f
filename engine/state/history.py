"""The history: one record per run and the state it left (`apitype.UpdateInfo`, shown by `pulumi stack
history`)."""

from __future__ import annotations

import time

from engine.state import durable_files
from engine.state.backend import Backend
from engine.state.property_json import compact


def add_history(
    backend: Backend,
    project: str,
    stack: str,
    checkpoint: bytes,
    *,
    kind: str,
    started: int,
    result: str,
    message: str = "",
    changes: dict[str, int] | None = None,
) -> None:
    """Keep the record of a run that ends now and the state it left.

    `kind` is update, refresh, destroy or import; `started` is in seconds since 1970; `result` is succeeded or failed;
    `changes` counts resources by operation.
    """
    record = {
        "kind": kind,
        "startTime": started,
        "message": message,
        "environment": {"exec.kind": "embedded"},
        "config": {},
        "version": 0,  # a directory numbers nothing; the official engine writes 0 too
        "result": result,
        "endTime": int(time.time()),
    }
    if changes:
        record["resourceChanges"] = changes
    prefix = backend.history_directory(project, stack) / f"{stack}-{time.time_ns()}"
    durable_files.write(prefix.with_name(f"{prefix.name}.checkpoint.json"), checkpoint)
    durable_files.write(prefix.with_name(f"{prefix.name}.history.json"), compact(record).encode())
