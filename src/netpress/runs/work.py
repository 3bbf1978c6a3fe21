"""An old name of `cost`."""

from netpress.runs.cost import work

__all__ = ["work"]
