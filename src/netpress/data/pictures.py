"""A folder of pictures as a data set: any size and mode that Pillow reads, named by its content.

Two layouts: `train/CLASS/*` with `test/CLASS/*` or `val/CLASS/*` (or both), or one folder `CLASS/*`, of which about a
fifth becomes the test images, chosen by the hash of a picture's content. Where there are no validation images of
their own, a fixed stratified fifth of the training images is set apart for decisions.

A data set is called after its folder and its content, `photos@1f3a9c2b10de`: whoever knows the name has the same
pictures. Decoded pictures and the folder's place are noted in the cache.
"""

import hashlib
import io
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from netpress.atomic import write_atomic
from netpress.data import pixels
from netpress.data.noted import MARK, TEST_SHARE, about, note_of, noted, validation_size
from netpress.errors import UserError

TRAIN, TEST, VALIDATION = ("train", "training"), ("test",), ("val", "valid", "validation")
SMALLEST = 32  # training pictures
WHITE = (255, 255, 255, 255)


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


# Decoding -----------------------------------------------------------------------------------------------------------


def decoded(content: bytes) -> np.ndarray:
    """A picture as a viewer shows it: uint8 (height, width, 3).

    Turned as its EXIF says; transparency on white; 16-bit and floating greys scaled to 8 bits; the first frame of
    several. Raises OSError or ValueError where it is broken.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content)) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I") or image.mode == "F":
        grey = to_eight_bits(np.asarray(image), image.mode)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def to_eight_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Grey levels of 16 bits (0 to 65535), or floats (0 to 1, else 0 to 255), as uint8."""
    values = values.astype(np.float64)
    top = values.max(initial=0)
    if mode == "F":
        scaled = values * 255 if top <= 1 else values
    else:
        scaled = values / 257 if mode.startswith("I;16") or top > 255 else values
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def shrunk(folder: Folder, px: int, skip: bool) -> tuple[dict[str, np.ndarray], list[Picture]]:
    """All pictures by split, uint8 (N, 3, px, px), and those that are broken: they are left out where `skip` says so.

    UserError naming the first broken file otherwise.
    """
    splits = dict.fromkeys(p.split for p in folder.pictures)
    found: dict[str, np.ndarray] = {}
    broken: list[Picture] = []
    with progress(len(folder.pictures)) as tell:
        for split in splits:
            kept = []
            for picture in folder.of(split):
                small = small_one(picture, px, skip)
                if small is None:
                    broken.append(picture)
                else:
                    kept.append(small)
                tell()
            found[split] = np.stack(kept) if kept else np.zeros((0, 3, px, px), np.uint8)
    return found, broken


def small_one(picture: Picture, px: int, skip: bool) -> np.ndarray | None:
    """One picture, (3, px, px); None where it is broken and may be left out."""
    try:
        content = picture.path.read_bytes()
        small = pixels.resize(decoded(content), px)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        if skip:
            return None
        raise UserError(
            f"{picture.path} cannot be decoded ({error}): mend it or take it away, or go on without it with "
            "--skip-broken."
        ) from error
    if hashlib.sha256(content).hexdigest() != picture.digest:
        raise UserError(f"{picture.path} has changed while it was read: run again when the folder is at rest.")
    return np.ascontiguousarray(small.transpose(2, 0, 1))


class progress:
    """A bar on stderr for many pictures; nothing for few."""

    def __init__(self, total: int):
        self.total = total

    def __enter__(self) -> Callable[[], Any]:
        from tqdm import tqdm

        self.bar = tqdm(total=self.total, unit="picture", file=sys.stderr, leave=False, disable=self.total < 1000)
        return self.bar.update

    def __exit__(self, *_: object) -> None:
        self.bar.close()


# The data set -------------------------------------------------------------------------------------------------------


def register(path: str | Path, px: int, skip_broken: bool = False) -> str:
    """Look through a folder, decode all of it at px x px once, and return the name of the data set that it is.

    Raises UserError naming what is wrong with the folder, or the first broken file unless `skip_broken`.
    """
    folder = look_through(Path(path))
    note = noted(folder.name)
    if note is None or str(px) not in note["sizes"] or (note["broken"] and not skip_broken):
        note = decode(folder, px, skip_broken)
    if note["path"] != str(folder.path):
        write_atomic(note_of(folder.name), json.dumps(note | {"path": str(folder.path)}).encode())
    return folder.name


def decode(folder: Folder, px: int, skip_broken: bool) -> dict[str, Any]:
    """Decode a folder into the cache, and note it."""
    import torch

    from netpress.data import cache

    found, broken = shrunk(folder, px, skip_broken)
    kept = Folder(folder.path, folder.classes, tuple(p for p in folder.pictures if p not in broken))
    check_enough(kept)
    before = noted(folder.name) or {"sizes": {}}
    sums = {}
    for split, x in found.items():
        y = kept.labels(split)
        sums[split] = hashlib.sha256(x.tobytes() + y.astype("<i8").tobytes()).hexdigest()
        cache.write(entry(folder.name, split, px), torch.from_numpy(x), torch.from_numpy(y), {"checksum": sums[split]})
    note = {
        "path": str(folder.path),
        "digest": folder.digest,
        "classes": folder.classes,
        "counts": kept.counts,
        "broken": [str(p.path.relative_to(folder.path)) for p in broken],
        "sizes": before["sizes"] | {str(px): sums},
    }
    write_atomic(note_of(folder.name), json.dumps(note).encode())
    return note


def entry(name: str, split: str, px: int) -> Path:
    """Where a split's decoded pictures lie."""
    from netpress.data import cache

    return cache.place({"dataset": name, "split": split, "images": None, "px": px, "source": "pictures"})


def load(name: str, split: str, images: int | None, px: int) -> tuple[Any, Any, dict[str, Any]]:
    """Pictures uint8 (N, 3, px, px), labels (N,), and their classes and checksum."""
    import torch

    note = about(name)
    part = split if split in note["counts"] else "train"
    x, y = whole(name, part, px, note)
    labels = y.numpy()
    chosen = np.arange(len(labels))
    if split in ("fit", "validation") and "validation" not in note["counts"]:
        chosen = pixels.held_out(labels, validation_size(len(labels)), keep=split == "validation")
    chosen = chosen[pixels.first(labels[chosen], images)]
    index = torch.from_numpy(chosen)
    x, y = x[index], y[index]
    digest = hashlib.sha256(x.numpy().tobytes() + y.numpy().astype("<i8").tobytes()).hexdigest()
    return x, y, {"classes": tuple(note["classes"]), "checksum": digest}


def whole(name: str, part: str, px: int, note: dict[str, Any]) -> tuple[Any, Any]:
    """All pictures of a split: from the cache, or decoded again where it has been emptied."""
    import torch

    from netpress.data import cache

    if kept := cache.read(entry(name, part, px)):
        return kept[0], kept[1]
    folder = look_through(Path(note["path"]))
    if folder.digest != note["digest"]:
        raise UserError(f"{folder.path} has changed since {name} was read from it: give it again, as --data FOLDER.")
    broken = {str(folder.path / path) for path in note["broken"]}
    kept_ones = tuple(p for p in folder.pictures if str(p.path) not in broken and p.split == part)
    only = Folder(folder.path, folder.classes, kept_ones)
    return torch.from_numpy(shrunk(only, px, skip=False)[0][part]), torch.from_numpy(only.labels(part))


def sides(path: Path, most: int = 200) -> Iterator[int]:
    """The short sides of some of the pictures, in pixels, read from their headers alone."""
    files = [file for folder in folders_in(path) for file in files_in(folder)]
    for file in files[:: max(1, len(files) // most)]:
        try:
            with Image.open(file) as image:
                yield min(image.size)
        except OSError:
            continue
