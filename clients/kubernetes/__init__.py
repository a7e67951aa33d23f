"""The Kubernetes client that the engine's provider, the substrate and the host share.

    kubeconfig   where the API server is and how a user authenticates: kubeconfig files, or a pod's service account
    credentials  headers and client certificate, renewed before they expire
    connection   one HTTP exchange over pooled connections with one TLS context
    api          requests with retries, lists, logs, watches
    choice       which cluster the lab works on
    errors       what can go wrong

Out of scope: discovery of kinds and readiness, which are the provider's (`engine/providers/kubernetes/`). Nothing here
imports the engine, which translates these errors at its gRPC border.
"""
