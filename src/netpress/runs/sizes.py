"""An old name of `cost`."""

from netpress.runs.cost import parameters

__all__ = ["parameters"]
