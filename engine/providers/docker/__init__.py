"""The `docker` provider: five kinds of resources as `pulumi_docker` 5.2.0 declares them.

    servicer.py    the gRPC face; decodes, dispatches, encodes, turns errors into statuses
    contract.py    what a kind of resource is to the servicer, and what passes between them
    forms.py       how an input's value must look, and how a change of it is applied
    difference.py  old inputs against new ones
    daemon.py      the connection: lazy, cancellable, with errors in the user's words
    ownership.py   labels by which our objects are known, and names
    image.py remote_image.py container.py network.py volume.py    a kind each, same headings, same order

An input that is not in a kind's table is refused by name before anything is created.
"""
