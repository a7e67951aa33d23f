"""This machine: its processes, control groups, ports, files, locks and addresses, each read or changed in one place.

    errors       the one family of errors, with exit codes
    commands     the only door to subprocesses
    processes    who lives, since when, with how much memory and CPU time
    cgroups      what a control group limits and uses, and which hierarchies are mounted
    ports        which process listens on a TCP port, and whether one accepts on a Unix socket
    files        replacing a file whole
    firewall     what a daemon adds to it, and removing that
    sysctl       kernel parameters, noted and put back
    locks        one holder at a time, with a deadline
    waiting      a deadline, and waiting for a condition until then
    places       where vmlab keeps things
    addresses    the address plan, the registry and the user that services run as

Out of scope: everything that is about one substrate or one daemon, and Pulumi.
"""
