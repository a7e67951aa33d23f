"""Providers: what creates, reads, updates and deletes real things.

`client` speaks the provider protocol, `loading` starts or attaches one. The folders and modules beside them are the
providers that ship with the engine: `dynamic` (the SDK's own, in a process of its own), `docker` and `kubernetes`.
"""
