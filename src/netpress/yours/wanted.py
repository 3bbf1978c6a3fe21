"""What a user wants, in the user's words; what is wrong with the words alone is told at once, without torch."""

import math
from dataclasses import dataclass
from pathlib import Path

from netpress import data, editions, words
from netpress.errors import UserError, nearest

LIMITS = (8, 1024)  # of --px
PREFIXES = ("torchvision", "timm", "netpress")
HOW = "torchvision:NAME, timm:NAME or FILE.py:FUNCTION"


@dataclass(frozen=True)
class Wanted:
    """A network, the images, and how much may be lost. `px`: None for the size that the images suggest."""

    model: str
    data: str
    weights: str = ""
    blocks: tuple[str, ...] = ()
    most: float = 1.0
    seeds: tuple[int, ...] = (0,)
    px: int | None = None
    edition: str = "small"
    skip_broken: bool = False


def check_words(wanted: Wanted, out: Path | None = None) -> None:
    """UserError for the first thing that is wrong without looking into any file."""
    check_model(wanted.model)
    folder_of(wanted.data)
    if wanted.weights and not words.place(wanted.weights).is_file():
        raise UserError(f"There is no file {wanted.weights!r}: give weights as safetensors, or as a state_dict.")
    if not (math.isfinite(wanted.most) and 0 <= wanted.most < 100):
        raise UserError(f"--most {wanted.most} is no number of points: give 0 to 99, for example 1.0.")
    if not wanted.seeds or len(set(wanted.seeds)) != len(wanted.seeds) or min(wanted.seeds) < 0:
        given = ",".join(map(str, wanted.seeds))
        raise UserError(f"--seeds {given!r}: different numbers from 0 are expected, as 0,1,2.")
    if wanted.px is not None and not LIMITS[0] <= wanted.px <= LIMITS[1]:
        raise UserError(f"--px {wanted.px}: a side of {LIMITS[0]} to {LIMITS[1]} pixels is expected.")
    check_settings(wanted.edition)
    if out is not None:
        check_folder(out)


def check_settings(edition: str) -> None:
    """UserError for a changed setting that no network of a user's own looks at."""
    used = {name.split(".")[1] for name in editions.ROWS if name.startswith(f"{editions.YOURS}.")} | {"batch"}
    for name in editions.parse(edition)[1]:
        if name not in used:
            raise UserError(
                f"The setting {name} changes nothing for a network of your own: leave it out, or change one of "
                f"{', '.join(sorted(used))}."
            )


def check_model(model: str) -> None:
    """UserError for what is no label of a network."""
    kind, colon, name = model.rpartition(":")
    if not colon or not name or not kind:
        file, word = model.rstrip(":"), model.isidentifier()
        example = f", for example torchvision:{model}" if word else f", as {file}:build" if file.endswith(".py") else ""
        raise UserError(f"{model!r} names no network: write {HOW}{example}.")
    if kind.endswith(".py"):
        if not words.place(kind).is_file():
            raise UserError(f"There is no file {kind}: give a Python file, as FILE.py:FUNCTION.")
    elif kind not in PREFIXES:
        near = nearest(kind, PREFIXES)
        hint = f"did you mean {near}:{name}?" if near else f"write {HOW}."
        raise UserError(f"{model!r} names no network: {hint}")


def folder_of(name: str) -> Path | None:
    """The folder that a user means by --data; None for a data set. UserError with the nearest one for neither."""
    if name in data.DATASETS:
        return None
    path = words.place(name)
    if path.is_dir():
        return path
    if path.exists():
        raise UserError(
            f"{name} is no folder: give a folder of pictures, with train/CLASS/* and test/CLASS/*, or CLASS/*."
        )
    near = nearest(name, data.DATASETS)
    hint = f"did you mean {near!r}?" if near else f"give one, or a data set: {', '.join(data.DATASETS)}."
    raise UserError(f"There is no folder {name!r}: {hint}")


def check_folder(out: Path) -> None:
    """UserError where a folder cannot be made there."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: give a folder.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out} cannot be made ({error.strerror}): give another folder.") from error
