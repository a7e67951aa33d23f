"""What libvirt and the lab add to a guest's boot, compared with a QEMU command line written by hand."""
