"""What a guest boots: Debian's kernel, an initramfs of ours, and the artifact's trees as disks. See `build`."""
