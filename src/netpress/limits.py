"""An old name of `env`."""

from joblib import cpu_count as cores

from netpress.env import memory

__all__ = ["cores", "memory"]
