"""The catalogue: what there is to deploy, to stamp and to measure, one row each, read by everything else.

    substrates   what a service can run on; a plug-in folder may add rows
    milestones   the instants of a boot, in order
    metrics      what is measured: name, unit, between which instants
    units        how a value of a unit is written for people
    documents    the tables of docs/ that are generated from the rows: `python -m catalogue`

Out of scope: how anything is deployed or measured. Nothing of ours is imported here.
"""
