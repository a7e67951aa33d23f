"""The embedded deployment engine: runs an ordinary Pulumi program where there is no Pulumi CLI.

It knows nothing about the lab. It speaks Pulumi's own protocol to the stock SDK, keeps Pulumi's own state, and
uses Pulumi's words: source, goal, step, step generator, executor, snapshot, pending operation.
Reading order: `values`, `state`, `workspace`, `program`, `deploy`, `providers`, `display`, `cli`.
Out of scope: remote components, policy packs, update plans, resource hooks, the service backend.
"""
