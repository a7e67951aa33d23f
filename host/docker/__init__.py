"""Docker on this machine: what a killed daemon leaves (`leftovers`), and what one changes in the kernel (`traces`)."""
