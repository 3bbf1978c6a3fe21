"""An old name of `env`."""

from netpress.env import (
    cache_dir,
    checkout,
    checkpoints_dir,
    data_folder,
    home,
    needs_checkout,
    results_dir,
    root,
    short_folder,
    weights_dir,
    working_folder,
)

__all__ = [
    "cache_dir",
    "checkout",
    "checkpoints_dir",
    "data_folder",
    "home",
    "needs_checkout",
    "results_dir",
    "root",
    "short_folder",
    "weights_dir",
    "working_folder",
]
