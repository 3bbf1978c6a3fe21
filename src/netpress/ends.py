"""An old name of `errors`."""

from netpress.errors import run, stoppable

__all__ = ["run", "stoppable"]
