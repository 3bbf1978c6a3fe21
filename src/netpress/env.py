"""The environment: variables that netpress reads, checked when they are read, and the folders that things lie in."""

import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from netpress.errors import UserError

SHORT = 36  # bytes of a folder in which sockets are made: they may have 107, of which Ray needs 70 below it


def _folder(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if os.path.lexists(path) and not path.is_dir():
        raise ValueError("no folder")
    return path


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or not 0 <= number <= 1e6:
        raise ValueError("out of range")
    return number


# Name -> how its value is read (a function, or a pattern of words in small letters), and what to set it to
VARIABLES: dict[str, tuple[Callable[[str], Any] | str, str]] = {
    "NETPRESS_DATA": (_folder, "the folder of the data"),
    "NETPRESS_RESULTS": (_folder, "the folder of the records"),
    "NETPRESS_CACHE": (_folder, "the folder of what can be made again"),
    "NETPRESS_DEVICE": (r"cpu|mps|cuda(:\d{1,3})?", "cpu, cuda, cuda:1 or mps"),
    "NETPRESS_PRECISION": ("fp32|bf16", "fp32 or bf16"),
    "NETPRESS_CACHE_GB": (_number, "GiB of memory for the caches of one worker, such as 2 or 0.5"),
    "NETPRESS_CHECKPOINT_SECONDS": (_number, "seconds between checkpoints, such as 5; 0 writes one after every epoch"),
    "NETPRESS_COMMIT": (r"[\w.+-]{1,64}", "the commit of the code, where it lies in no checkout"),
}


def get(name: str) -> Any:
    """The value of a variable; None where it is unset or blank. Raises UserError for one that cannot be used."""
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    parse = VARIABLES[name][0]
    try:
        if callable(parse):
            return parse(text)
        if re.fullmatch(parse, text.lower()):
            return text.lower()
        raise ValueError
    except (ValueError, RuntimeError, OSError) as error:  # RuntimeError: ~nobody-of-that-name
        raise wrong(name, str(error)) from None


def wrong(name: str, reason: str = "") -> UserError:
    """What to tell of a variable whose value cannot be used."""
    more = f" ({reason})" if reason else ""
    return UserError(
        f"The variable {name} is {os.environ.get(name)!r}{more}: set it to {VARIABLES[name][1]}, or unset it."
    )


def check() -> None:
    """Raise UserError for the first variable that cannot be used, before any work is done."""
    for name in VARIABLES:
        get(name)


@contextmanager
def changed(variables: Mapping[str, str]) -> Iterator[None]:
    """Inside, these environment variables of the process have these values."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update({name: before[name] for name in variables if name in before})


def absolute() -> dict[str, str]:
    """The variables that name folders, with names that lead there from every folder."""
    named = {name: get(name) for name, (parse, _) in VARIABLES.items() if parse is _folder}
    return {name: str(path) for name, path in named.items() if path}


def memory() -> int:
    """How many bytes this process may use: of its container (control groups, version 2), or of the machine."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # "max", or another system
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found)


# --- folders: variables come first


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

    So nothing is written into a foreign folder only because a command was started there. Raises UserError for a user
    without a home.
    """
    try:
        return checkout() or Path.home() / ".netpress"
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
    if found := checkout():
        return found
    raise UserError(
        f"`{command}` needs the book's chapters, and there are none here: they come with a checkout of netpress, "
        "not with the installed package. Run it in the folder of one."
    )


def data_folder() -> Path:
    """Where data are looked for: `NETPRESS_DATA`, else `data` in the project or, outside of any, where we are."""
    if named := get("NETPRESS_DATA"):
        return named
    here = working_folder() / "data"
    return here if not checkout() and here.is_dir() else home() / "data"


def results_dir() -> Path:
    """Where records are written: `NETPRESS_RESULTS`, else `results` in the project."""
    return get("NETPRESS_RESULTS") or home() / "results"


def cache_dir() -> Path:
    """What can be made again: `NETPRESS_CACHE`, else `.cache/netpress` in the project."""
    return get("NETPRESS_CACHE") or home() / ".cache" / "netpress"


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
