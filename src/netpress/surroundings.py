"""The environment variables of netpress. They are read here and nowhere else, and each is checked when it is read."""

import difflib
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from netpress.errors import UserError

NAMES = {
    "NETPRESS_DATA": "the folder of the data",
    "NETPRESS_RESULTS": "the folder of the records",
    "NETPRESS_CACHE": "the folder of what can be made again",
    "NETPRESS_DEVICE": "cpu, cuda, cuda:1 or mps",
    "NETPRESS_PRECISION": "fp32 or bf16",
    "NETPRESS_CACHE_GB": "GiB of memory for the caches of one worker, such as 2 or 0.5",
    "NETPRESS_CHECKPOINT_SECONDS": "seconds between two checkpoints, such as 5; 0 writes one after every epoch",
    "NETPRESS_WEIGHTS": "all, or needed to keep no weights but those that other runs begin from",
    "NETPRESS_COMMIT": "the commit of the code, where it lies in no checkout",
}
FOLDERS = ("NETPRESS_DATA", "NETPRESS_RESULTS", "NETPRESS_CACHE")
DEVICE = re.compile(r"cpu|mps|cuda(:\d{1,3})?")


@contextmanager
def changed(variables: Mapping[str, str]) -> Iterator[None]:
    """Inside, these environment variables of the process have these values."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old


def value(name: str) -> str:
    """What a variable holds; "" where it is unset or blank."""
    return os.environ.get(name, "").strip()


def wrong(name: str, more: str = "") -> UserError:
    """What to tell of a variable whose value cannot be used."""
    reason = f" ({more})" if more else ""
    return UserError(f"The variable {name} is {value(name)!r}{reason}: set it to {NAMES[name]}, or unset it.")


def folder(name: str) -> Path | None:
    """The folder that a variable names; None where it is unset. Raises UserError where its user does not exist."""
    if not (text := value(name)):
        return None
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, OSError) as error:  # ~nobody-of-that-name; a relative name in a folder that is gone
        raise wrong(name, str(error)) from None


def absolute() -> dict[str, str]:
    """The variables that name folders, with names that lead there from every folder."""
    return {name: str(place) for name in FOLDERS if (place := folder(name))}


def number(name: str) -> float | None:
    """The number from 0 to a million that a variable holds; None where it is unset. Raises UserError for others."""
    if not (text := value(name)):
        return None
    try:
        found = float(text)
    except ValueError:
        raise wrong(name, "no number") from None
    if not math.isfinite(found) or not 0 <= found <= 1e6:
        raise wrong(name, "out of range")
    return found


def device() -> str:
    """The device that `NETPRESS_DEVICE` names; "" where it is unset. Whether it is there, `training.compute` knows."""
    found = value("NETPRESS_DEVICE").lower()
    if found and not DEVICE.fullmatch(found):
        raise wrong("NETPRESS_DEVICE", "no device")
    return found


def precision() -> str:
    """The precision that `NETPRESS_PRECISION` names; "" where it is unset."""
    return word("NETPRESS_PRECISION", ("fp32", "bf16"))


def weights() -> str:
    """Which weights are kept: "all" or "needed", as `NETPRESS_WEIGHTS` says."""
    return word("NETPRESS_WEIGHTS", ("all", "needed")) or "all"


def word(name: str, words: tuple[str, ...]) -> str:
    """The word that a variable holds; "" where it is unset. Raises UserError unless it is one of `words`."""
    found = value(name).lower()
    if found and found not in words:
        raise wrong(name)
    return found


def commit() -> str:
    """The commit that `NETPRESS_COMMIT` names; "" where it is unset."""
    found = value("NETPRESS_COMMIT")
    if len(found) > 64 or not found.isprintable():
        raise wrong("NETPRESS_COMMIT", "at most 64 printable characters")
    return found


def check() -> None:
    """Raise UserError for the first variable that cannot be used, before any work is done."""
    for name in FOLDERS:
        named = folder(name)
        if named and os.path.lexists(named) and not named.is_dir():
            raise wrong(name, "no folder")
    for name in ("NETPRESS_CACHE_GB", "NETPRESS_CHECKPOINT_SECONDS"):
        number(name)
    device()
    precision()
    weights()
    commit()


def unknown() -> list[str]:
    """A line for each variable that begins with NETPRESS_ and is not known: it may be misspelt."""
    lines = []
    for name in sorted(os.environ):
        if name.startswith("NETPRESS_") and name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            lines.append(f"{name} is not known" + (f": did you mean {near[0]}?" if near else ""))
    return lines
