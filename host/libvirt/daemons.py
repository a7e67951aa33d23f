"""virtlogd and libvirtd as children of ours, for machines without systemd.

Monolithic libvirtd, which is what Debian has. Its configuration is a file of ours instead of /etc/libvirt/libvirtd.conf:
Debian's opens the socket to every user and requires polkit and D-Bus, which such a machine does not run. TCP is off
as it is anywhere without --listen. The drivers' files in /etc/libvirt (qemu.conf) are read as they are: QEMU runs as
libvirt-qemu, in a mount namespace, with seccomp. Out of scope: virtlockd, which only a lock_manager in qemu.conf needs.
"""

from __future__ import annotations

from pathlib import Path

from host.daemon import Daemon
from host.libvirt import virsh
from machine import places, ports

RUN = Path("/run")
READY_SECONDS = 30
# libvirtd ends in 0.1 s; a job on a guest's disk keeps it longer.
STOP_SECONDS = 15
CONFIGURATION = """\
# Written by `vmlab host up libvirt`.
unix_sock_group = "root"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
unix_sock_admin_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:stderr"
"""

# A QEMU that ends is an orphan, and libvirtd waits until init has reaped it. The init of a machine without systemd may
# reap once a second: removing a guest took 1.4 s instead of 0.2. tini reaps at once, and ends with libvirtd.
_REAPED = ("tini", "-s", "--")

libvirtd, virtlogd = Daemon("libvirtd"), Daemon("virtlogd")


def start() -> None:
    """Start what does not run, and wait until libvirt answers. virtlogd first: libvirtd sends QEMU's output to it."""
    if not ports.accepts(log_socket()):
        virtlogd.start(["virtlogd", f"--pid-file={RUN / 'virtlogd.pid'}"])
        virtlogd.wait(lambda: ports.accepts(log_socket()), READY_SECONDS)
    path = places.make(places.run()) / "libvirtd.conf"
    path.write_text(CONFIGURATION)
    command = ["libvirtd", f"--config={path}", f"--pid-file={RUN / 'libvirtd.pid'}"]
    libvirtd.start([*_REAPED, *command])
    libvirtd.wait(virsh.answers, READY_SECONDS)


def stop() -> None:
    """Stop those that are ours. Guests do not end with them."""
    libvirtd.stop(STOP_SECONDS)
    virtlogd.stop(STOP_SECONDS)
    (places.run() / "libvirtd.conf").unlink(missing_ok=True)


def complete() -> bool:
    """Whether both of ours run."""
    return libvirtd.pid() is not None and ports.accepts(log_socket())


def log_socket() -> Path:
    """Where virtlogd, or systemd in its place, listens."""
    return RUN / "libvirt/virtlogd-sock"
