"""An old name of `runs.sweep`."""

from netpress.runs.sweep import Outcome, Summary, ensure, planned

__all__ = ["Outcome", "Summary", "ensure", "planned"]
