"""Where things lie: the project, its data, its results, its cache. Environment variables come first."""

import os
from pathlib import Path


def root() -> Path:
    """The project's folder: the nearest one upwards that has `_toc.yml` and `chapters`, else where we are."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "chapters").is_dir():
            return folder
    return here


def _named(variable: str, default: Path) -> Path:
    value = os.environ.get(variable, "").strip()
    return Path(value).expanduser().absolute() if value else default


def data_folder() -> Path:
    """Where data are looked for: `NETPRESS_DATA`, else `data` in the project."""
    return _named("NETPRESS_DATA", root() / "data")


def results_dir() -> Path:
    """Where records are written: `NETPRESS_RESULTS`, else `results` in the project."""
    return _named("NETPRESS_RESULTS", root() / "results")


def cache_dir() -> Path:
    """What can be made again: `NETPRESS_CACHE`, else `.cache/netpress` in the project."""
    return _named("NETPRESS_CACHE", root() / ".cache" / "netpress")


def weights_dir() -> Path:
    """Weights of finished runs, as safetensors."""
    return cache_dir() / "weights"


def checkpoints_dir() -> Path:
    """What runs that were interrupted need to go on."""
    return cache_dir() / "checkpoints"
