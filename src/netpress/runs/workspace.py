"""An old name of `perform`."""

from netpress.runs.perform import FinishedRun, Workspace, new_workspace

__all__ = ["FinishedRun", "Workspace", "new_workspace"]
