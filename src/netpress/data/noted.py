"""What is noted of a folder of pictures, without looking at any: see pictures.py. Importing this needs no NumPy."""

import json
from pathlib import Path
from typing import Any

from netpress.errors import UserError
from netpress.paths import cache_dir

MARK = "@"
TEST_SHARE = 5  # one in five


def is_folder(dataset: str) -> bool:
    """Whether a data set's name is that of a folder of pictures."""
    return MARK in dataset


def note_of(name: str) -> Path:
    """Where it is noted what a folder has."""
    return cache_dir() / "yours" / f"{name}.json"


def noted(name: str) -> dict[str, Any] | None:
    """What is noted of a data set; None where nothing is."""
    try:
        return json.loads(note_of(name).read_bytes())
    except (OSError, ValueError):
        return None


def about(name: str) -> dict[str, Any]:
    """What is noted of a data set. UserError where nothing is."""
    note = noted(name)
    if note is None:
        raise UserError(f"The folder of {name} is not known here: give it again, as --data FOLDER.")
    return note


def count(name: str, split: str) -> int:
    """Pictures in a split: train, test, fit or validation."""
    counts = about(name)["counts"]
    if "validation" in counts:
        return counts["train" if split == "fit" else split]
    fifth = validation_size(counts["train"])
    return {"train": counts["train"], "test": counts["test"], "validation": fifth, "fit": counts["train"] - fifth}[
        split
    ]


def validation_size(training: int) -> int:
    """How many of the training pictures are set apart for decisions."""
    return max(1, round(training / TEST_SHARE))


def provenance(name: str) -> str:
    """Where the pictures come from, in sentences, without the folder's place."""
    note = about(name)
    left = f" {len(note['broken'])} broken files were left out." if note["broken"] else ""
    own = "validation" in note["counts"]
    apart = "Validation images of its own." if own else "A stratified fifth of the training images decides."
    numbers = ", ".join(f"{n:,} {split}" for split, n in note["counts"].items())
    return f"The folder {name.partition(MARK)[0]}: {numbers} images in {len(note['classes'])} classes. {apart}{left}"
