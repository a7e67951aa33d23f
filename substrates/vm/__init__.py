"""The service in a libvirt domain: the substrate, its console, disks, guests and accelerator."""
