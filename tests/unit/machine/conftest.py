"""A recorded /proc, as the tests of the host have it."""

from tests.unit.host.conftest import proc

__all__ = ["proc"]
