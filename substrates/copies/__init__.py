"""Copies of the service that run on this kernel without a daemon: bare processes and copies on rungs.

records   one folder a copy, with its spec; a copy is found by it without any state
launch    checks, layout, and the start through the launcher of `rungs`
removal   everything that a copy leaves is removed, whether it ended or was killed
life      the functions of `substrates.contract` that `process` and `namespaces` share
"""
