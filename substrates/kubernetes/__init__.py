"""The service as a Kubernetes Deployment: the substrate, its copies, watches, and the node below."""
