"""The provider on a loopback port, for any Pulumi engine; see `engine.providers.serving`."""

from __future__ import annotations

from engine.providers.docker.servicer import create
from engine.providers.serving import main

if __name__ == "__main__":
    raise SystemExit(main(create))
