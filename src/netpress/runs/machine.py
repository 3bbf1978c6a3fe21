"""An old name of `records`."""

from netpress.runs.records import made

__all__ = ["made"]
