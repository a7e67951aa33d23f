"""The service in a libvirt domain: the contract, a copy's boot, console and disks, what guests boot from, the accelerator."""
