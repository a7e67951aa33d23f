"""Domains, networks, pools and volumes of the system's libvirtd: the only place that knows libvirt-python.

connection    the one connection of this process, and libvirt's errors in our words
description   dataclasses and their XML, both ways
domains, networks, pools, volumes   create, find, update, remove, labelled
console       the file a guest's serial console goes to, and waiting for an answer

libvirt-python is imported inside functions: the program declares a VM on machines that do not have it.
Left out: remote libvirtds, migration, snapshots.
"""
