"""pytest-xdist's scheduler with our groups: all tests of one in one worker, any other test wherever there is room."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

from tests import groups


class ByGroup(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types  # type: ignore[misc]
    """Work is given out in the order in which it was collected: `--no-loadscope-reorder`."""

    def _split_scope(self, nodeid: str) -> str:
        return groups.of(nodeid) or nodeid
