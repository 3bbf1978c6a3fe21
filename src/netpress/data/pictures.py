"""A folder of pictures as a data set: any size and mode that Pillow reads, named by its content.

picture_folder.py finds its splits and classes. Where there are no validation images of their own, a fixed stratified
fifth of the training images is set apart for decisions.

A data set is called after its folder and its content, `photos@1f3a9c2b10de`: whoever knows the name has the same
pictures. Decoded pictures and the folder's place are noted in the cache.
"""

import hashlib
import io
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from netpress.atomic import write_atomic
from netpress.data import pixels
from netpress.data.noted import about, note_of, noted, validation_size
from netpress.data.picture_folder import Folder, Picture, check_enough, look_through
from netpress.errors import UserError

WHITE = (255, 255, 255, 255)


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

    def __enter__(self) -> Callable[[], object]:
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
