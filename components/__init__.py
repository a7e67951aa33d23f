"""What is declared: one ComponentResource in each file, and in `spec` the contract that they share.

Every component takes `ServiceArgs` and has the same outputs, so that the lab does not depend on which component it reads.
Out of scope: how a resource is created (`providers`, `engine/providers`), and how a substrate is operated (`substrates`).
"""
