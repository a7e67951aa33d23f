"""The service after a change of root: the rungs `mount` and `chroot`. The component itself is in `components.namespaces`."""

from __future__ import annotations

from components.namespaces import ChrootService

__all__ = ["ChrootService"]
