"""The docker provider as a process of its own, as any Pulumi engine attaches to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.live.site import Site


@contextmanager
def served_docker(site: Site) -> Iterator[int]:
    """The port on which it serves; it ends on SIGTERM."""
    command = [sys.executable, "-m", "engine.providers.docker"]
    process = subprocess.Popen(
        command, cwd=site.project, env=site.environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        code = process.wait(10)
        process.stdout.close()
    assert code == 0
