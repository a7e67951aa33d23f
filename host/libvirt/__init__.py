"""libvirt on this machine: its daemons, what they leave, and libvirt-python.

`daemons` starts and stops, `virsh` asks the one that answers, `leftovers` clears a killed one's files, `traces` takes
back what a living one leaves in the kernel, `binding` builds libvirt-python. What is made with it is substrates/libvirt.
"""
