"""Known quantities that a measurement must reproduce: a delay added to the service, the instant at which a server listens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from clients.http_probe import first_answer
from machine.addresses import FIRST_COPY_PORT
from substrates import process
from substrates.contract import Request, Slot

_SLOW = "import time, sys; time.sleep({seconds}); exec(compile(open({app!r}).read(), {app!r}, 'exec'))"
_LATE = """
import socket, time
server = socket.socket()
server.bind(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(0.05)
began = time.monotonic_ns()
server.listen()
link, _ = server.accept()
link.recv(4096)
link.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
link.close()
print(began, flush=True)
"""


def slowed(definition: process.Definition, seconds: float) -> process.Definition:
    """The same service with a wait before its first line; with 0 the same command without the wait."""
    app = definition.command[-1]
    command = [*definition.command[:-1], "-c", _SLOW.format(seconds=seconds, app=app)]
    return replace(definition, command=command)


def boot_seconds(definition: process.Definition, nonce: str, path: str) -> float:
    """One boot of a copy on the process substrate."""
    boot = process.boot(definition, Slot(90, FIRST_COPY_PORT + 90), Request(path, nonce, echoed=True))
    process.destroy(boot.copy)
    return boot.seconds


def lateness_seconds() -> float:
    """The time from listening to the probe's answer, in seconds; it includes the exchange itself."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LATE], stdout=subprocess.PIPE, text=True
    ) as child:
        next_line: Callable[..., Any] = child.stdout.readline if child.stdout else str
        answer = first_answer(f"http://127.0.0.1:{int(next_line())}/", 2**62)
        began = int(next_line())
    assert answer is not None
    return (answer.at_ns - began) / 1e9
