"""Labelled images as tensors: one function, every file checked before it is parsed. registry.py has the data sets."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netpress.data import files
from netpress.data.registry import DATASETS, Source
from netpress.env import cache_dir, data_folder
from netpress.errors import UserError, known

if TYPE_CHECKING:
    import torch

SPLITS = ("train", "test", "fit", "validation")


@dataclass(frozen=True, eq=False)
class Images:
    """`x`: uint8 (N, 3, px, px), contiguous; `y`: int64 (N,), index into `classes`.

    `provenance` says in sentences where the images come from, on what terms, and how far they can be trusted.
    `checksum` is the SHA-256 of the bytes of x and y.
    """

    x: "torch.Tensor"
    y: "torch.Tensor"
    classes: tuple[str, ...]
    dataset: str
    split: str
    provenance: str
    checksum: str

    def __len__(self) -> int:
        return len(self.y)

    def describe(self) -> str:
        """The provenance and what was made of it, for a page of the book."""
        px = self.x.shape[-1]
        return f"{self.provenance} Here: {len(self):,} images ({self.split}) at {px} x {px} pixels."


@dataclass(frozen=True)
class Availability:
    """Whether a data set can be loaded without a network, and the reason. As a condition it is true or false."""

    ok: bool
    reason: str

    def __bool__(self) -> bool:
        return self.ok

    def __iter__(self) -> Iterator[object]:
        return iter((self.ok, self.reason))


def downloads() -> Path:
    """Where downloaded archives are kept."""
    return cache_dir() / "downloads"


def _positive(what: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"{what} is {value!r}: expected a whole number from 1 upwards. Give another one.")
    return value


def _found(dataset: str) -> tuple[Source, Path] | None:
    """The first source of which any file exists, and the folder it is in."""
    for source in DATASETS[known(dataset, DATASETS, "data set")].sources:
        if not source.all_files:
            return source, data_folder()
        for place in (data_folder(), downloads()):
            try:
                if any(file.place(place).exists() for file in source.all_files):
                    return source, place
            except OSError as error:
                raise UserError(
                    f"The data folder {str(place)[:200]} cannot be looked into ({error.strerror}): "
                    "mend that, or name another in NETPRESS_DATA."
                ) from None
    return None


def _source(dataset: str) -> Source:
    """What would be loaded; where nothing is there yet, the first that is looked for."""
    found = _found(dataset)
    return found[0] if found else DATASETS[dataset].sources[0]


def available(dataset: str) -> Availability:
    """Whether the files are there (names and sizes; contents are checked on loading), and why not."""
    found = _found(dataset)
    if found is None:
        source = DATASETS[dataset].sources[-1]
        url = source.all_files[-1].url
        return Availability(False, f"not in {data_folder()}; the first use would download it from {url}")
    source, place = found
    for file in source.all_files:
        path = file.place(place)
        if path != place / file.path:
            continue
        if not path.is_file():
            return Availability(False, f"{path} is missing")
        if file.size is not None and path.stat().st_size != file.size:
            return Availability(False, f"{path} has {path.stat().st_size:,} bytes, expected {file.size:,}")
    return Availability(True, f"{source.title} in {place}" if source.all_files else "comes with scikit-learn")


def fetch(dataset: str) -> None:
    """Download what is missing of a data set into `downloads()`, unless some of its files lie in the data folder.

    Call it before fingerprints are made: the publisher's files have another checksum than those of the data folder.
    Raises UserError saying where to put the files by hand when there is no network.
    """
    source, place = _found(dataset) or (DATASETS[dataset].sources[-1], downloads())
    if place == downloads() and any(not (place / file.path).exists() for file in source.all_files):
        files.fetch(source.all_files, place, source.title)


def checksum(dataset: str) -> str:
    """SHA-256 that stands for the source files, from constants: no data are read or needed."""
    return _source(dataset).checksum


def classes(dataset: str) -> int:
    """Number of classes."""
    return DATASETS[known(dataset, DATASETS, "data set")].classes


def provenance(dataset: str) -> str:
    """Title, fidelity, terms and the citation's key in the book's references, without reading data."""
    source = _source(dataset)
    return f"{source.title}. {source.fidelity} Terms: {source.terms} Cite: {source.citation}."


def citation(dataset: str) -> str:
    """The data set's key in the book's references."""
    return _source(dataset).citation


def count(dataset: str, split: str, images: int | None = None) -> int:
    """How many images `load` returns, without reading any."""
    counts = _source(dataset).counts
    whole = counts["train"] if split == "fit" else counts.get(known(split, SPLITS, "split"), 0)
    if "validation" not in counts and split in ("fit", "validation"):
        from netpress.data import pixels

        tenth = pixels.tenth(counts["train"])
        whole = tenth if split == "validation" else counts["train"] - tenth
    return whole if images is None else min(whole, _positive("images", images))


def load(dataset: str, split: str, images: int | None = None, px: int = 32) -> Images:
    """Images and labels of a data set, the same on every machine and for every seed.

    split: train, test (official where there are such), or fit and validation: a fixed stratified 90 : 10
    division of train for choosing settings (Flowers-102: its official training and validation images).
    images: at most so many, the first of a fixed stratified order, so that fewer lie inside more.
    px: the side; central square, bilinear resize with antialiasing where it shrinks.

    A data set that is in neither `paths.data_folder()` nor `downloads()` is downloaded. Every file's checksum is
    compared before it is parsed. Raises UserError naming what is unknown, missing, truncated or altered.
    """
    known(dataset, DATASETS, "data set")
    known(split, SPLITS, "split")
    _positive("px", px)
    if images is not None:
        _positive("images", images)
    fetch(dataset)
    found = _found(dataset)
    assert found is not None
    return _load(found, {"dataset": dataset, "split": split, "images": images, "px": px})


def _load(found: tuple[Source, Path], settings: dict) -> Images:
    from netpress.data import cache

    source, place = found
    own = "validation" in source.counts
    part = settings["split"] if settings["split"] == "test" or own else "train"
    part = "train" if part == "fit" else part
    entry = cache.place({**settings, "source": source.checksum})
    with files.checked(place, source.files[part]) as handles:
        kept = cache.read(entry) if handles else None
        x, y, about = kept or _decode(source, handles, part, settings)
    if handles and not kept:
        cache.write(entry, x, y, about)
    dataset, names = settings["dataset"], tuple(about["classes"])
    return Images(x, y, names, dataset, settings["split"], provenance(dataset), about["checksum"])


def _decode(source: Source, handles: dict, part: str, settings: dict) -> tuple[Any, Any, dict]:
    import torch

    from netpress.data import pixels

    raw = source.decoder(handles, part)
    chosen = pixels.choose(raw.labels, settings["dataset"], settings["split"], "validation" in source.counts)
    chosen = chosen[pixels.first(raw.labels[chosen], settings["images"])]
    x = pixels.pack(raw.image, chosen, settings["px"])
    y = raw.labels[chosen]
    digest = hashlib.sha256(x.tobytes() + y.astype("<i8").tobytes()).hexdigest()
    return torch.from_numpy(x), torch.from_numpy(y), {"classes": raw.classes, "checksum": digest}
