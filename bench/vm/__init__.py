"""What libvirt and the lab add to a guest's boot: against a QEMU command line written by hand."""
