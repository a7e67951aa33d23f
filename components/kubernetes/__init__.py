"""The service as a Kubernetes Deployment.

service.py    the component: which cluster, what is made in which order, the outputs
arguments.py  what only a cluster has: how it is reached, what is reserved, another image
family.py     names, labels, provider and options that all objects share
ground.py     what has to be there before a pod: namespaces, limits, settings, secret, identity, network policy
storage.py    the volume of `/visits`
pod.py        the one description of a pod that the Deployment and the lab's copies are made from
workload.py   Deployment, Service, autoscaler
extras.py     a DaemonSet and a CronJob that are there to be seen working
"""

from components.kubernetes.service import KubernetesService

__all__ = ["KubernetesService"]
