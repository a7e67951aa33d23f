"""The service behind a change of root: the oldest rung but one. All of it is in `components.namespaces`."""

from __future__ import annotations

from components.namespaces import ChrootService

__all__ = ["ChrootService"]
