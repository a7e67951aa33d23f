"""Domains, networks, pools and volumes of the system's libvirtd: the only package that uses libvirt-python.

connection    the one connection of this process, and libvirt's errors as ours
description   dataclasses and their XML, both ways
domains, networks, pools, volumes   create, find, update, remove, labelled
sizes         memory and processors of a running domain
content       what a volume holds when it is created

libvirt-python is imported inside functions, so that the lab runs on machines that do not have it.
Out of scope: remote libvirtds, migration, snapshots, and the service in a guest (`substrates/vm`).
"""
