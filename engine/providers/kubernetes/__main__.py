"""The provider on a loopback port, for any Pulumi engine.

    python -m engine.providers.kubernetes    prints its port; PULUMI_DEBUG_PROVIDERS=kubernetes:PORT pulumi up
    pulumi-resource-kubernetes ADDRESS       a two-line script of this name on PATH, spawned by the engine

The port is the first line on stdout, as of any Pulumi plugin; the engine's address is not needed. Ends on
SIGTERM and SIGINT. Anybody on this machine can call the port, as with any Pulumi plugin.
"""

from __future__ import annotations

import signal
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from engine.providers.kubernetes.servicer import create

MESSAGE_BYTES = 400 << 20  # as the official engine: states of that size were seen
GRACE_SECONDS = 2.0


def main() -> int:
    """Serve until a signal comes."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=options)
    provider = create()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    ended.wait()
    server.stop(GRACE_SECONDS).wait()
    provider.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
