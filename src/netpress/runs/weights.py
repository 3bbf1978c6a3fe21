"""An old name of `store`."""

from netpress.runs.store import MemoryStore, MissingWeights, WeightStore

__all__ = ["MemoryStore", "MissingWeights", "WeightStore"]
