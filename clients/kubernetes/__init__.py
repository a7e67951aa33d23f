"""The Kubernetes API: kubeconfig, credentials, requests."""
