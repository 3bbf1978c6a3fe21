"""The data sets: one entry each, with all that is to be known of it without reading data.

To add one: an entry here, a line for each of its files in files.csv, and a function that decodes them (folder.py or
official.py). Needs neither torch nor NumPy.
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module, resources
from typing import TYPE_CHECKING

from netpress.data.files import File

if TYPE_CHECKING:
    from netpress.data.raw import Decoder


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    `counts` are its images by official split; `decode` names the function that makes images of the files, as
    "folder.cifar10" for the function `cifar10` of data/folder.py, which is imported when it is needed.
    """

    key: str  # in files.csv
    title: str
    counts: Mapping[str, int]
    decode: str
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

    @property
    def decoder(self) -> "Decoder":
        """The function that decodes its files."""
        module, function = self.decode.split(".")
        return getattr(import_module(f"netpress.data.{module}"), function)


@dataclass(frozen=True)
class DataSet:
    """What a data set is, wherever it comes from.

    `title`: as pages have it; `native`: the side of its images in pixels, the shorter one; `px`: the side at which it
    is used where an edition does not say otherwise; `grey`: whether its three channels are equal; `view`: the
    augmentation that is usual for it, a name in data.views.VIEWS; `sources`: in the order in which they are looked for,
    the last being the one that may be downloaded.
    """

    title: str
    classes: int
    native: int
    px: int
    sources: tuple[Source, ...]
    grey: bool = False
    view: str = "crop-flip"


def titles() -> dict[str, str]:
    """Data set -> its title."""
    return {name: dataset.title for name, dataset in DATASETS.items()}


def _table() -> list[dict[str, str]]:
    text = resources.files("netpress.data").joinpath("files.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _file(row: dict[str, str]) -> File:
    loose = row["unpacked"], row["unpacked_digest"]
    return File(row["path"], row["digest"], int(row["size"]) if row["size"] else None, row["url"], *loose)


RESEARCH = "Part of ImageNet: for non-commercial research and education."
NO_LICENCE = "No licence is stated; the images were collected from the web for research."
TINY = "No licence is stated, a citation is asked for; images of the withdrawn Tiny Images collection."
DIGITS_PIXELS = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
DIGITS_LABELS = "a3c91c262eddcf7ba8f0e37507c30284493c9b20412ffe4af30d536401f7ba21"

DATASETS: Mapping[str, DataSet] = {
    "digits": DataSet(
        "digits",
        classes=10,
        native=8,
        px=32,
        grey=True,
        view="crop",
        sources=(
            Source(
                key="digits-embedded",
                title="scikit-learn's digits",
                counts={"train": 1297, "test": 500},
                decode="folder.digits",
                fidelity="1,797 scanned digits of 8 x 8 pixels with 17 levels of grey; the stratified split into 1,297 "
                "for training and 500 for testing is ours, and fixed.",
                terms="CC BY 4.0 (UCI repository); shipped with scikit-learn (BSD 3-Clause).",
                citation="alpaydin1998digits",
                content=DIGITS_PIXELS + DIGITS_LABELS,
            ),
        ),
    ),
    "mnist": DataSet(
        "MNIST",
        classes=10,
        native=28,
        px=32,
        grey=True,
        view="crop",
        sources=(
            Source(
                key="mnist-folder",
                title="MNIST",
                counts={"train": 60000, "test": 10000},
                decode="folder.mnist",
                fidelity="The official files, byte for byte; official split.",
                terms="Copyright Yann LeCun and Corinna Cortes; commonly redistributed as CC BY-SA 3.0.",
                citation="lecun1998gradient",
            ),
        ),
    ),
    "cifar10": DataSet(
        "CIFAR-10",
        classes=10,
        native=32,
        px=32,
        sources=(
            Source(
                key="cifar10-folder",
                title="CIFAR-10",
                counts={"train": 50000, "test": 10000},
                decode="folder.cifar10",
                fidelity="Official split and order; lossless except 139 images (110 for training, 29 for testing), "
                "which are JPEG copies.",
                terms=TINY,
                citation="krizhevsky2009learning",
            ),
            Source(
                key="cifar10-official",
                title="CIFAR-10 from the publisher's archive",
                counts={"train": 50000, "test": 10000},
                decode="official.cifar10",
                fidelity="Official split and order, lossless.",
                terms=TINY,
                citation="krizhevsky2009learning",
            ),
        ),
    ),
    "cifar100": DataSet(
        "CIFAR-100",
        classes=100,
        native=32,
        px=32,
        sources=(
            Source(
                key="cifar100-folder",
                title="CIFAR-100",
                counts={"train": 50000, "test": 10000},
                decode="folder.cifar100",
                fidelity="Official split and order, lossless; fine labels.",
                terms=TINY,
                citation="krizhevsky2009learning",
            ),
            Source(
                key="cifar100-official",
                title="CIFAR-100 from the publisher's archive",
                counts={"train": 50000, "test": 10000},
                decode="official.cifar100",
                fidelity="Official split and order, lossless; fine labels.",
                terms=TINY,
                citation="krizhevsky2009learning",
            ),
        ),
    ),
    "dogs": DataSet(
        "Stanford Dogs",
        classes=120,
        native=64,
        px=64,
        sources=(
            Source(
                key="dogs-folder",
                title="Stanford Dogs, a 64 px subset",
                counts={"train": 6000, "test": 2400},
                decode="folder.dogs",
                fidelity="Not the official data: 50 training and 20 test images per class with a split of their own, "
                "squashed to 64 x 64 and stored as JPEG again. Accuracies cannot be compared with published ones.",
                terms=RESEARCH,
                citation="khosla2011dogs",
            ),
            Source(
                key="dogs-official",
                title="Stanford Dogs from the publisher's archive",
                counts={"train": 12000, "test": 8580},
                decode="official.dogs",
                fidelity="Official lists; central squares.",
                terms=RESEARCH,
                citation="khosla2011dogs",
            ),
        ),
    ),
    "flowers102": DataSet(
        "Flowers-102",
        classes=102,
        native=128,
        px=64,
        sources=(
            Source(
                key="flowers102-folder",
                title="Oxford 102 Flowers at 128 px",
                counts={"train": 1020, "validation": 1020, "test": 510},
                decode="folder.flowers102",
                fidelity="Official training and validation images, short side 128 px, stored as JPEG again; central "
                "squares. The test images are 510 of the official 6,149: accuracies cannot be compared with published "
                "ones.",
                terms=NO_LICENCE,
                citation="nilsback2008flowers",
            ),
            Source(
                key="flowers102-official",
                title="Oxford 102 Flowers from the publisher's archive",
                counts={"train": 1020, "validation": 1020, "test": 6149},
                decode="official.flowers102",
                fidelity="Official splits; central squares.",
                terms=NO_LICENCE,
                citation="nilsback2008flowers",
            ),
        ),
    ),
    "stl10": DataSet(
        "STL10",
        classes=10,
        native=96,
        px=32,
        sources=(
            Source(
                key="stl10-official",
                title="STL-10 from the publisher's archive",
                counts={"train": 5000, "test": 8000},
                decode="official.stl10",
                fidelity="Official split; the unlabelled images are not used.",
                terms=RESEARCH,
                citation="coates2011stl",
            ),
        ),
    ),
}
