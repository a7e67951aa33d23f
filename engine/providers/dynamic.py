"""The SDK's dynamic provider, unchanged, on a unix socket.

`python -m pulumi.dynamic` listens on a TCP port that every user of the machine can reach, and runs code that it is
sent. Its module runs on import and takes no address, so the server that it makes is given another one here: a socket in
a directory only the engine's user can enter. Its 4 threads become 64, because a create may wait for a real thing and the
engine already limits how many run at once.
Run as a script by the project's own interpreter, so it imports nothing of the engine. Arguments: the socket's path, and
the engine's pid: an engine that was killed before the kernel was asked to end its children with it is not waited for.
"""

from __future__ import annotations

import os
import runpy
import sys
from concurrent import futures
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve until the engine ends this process; the first line on standard output means that it is ready."""
    if os.getppid() != int(sys.argv[2]):
        return
    # The project's modules, not this file's siblings, are what the providers in the state refer to.
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path if entry != str(Path(__file__).parent))]
    import grpc

    make_server = grpc.server

    def on_socket(executor: futures.ThreadPoolExecutor, **options: Any) -> grpc.Server:
        server = make_server(futures.ThreadPoolExecutor(64), **options)
        bind = server.add_insecure_port
        server.add_insecure_port = lambda address: bind(f"unix:{sys.argv[1]}")  # type: ignore[method-assign]
        return server

    grpc.server = on_socket  # type: ignore[assignment]
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
