"""The built-in Kubernetes: upstream's programs, built once from source and run as our own children on this machine.

Out of scope: a cluster that the user names with --kubeconfig, which needs none of this.
"""
