"""How one substrate is operated and observed: start, boot a fresh copy, read back, destroy. Without Pulumi.

Each substrate is one module, `<name>.py` or `<name>/substrate.py`, with the same headings in the same order, so that two
of them can be read side by side. `contract` states what they have in common.

    process namespaces oci docker/ vm/ kubernetes/   the substrates
    copies/        records, start and clean-up of copies that run on this kernel without a daemon
    rungs/         the kernel features between a process and a container, and the launcher that applies them
    inputs/        what an instance is given: the artifact, a secret, a data folder
    boundaries/    the probe that runs in the service's place, and what it reported
"""
