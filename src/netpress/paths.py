"""Where things lie: the project, its data, its results, its cache. Environment variables come first."""

import os
import tempfile
from pathlib import Path

from netpress import surroundings
from netpress.errors import UserError

SHORT = 36  # bytes of a folder in which sockets are made: they may have 107, of which Ray needs 70 below it


def checkout() -> Path | None:
    """The project's folder: the nearest one upwards that has `_toc.yml` and `chapters`, from where we are or else from
    where this package lies; None outside of any."""
    package = Path(__file__).resolve().parent
    for start in (working_folder(), package):
        for folder in (start, *start.parents):
            if (folder / "_toc.yml").is_file() and (folder / "chapters").is_dir():
                return folder
    return None


def working_folder() -> Path:
    """Where we are. Raises UserError where that folder was removed."""
    try:
        return Path.cwd()
    except OSError:
        raise UserError("The working folder is gone: change to one that exists, and try again.") from None


def home() -> Path:
    """The folder that holds results, cache and data: the checkout, or `.netpress` in the user's home without one.

    So nothing is written into a foreign folder only because a command was started there.
    """
    return checkout() or own_folder()


def own_folder() -> Path:
    """`.netpress` in the user's home. Raises UserError for a user without one."""
    try:
        return Path.home() / ".netpress"
    except RuntimeError:
        raise UserError(
            "There is no checkout of netpress here and no home folder: name folders in NETPRESS_RESULTS, "
            "NETPRESS_CACHE and NETPRESS_DATA, or set HOME."
        ) from None


def root() -> Path:
    """The project's folder; where we are if there is none."""
    return checkout() or working_folder()


def needs_checkout(command: str) -> Path:
    """The checkout, for a command that needs the chapters. Raises UserError outside of one."""
    found = checkout()
    if found is None:
        raise UserError(
            f"`{command}` needs the book's chapters, and there are none here: they come with a checkout of netpress, "
            "not with the installed package. Run it in the folder of one."
        )
    return found


def data_folder() -> Path:
    """Where data are looked for: `NETPRESS_DATA`, else `data` in the project or, outside of any, where we are."""
    here = working_folder() / "data"
    return surroundings.folder("NETPRESS_DATA") or (here if not checkout() and here.is_dir() else home() / "data")


def results_dir() -> Path:
    """Where records are written: `NETPRESS_RESULTS`, else `results` in the project."""
    return surroundings.folder("NETPRESS_RESULTS") or home() / "results"


def cache_dir() -> Path:
    """What can be made again: `NETPRESS_CACHE`, else `.cache/netpress` in the project."""
    return surroundings.folder("NETPRESS_CACHE") or home() / ".cache" / "netpress"


def weights_dir() -> Path:
    """Weights of finished runs, as safetensors."""
    return cache_dir() / "weights"


def checkpoints_dir() -> Path:
    """What runs that were interrupted need to go on."""
    return cache_dir() / "checkpoints"


def short_folder() -> Path:
    """A folder for temporary files whose name is short enough for sockets.

    Batch systems set TMPDIR to long names. Raises UserError where there is no other that can be written to.
    """
    for folder in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")):
        if len(os.fsencode(folder)) <= SHORT and os.access(folder, os.W_OK | os.X_OK) and folder.is_dir():
            return folder
    raise UserError(
        f"The folder for temporary files, {tempfile.gettempdir()}, has too long a name for sockets, and /tmp cannot be "
        f"written to: set TMPDIR to a folder with a name of at most {SHORT} bytes."
    )
