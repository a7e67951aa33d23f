"""Constants of the kernel (include/uapi/linux) that the launcher is given as numbers.

Out of scope: the system calls themselves, which launcher.c makes in a separate process.
"""

from __future__ import annotations

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# Of mount(2); those of mount_setattr(2), which only adds to what a mount has, have the same values.
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_PLAIN = MS_NOSUID | MS_NODEV | MS_NOEXEC
