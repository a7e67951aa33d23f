"""What is declared: one ComponentResource a file, and in `spec` the contract that they share.

Every component takes `ServiceArgs` and gives the same outputs, so that the lab need not know which one it looks at.
"""
