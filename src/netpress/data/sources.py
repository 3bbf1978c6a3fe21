"""Where each data set comes from: decoders, counts, fidelity, terms. Files and digests are in files.csv."""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from netpress.data import folder, official
from netpress.data.files import File
from netpress.data.raw import Decoder


@dataclass(frozen=True)
class Source:
    """One way to have a data set; `counts` are its images by official split."""

    key: str  # in files.csv
    title: str
    classes: int
    counts: Mapping[str, int]
    decode: Decoder
    fidelity: str
    terms: str
    citation: str  # key in chapters/references.bib
    content: str = ""  # digests of what lies in no file

    @cached_property
    def files(self) -> Mapping[str, tuple[File, ...]]:
        """The files that each official split is made of."""
        rows = [row for row in _table() if row["source"] == self.key]
        return {s: tuple(_file(row) for row in rows if s in row["splits"].split()) for s in self.counts}

    @property
    def all_files(self) -> tuple[File, ...]:
        """Every file once."""
        return tuple(dict.fromkeys(file for files in self.files.values() for file in files))

    @property
    def checksum(self) -> str:
        """SHA-256 over the names and digests of all files: known without reading any of them."""
        lines = sorted(f"{file.path} {file.digest}" for file in self.all_files)
        return hashlib.sha256("\n".join((self.key, self.content, *lines)).encode()).hexdigest()


def _table() -> list[dict[str, str]]:
    text = resources.files("netpress.data").joinpath("files.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _file(row: dict[str, str]) -> File:
    loose = row["unpacked"], row["unpacked_digest"]
    return File(row["path"], row["digest"], int(row["size"]) if row["size"] else None, row["url"], *loose)


RESEARCH = "Part of ImageNet: for non-commercial research and education."
NO_LICENCE = "No licence is stated; the images were collected from the web for research."
TINY = "No licence is stated, a citation is asked for; images of the withdrawn Tiny Images collection."

DIGITS = Source(
    key="digits-embedded",
    title="scikit-learn's digits",
    classes=10,
    counts={"train": 1297, "test": 500},
    decode=folder.digits,
    fidelity="1,797 scanned digits of 8 x 8 pixels with 17 levels of grey; the stratified split into 1,297 "
    "for training and 500 for testing is ours, and fixed.",
    terms="CC BY 4.0 (UCI repository); shipped with scikit-learn (BSD 3-Clause).",
    citation="alpaydin1998digits",
    content=folder.DIGITS_PIXELS + folder.DIGITS_LABELS,
)

MNIST = Source(
    key="mnist-folder",
    title="MNIST",
    classes=10,
    counts={"train": 60000, "test": 10000},
    decode=folder.mnist,
    fidelity="The official files, byte for byte; official split.",
    terms="Copyright Yann LeCun and Corinna Cortes; commonly redistributed as CC BY-SA 3.0.",
    citation="lecun1998gradient",
)

CIFAR10 = Source(
    key="cifar10-folder",
    title="CIFAR-10",
    classes=10,
    counts={"train": 50000, "test": 10000},
    decode=folder.cifar10,
    fidelity="Official split and order; lossless except 139 images (110 for training, 29 for testing), which "
    "are JPEG copies.",
    terms=TINY,
    citation="krizhevsky2009learning",
)
CIFAR10_OFFICIAL = Source(
    key="cifar10-official",
    title="CIFAR-10 from the publisher's archive",
    classes=10,
    counts={"train": 50000, "test": 10000},
    decode=official.cifar10,
    fidelity="Official split and order, lossless.",
    terms=TINY,
    citation="krizhevsky2009learning",
)

CIFAR100 = Source(
    key="cifar100-folder",
    title="CIFAR-100",
    classes=100,
    counts={"train": 50000, "test": 10000},
    decode=folder.cifar100,
    fidelity="Official split and order, lossless; fine labels.",
    terms=TINY,
    citation="krizhevsky2009learning",
)
CIFAR100_OFFICIAL = Source(
    key="cifar100-official",
    title="CIFAR-100 from the publisher's archive",
    classes=100,
    counts={"train": 50000, "test": 10000},
    decode=official.cifar100,
    fidelity="Official split and order, lossless; fine labels.",
    terms=TINY,
    citation="krizhevsky2009learning",
)

DOGS = Source(
    key="dogs-folder",
    title="Stanford Dogs, a 64 px subset",
    classes=120,
    counts={"train": 6000, "test": 2400},
    decode=folder.dogs,
    fidelity="Not the official data: 50 training and 20 test images per class with a split of their own, "
    "squashed to 64 x 64 and stored as JPEG again. Accuracies cannot be compared with published ones.",
    terms=RESEARCH,
    citation="khosla2011dogs",
)
DOGS_OFFICIAL = Source(
    key="dogs-official",
    title="Stanford Dogs from the publisher's archive",
    classes=120,
    counts={"train": 12000, "test": 8580},
    decode=official.dogs,
    fidelity="Official lists; central squares.",
    terms=RESEARCH,
    citation="khosla2011dogs",
)

FLOWERS = Source(
    key="flowers102-folder",
    title="Oxford 102 Flowers at 128 px",
    classes=102,
    counts={"train": 1020, "validation": 1020, "test": 510},
    decode=folder.flowers102,
    fidelity="Official training and validation images, short side 128 px, stored as JPEG again; central "
    "squares. The test images are 510 of the official 6,149: accuracies cannot be compared with published "
    "ones.",
    terms=NO_LICENCE,
    citation="nilsback2008flowers",
)
FLOWERS_OFFICIAL = Source(
    key="flowers102-official",
    title="Oxford 102 Flowers from the publisher's archive",
    classes=102,
    counts={"train": 1020, "validation": 1020, "test": 6149},
    decode=official.flowers102,
    fidelity="Official splits; central squares.",
    terms=NO_LICENCE,
    citation="nilsback2008flowers",
)

STL10 = Source(
    key="stl10-official",
    title="STL-10 from the publisher's archive",
    classes=10,
    counts={"train": 5000, "test": 8000},
    decode=official.stl10,
    fidelity="Official split; the unlabelled images are not used.",
    terms=RESEARCH,
    citation="coates2011stl",
)

# In the order in which they are looked for; the last of each is the one that may be downloaded.
SOURCES: Mapping[str, tuple[Source, ...]] = {
    "digits": (DIGITS,),
    "mnist": (MNIST,),
    "cifar10": (CIFAR10, CIFAR10_OFFICIAL),
    "cifar100": (CIFAR100, CIFAR100_OFFICIAL),
    "dogs": (DOGS, DOGS_OFFICIAL),
    "flowers102": (FLOWERS, FLOWERS_OFFICIAL),
    "stl10": (STL10,),
}
