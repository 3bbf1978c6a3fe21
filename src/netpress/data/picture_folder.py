"""What is in a folder of pictures: its splits, its classes, and the name that follows from its content.

Two layouts: `train/CLASS/*` with `test/CLASS/*` or `val/CLASS/*` (or both), or one folder `CLASS/*`, of which about a
fifth becomes the test images, chosen by the hash of a picture's content.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from netpress.data.noted import MARK, TEST_SHARE
from netpress.errors import UserError

TRAIN, TEST, VALIDATION = ("train", "training"), ("test",), ("val", "valid", "validation")
SMALLEST = 32  # training pictures


@dataclass(frozen=True)
class Picture:
    """One file: its split, the number of its class, and the SHA-256 of its content."""

    path: Path
    split: str
    label: int
    digest: str


@dataclass(frozen=True)
class Folder:
    """A folder of pictures that was looked through. `broken`: files that could not be decoded and were left out."""

    path: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    broken: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the names of the classes and all pictures by split and class, whatever files are called."""
        lines = sorted(f"{p.split} {p.label} {p.digest}" for p in self.pictures)
        return hashlib.sha256("\n".join([*self.classes, "", *lines]).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The data set's name: photos@1f3a9c2b10de."""
        word = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in self.path.name)
        return f"{word or 'pictures'}{MARK}{self.digest[:12]}"

    @property
    def counts(self) -> dict[str, int]:
        """Pictures by split."""
        return dict(Counter(p.split for p in self.pictures))

    def labels(self, split: str) -> np.ndarray:
        """int64 (N,), in the order in which pictures are given out: by class and content."""
        return np.array([p.label for p in self.of(split)], np.int64)

    def of(self, split: str) -> list[Picture]:
        """The pictures of a split, by class and content, so that renaming files changes nothing."""
        return sorted((p for p in self.pictures if p.split == split), key=lambda p: (p.label, p.digest))


# Reading a folder ---------------------------------------------------------------------------------------------------


def look_through(path: Path) -> Folder:
    """What is in a folder. UserError, in one sentence, where that is no data set to train and to judge on."""
    path = path.expanduser().absolute()
    if not path.is_dir():
        state = "is no folder" if path.exists() else "does not exist"
        raise UserError(f"{path} {state}: give a folder of pictures, with train/CLASS/* and test/CLASS/*, or CLASS/*.")
    found = split_folders(path)
    classes = classes_of(path, found)
    number = {name: i for i, name in enumerate(classes)}
    pictures = [
        Picture(file, split, number[folder.name], hash_of(file))
        for split, place in found.items()
        for folder in folders_in(place)
        for file in files_in(folder)
    ]
    if "test" not in found:
        pictures = [Picture(p.path, drawn(p.digest), p.label, p.digest) for p in pictures]
    folder = Folder(path, classes, tuple(pictures))
    check_enough(folder)
    return folder


def split_folders(path: Path) -> dict[str, Path]:
    """The folders of the splits: {"train": ..., "test": ..., "validation": ...}, or {"train": the folder itself}."""
    there = {folder.name.lower(): folder for folder in folders_in(path) if not holds_pictures(folder)}
    train, test, validation = (
        next((there[word] for word in words if word in there), None) for words in (TRAIN, TEST, VALIDATION)
    )
    if not train and not test and not validation:
        return {"train": path}
    if not train or not (test or validation):
        lacking = "train" if not train else "test (or val)"
        raise UserError(f"{path} has no folder {lacking}: with train/ there must be test/ or val/, or classes alone.")
    if test is None:
        return {"train": train, "test": validation}  # type: ignore[dict-item]
    return {"train": train, "test": test} | ({"validation": validation} if validation else {})


def holds_pictures(folder: Path) -> bool:
    """Whether pictures lie directly in a folder: then it is a class, even if it is called "train"."""
    return any(file.parent == folder for file in files_in(folder))


def classes_of(path: Path, found: dict[str, Path]) -> tuple[str, ...]:
    """The names of the classes, sorted as torchvision's ImageFolder does. UserError where splits differ in them."""
    named = {split: tuple(sorted(f.name for f in folders_in(place))) for split, place in found.items()}
    classes = named["train"]
    for split, names in named.items() if classes else ():
        if lacking := sorted(set(classes) - set(names)):
            raise UserError(
                f"{found[split]} lacks the class {lacking[0]!r}, which train has: put pictures of it there."
            )
        if more := sorted(set(names) - set(classes)):
            raise UserError(f"{found[split]} has a class {more[0]!r} that train lacks: train needs pictures of it too.")
    if len(classes) < 2:
        raise UserError(
            f"{found['train']} has {len(classes) or 'no'} class{'' if len(classes) == 1 else 'es'}: at least two "
            "folders of pictures are needed, one for each class."
        )
    return classes


def folders_in(path: Path) -> list[Path]:
    """Folders in a folder, hidden ones left out."""
    return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith((".", "__")))


def files_in(folder: Path) -> list[Path]:
    """All pictures in a folder and below it, by the ending that Pillow knows; hidden files are left out."""
    Image.init()
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = (f for f in folder.rglob("*") if f.suffix.lower() in known and not f.name.startswith("."))
    return sorted(f for f in found if f.is_file())


def hash_of(file: Path) -> str:
    """SHA-256 of a file's content. UserError where it cannot be read."""
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): make it readable, or take it away.") from error


def drawn(digest: str) -> str:
    """The split of a picture where none is given: about one in TEST_SHARE is for testing, copies go together."""
    return "test" if int(digest[:8], 16) % TEST_SHARE == 0 else "train"


def check_enough(folder: Folder) -> None:
    """UserError where there is too little to train on, or a class has nothing to be judged on."""
    counts = Counter((p.split, p.label) for p in folder.pictures)
    total = sum(n for (split, _), n in counts.items() if split == "train")
    if not folder.pictures:
        raise UserError(f"{folder.path} has no pictures in its classes: put JPEG, PNG or other images there.")
    for split in dict.fromkeys(p.split for p in folder.pictures):
        empty = [name for i, name in enumerate(folder.classes) if not counts[split, i]]
        if empty:
            raise UserError(
                f"{folder.path} has no {split} pictures of the class {empty[0]!r}: every class needs some, and a "
                "folder that is split here needs about ten of each."
            )
    if total < SMALLEST:
        raise UserError(f"{folder.path} has {total} training pictures: at least {SMALLEST} are needed.")


def sides(path: Path, most: int = 200) -> Iterator[int]:
    """The short sides of some of the pictures, in pixels, read from their headers alone."""
    files = [file for folder in folders_in(path) for file in files_in(folder)]
    for file in files[:: max(1, len(files) // most)]:
        try:
            with Image.open(file) as image:
                yield min(image.size)
        except OSError:
            continue
