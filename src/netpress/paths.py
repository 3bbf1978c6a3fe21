"""Where things lie: the project, its data, its results, its cache. Environment variables come first."""

import os
from pathlib import Path

from netpress.errors import UserError


def checkout() -> Path | None:
    """The project's folder: the nearest one upwards that has `_toc.yml` and `chapters`; None outside of a checkout."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "chapters").is_dir():
            return folder
    return None


def root() -> Path:
    """The checkout that we are in; outside of one the folder where we are, which then has all: records and cache."""
    return checkout() or Path.cwd()


def needs_checkout(command: str) -> Path:
    """The checkout, for a command that needs the chapters. Raises UserError outside of one."""
    found = checkout()
    if found is None:
        raise UserError(
            f"`{command}` needs the book's chapters, and there are none here: they come with a checkout of netpress, "
            "not with the installed package. Run it in the folder of one."
        )
    return found


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
