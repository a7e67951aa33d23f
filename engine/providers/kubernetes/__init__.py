"""The `kubernetes` provider: every kind that the cluster knows, as `pulumi_kubernetes` 4.34.2 declares them.

    servicer.py     the gRPC face; decodes, dispatches, encodes, turns errors into statuses
    configuration.py discovery.py site.py    which cluster, its kinds, both with the client (clients/kubernetes)
    tokens.py naming.py checking.py    Check: the kind, the name, what is refused
    difference.py replacing.py quantities.py    Diff: what changed, and what needs a new object
    operations.py applying.py ownership.py    create, update, read, delete; whose an object is
    drift.py        what was changed outside Pulumi
    readiness/      when an object is ready, and why it is not
    secrecy.py checkpoint.py    what of it the state keeps, and how

There is no table of kinds: the cluster reports what a kind is and where it lives. Out of scope, each refused by name:
client-side apply, patches of others' objects, lists, Helm, Kustomize, YAML rendering, functions.
"""
