"""libvirt on this machine: its daemons, what they leave, and libvirt-python.

`daemons` starts and stops, `virsh` queries the running one, `leftovers` clears a killed one's files, `traces` removes
what a running one leaves in the kernel, `binding` builds libvirt-python. Out of scope: using it (`clients/libvirt`).
"""
