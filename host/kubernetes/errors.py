"""Refusals: found before anything is made, and mended by the user. Left out: everything else, machine/errors.py."""

from __future__ import annotations

from machine.errors import Unavailable


class Refused(Unavailable):
    """This machine as it is cannot hold the cluster: exit code 2."""

    exit_code = 2
