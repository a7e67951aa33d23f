"""Clients of the daemons and APIs that vmlab talks to: HTTP, the registry, Docker, libvirt, Kubernetes.

Each is written once and shared by `substrates`, `host` and `lab`; `clients.kubernetes` by the engine as well.
Out of scope: what is done through them.
"""
