"""Running a part of a test as a user without rights, in a forked child. Only root can."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

NOBODY = 54321  # uid and gid that no account has


def as_nobody(work: Callable[[], Any]) -> Any:
    """The JSON of what a forked child without any rights has got from this."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - the parent judges
            result = {"error": type(error).__name__, "text": str(error)}
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return json.loads(text)
