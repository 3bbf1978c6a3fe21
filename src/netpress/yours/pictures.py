"""Pictures of a user's own, or a data set by name, as what `netpress.shrink` takes: loaders, and a network's input.

Two layouts: `train/CLASS/*` with `test/CLASS/*` or `val/CLASS/*` (or both), or one folder `CLASS/*`, of which about a
fifth becomes the test images, chosen by the hash of a picture's content. Where there are no validation images, a fixed
stratified fifth of the training images is set apart. Whatever is passed over is told.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import sys
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from netpress import data
from netpress.data import pixels
from netpress.data.views import View, crop, crop_flip, normalise_of, plain
from netpress.env import cache_dir
from netpress.errors import UserError
from netpress.files import write_atomic
from netpress.yours.networks import first_line
from netpress.yours.shrink import accuracy

SPLIT = re.compile(
    r"(train|training|test|testing|val|valid|validation)([-_ ]?(set|images?|imgs?|pictures?|data|split))?"
)
SHORT = {"training": "train", "testing": "test", "val": "validation", "valid": "validation"}
NO_PICTURES = ("MPEG", "HDF5", "BUFR", "GRIB", "WMF", "EPS", "PDF")  # formats that Pillow opens and cannot draw
SMALLEST_SET, SMALLEST_CLASS = 32, 2  # training pictures in all, and of a class
SHARE = 5  # one picture in so many is for testing, and one training picture in so many for decisions
BATCH, BATCHES = 64, 8  # pictures in a batch, and batches in an epoch where pictures are few
SMALLEST, LARGEST = 32, 224  # px of pictures, where the user names no size
SIZES = {"digits": 16}  # px of data sets; of the others the registry's
NO_MIRRORS = ("digits", "mnist")  # a mirrored digit is another one
WHITE = (255, 255, 255, 255)
TRIED = 512  # training images on which the normalisation of given weights is found out
# How images may have been normalised, as mean and standard deviation per channel in units of 255 grey levels
NORMALISATIONS = {
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "from -1 to 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "from 0 to 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


class Loader:
    """Batches of images (N, 3, px, px), float32 from 0 to 1, and labels (N,). Those of training are shuffled and seen
    through `view`, by torch's global generator."""

    def __init__(self, x: Tensor, y: Tensor, batch: int, view: View | None = None) -> None:
        self.x, self.y, self.batch, self.view = x, y, batch, view

    def __len__(self) -> int:
        return -(-len(self.y) // self.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.y)) if self.view else torch.arange(len(self.y))
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ()))) if self.view else torch.Generator()
        for index in order.split(self.batch):
            yield (self.view or plain)(self.x[index], generator).float() / 255, self.y[index]


@dataclass(frozen=True)
class Pictures:
    """Loaders of a folder or a data set. mean, std: of the training images by channel, in units of 255 grey levels."""

    train: Loader
    val: Loader
    test: Loader
    classes: tuple[str, ...]
    px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: list[str] = field(default_factory=list)


class Normalised(nn.Module):
    """A network with its normalisation: images (N, 3, px, px), 0 to 1 -> what `network` gives."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Iterable[float], std: Iterable[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(tuple(std)).view(1, -1, 1, 1))
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network((images - self.mean) / self.std)


def read(
    source: str, px: int | None = None, images: int | None = None, skip_broken: bool = False, batch: int = BATCH
) -> Pictures:
    """Read a folder of pictures, or a data set by name, at px x px (the size that the pictures suggest where left out).

    images: at most so many for training. UserError naming what is wrong with the folder, or the first broken file
    unless `skip_broken`.
    """
    if source in data.DATASETS:
        px = px or SIZES.get(source) or data.DATASETS[source].px
        splits = {}
        for split in ("fit", "validation", "test"):
            loaded = data.load(source, split, images if split == "fit" else None, px)
            splits[split] = (loaded.x, loaded.y)
        classes, notes = loaded.classes, [data.provenance(source)]
    else:
        folder = look_through(Path(source))
        px = px or own_size(folder)
        splits, folder = decoded_folder(folder, px, skip_broken)
        if "validation" not in splits:
            labels = splits["train"][1].numpy()
            share = max(1, round(len(labels) / SHARE))
            apart, rest = (torch.from_numpy(pixels.held_out(labels, share, keep=keep)) for keep in (True, False))
            splits["validation"], splits["train"] = (
                (splits["train"][0][index], splits["train"][1][index]) for index in (apart, rest)
            )
        x, y = splits.pop("train")
        chosen = torch.from_numpy(pixels.first(y.numpy(), images))
        splits["fit"] = x[chosen], y[chosen]
        classes, notes = folder.classes, folder.notes
    x, y = splits["fit"]
    while batch > 2 and len(y) < BATCHES * batch:
        batch //= 2
    normalise = normalise_of(data.Images(x, y, classes, source, "fit", "", ""))
    loaders = {name: Loader(*splits[name], max(batch, 32)) for name in ("validation", "test")}
    train = Loader(x, y, batch, crop if source in NO_MIRRORS else crop_flip)
    return Pictures(train, loaders["validation"], loaders["test"], classes, px, normalise.mean, normalise.std, notes)


def with_input(net: nn.Module, images: Pictures, weights: bool) -> nn.Module:
    """Put the normalisation before a network: the images' own, or that with which given weights are right most often.

    A file of weights does not say how its images were normalised, so the usual ways are tried on training images.
    UserError where the network does not take the images, or has another number of outputs than they have classes.
    """
    found = {"the images' own mean": Normalised(net, images.mean, images.std)}
    if weights:
        found |= {name: Normalised(net, *how) for name, how in NORMALISATIONS.items()}
    x, y = images.train.x[:TRIED], images.train.y[:TRIED]
    right = {}
    for name, each in found.items():
        try:
            with torch.no_grad():
                answers = [each.eval()(part.float() / 255) for part in x[: TRIED if weights else 2].split(64)]
        except Exception as error:  # whatever a layer says of a shape that it was not made for
            raise UserError(
                f"{type(net).__name__} does not take colour images of {images.px} x {images.px} pixels "
                f"({first_line(error)}): a network for three channels is needed, and a size that it was made for, "
                "which --px sets."
            ) from error
        if not all(isinstance(a, Tensor) and a.dim() == 2 and a.shape[1] == len(images.classes) for a in answers):
            given = tuple(answers[0].shape) if isinstance(answers[0], Tensor) else type(answers[0]).__name__
            raise UserError(
                f"{type(net).__name__} gives {given} for its images: logits (images, {len(images.classes)}) are "
                "expected, one for each class. For other outputs call netpress.shrink in a notebook."
            )
        right[name] = accuracy(torch.cat(answers), y[: sum(map(len, answers))])
    best = max(right, key=lambda name: right[name])
    if weights:
        images.notes.append(
            f"With its weights the network is right on {right[best]:.1%} of {len(x)} training images ({best})."
        )
    else:
        images.notes.append("No weights were given: the network begins at random and is trained here.")
    return found[best].train()


# What is in a folder ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """One file: its split, the number of its class, and the SHA-256 of its content; "" where it cannot be read."""

    path: Path
    split: str
    label: int
    digest: str


@dataclass(frozen=True)
class Folder:
    """A folder of pictures that was looked through. notes: sentences on what was passed over."""

    path: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    notes: list[str]

    @property
    def digest(self) -> str:
        """SHA-256 over the names of the classes and all pictures by split and class, whatever files are called."""
        lines = sorted(f"{p.split} {p.label} {p.digest}" for p in self.pictures)
        return hashlib.sha256("\n".join([*self.classes, "", *lines]).encode()).hexdigest()

    def of(self, split: str) -> list[Picture]:
        """The pictures of a split, by class and content, so that renaming files changes nothing."""
        return sorted((p for p in self.pictures if p.split == split), key=lambda p: (p.label, p.digest))


def look_through(path: Path) -> Folder:
    """Find the splits, classes and pictures in a folder. UserError where that is no data set to train and judge on."""
    path = path.expanduser().absolute()
    inside = folders_in(path)
    alone = len(inside) == 1 and not SPLIT.fullmatch(inside[0].name.lower())
    if alone and not any(f.is_file() and not hidden(f) for f in path.iterdir()) and folders_in(inside[0]):
        path = inside[0]
    found = split_folders(path)
    classes = classes_of(path, found)
    number, passed, pictures = {name: i for i, name in enumerate(classes)}, Counter[str](), []
    for split, place in found.items():
        for folder in folders_in(place):
            inside, others = files_in(folder)
            passed += others
            pictures += [Picture(file, split, number[shown(folder.name)], hash_of(file)) for file in inside]
            if not inside:
                raise UserError(
                    f"{shown(str(folder))} has no pictures ({endings(others)}): every class needs some in {split}; a "
                    "folder that is no class must lie elsewhere."
                )
    notes = [f"Passed over, as they are no pictures: {endings(passed)}."] if passed else []
    if "test" not in found:
        pictures = [Picture(p.path, drawn(p.digest), p.label, p.digest) for p in pictures]
    of_train = {p.digest for p in pictures if p.split == "train"} - {""}
    twice = sum(p.digest in of_train for p in pictures if p.split != "train")
    if twice:
        notes.append(f"{twice} test or validation pictures are training pictures too: what they say is too good.")
    return Folder(path, classes, tuple(pictures), notes)


def split_folders(path: Path) -> dict[str, Path]:
    """The folders of the splits: {"train": ..., "test": ..., "validation": ...}, or {"train": the folder itself}."""
    there: dict[str, Path] = {}
    for folder in folders_in(path):
        word = SPLIT.fullmatch(folder.name.lower())
        if word and not any(file.parent == folder for file in files_in(folder)[0]):
            there.setdefault(SHORT.get(word[1], word[1]), folder)
    if not there:
        return {"train": path}
    if "train" not in there or len(there) == 1:
        lacking = "train" if "train" not in there else "test (or val)"
        raise UserError(f"{path} has no folder {lacking}: with train/ there must be test/ or val/, or classes alone.")
    if "test" not in there:
        there["test"] = there.pop("validation")
    return {split: there[split] for split in ("train", "test", "validation") if split in there}


def classes_of(path: Path, found: dict[str, Path]) -> tuple[str, ...]:
    """The names of the classes, sorted as torchvision's ImageFolder does. UserError where splits differ in them."""
    named = {split: tuple(sorted({shown(f.name) for f in folders_in(place)})) for split, place in found.items()}
    classes = named["train"]
    if len(classes) < 2:
        raise UserError(
            f"{shown(str(found['train']))} has {len(classes) or 'no'} class{'' if len(classes) == 1 else 'es'}: at "
            "least two folders of pictures are needed, one for each class."
        )
    for split, names in named.items():
        if differing := sorted(set(classes) ^ set(names)):
            lacks, has = (split, "train") if differing[0] in classes else ("train", split)
            raise UserError(f"The class {differing[0]!r} is in {has} and not in {lacks}: put pictures of it in both.")
    return classes


def folders_in(path: Path) -> list[Path]:
    """Folders in a folder, hidden ones left out. UserError where it cannot be looked into."""
    try:
        return sorted(f for f in path.iterdir() if f.is_dir() and not hidden(f))
    except OSError as error:
        raise UserError(f"{shown(str(path))} cannot be read ({error.strerror}): give a folder of pictures.") from error


def hidden(path: Path) -> bool:
    """Whether a name is one that programs use for themselves: .ipynb_checkpoints, __MACOSX, @eaDir, Thumbs.db."""
    return path.name.startswith((".", "__", "@")) or path.name.lower() in ("thumbs.db", "desktop.ini")


def files_in(folder: Path) -> tuple[list[Path], Counter[str]]:
    """All pictures in a folder and below it, links followed, and how many files of which ending are none.

    A picture has an ending that Pillow knows, or else a content that it knows. A link that leads nowhere counts as one.
    """
    Image.init()
    kinds = set(Image.OPEN) - set(NO_PICTURES)
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in kinds}
    stubs = {ending for ending, kind in Image.registered_extensions().items() if kind in NO_PICTURES}
    found, others, been = [], Counter[str](), set()
    for place, inner, names in os.walk(folder, followlinks=True):
        been.add(os.path.realpath(place))
        inner[:] = sorted(n for n in inner if not hidden(Path(n)) and os.path.realpath(Path(place) / n) not in been)
        for file in (Path(place) / name for name in sorted(names) if not hidden(Path(name))):
            ending = file.suffix.lower()
            if ending in known or (ending not in stubs and is_picture(file)):
                found.append(file)
            else:
                others[ending or "no ending"] += 1
    return found, others


def is_picture(file: Path) -> bool:
    """Whether Pillow knows the content of a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                return image.format not in NO_PICTURES
    except Exception:  # what Pillow says of files that are none, or broken
        return False


def endings(others: Counter[str]) -> str:
    """Files by ending, in words."""
    return ", ".join(f"{count} {shown(ending)}" for ending, count in others.most_common()) or "it is empty"


def shown(text: str) -> str:
    """A name that can be written anywhere: composed Unicode, other bytes as a question mark."""
    return unicodedata.normalize("NFC", os.fsencode(text).decode("utf-8", "replace"))


def hash_of(file: Path) -> str:
    """SHA-256 of a file's content; "" where it cannot be read."""
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return ""


def drawn(digest: str) -> str:
    """The split of a picture where none is given: about one in SHARE is for testing, copies go together."""
    return "test" if int(digest[:8] or "1", 16) % SHARE == 0 else "train"


def own_size(folder: Folder, most: int = 200) -> int:
    """The median of the short sides of some pictures, from SMALLEST to LARGEST, read from their headers alone."""
    sides = []
    for picture in folder.pictures[:: max(1, len(folder.pictures) // most)]:
        with contextlib.suppress(Exception), warnings.catch_warnings():  # a broken one is told when it is decoded
            warnings.simplefilter("ignore")
            with Image.open(picture.path) as image:
                sides.append(min(image.size))
    side = int(median(sides)) // SMALLEST * SMALLEST if sides else LARGEST
    return min(LARGEST, max(SMALLEST, side))


# Decoding ------------------------------------------------------------------------------------------------------------


def decoded_folder(folder: Folder, px: int, skip_broken: bool) -> tuple[dict[str, tuple[Tensor, Tensor]], Folder]:
    """All pictures by split, uint8 (N, 3, px, px) and labels, from the cache where they are there; and the folder
    without those that are broken. UserError naming the first of these unless `skip_broken`."""
    place = cache_dir() / "pictures" / f"{folder.digest[:24]}-{px}.safetensors"
    broken: list[str] = []
    with contextlib.suppress(Exception), safe_open(place, "pt") as kept:  # absent, or damaged: decoded again
        found = {split: kept.get_tensor(split) for split in kept.keys()}  # noqa: SIM118
        broken = json.loads(kept.metadata()["broken"])
        if broken and not skip_broken:
            found = {}
        return splits_of(found, *without(folder, broken)) if found else decode(folder, px, skip_broken, place)
    return decode(folder, px, skip_broken, place)


def decode(folder: Folder, px: int, skip_broken: bool, place: Path) -> tuple[dict[str, tuple[Tensor, Tensor]], Folder]:
    """Decode a folder, and keep it at `place`."""
    from tqdm import tqdm

    found: dict[str, Tensor] = {}
    broken: list[str] = []
    with tqdm(total=len(folder.pictures), unit="picture", leave=False, disable=None, file=sys.stderr) as bar:
        for split in dict.fromkeys(p.split for p in folder.pictures):
            kept = []
            for picture in folder.of(split):
                bar.update()
                try:
                    content = picture.path.read_bytes()
                    kept.append(pixels.resize(decoded(content), px).transpose(2, 0, 1))
                except MemoryError:
                    raise
                except Exception as error:  # formats fail in ways of their own: struct.error, RuntimeError, SyntaxError
                    if not skip_broken:
                        unknown = isinstance(error, UnidentifiedImageError)  # whose text names an object in memory
                        reason = "its content is no picture that is known" if unknown else first_line(error)
                        raise UserError(
                            f"{shown(str(picture.path))} cannot be decoded ({shown(reason)}): mend it or "
                            "take it away, or go on without it with --skip-broken."
                        ) from error
                    broken.append(shown(str(picture.path.relative_to(folder.path))))
            found[split] = (
                torch.from_numpy(np.stack(kept)).contiguous() if kept else torch.zeros(0, 3, px, px, dtype=torch.uint8)
            )
    result = splits_of(found, *without(folder, broken))
    write_atomic(place, save(found, {"broken": json.dumps(broken)}))
    return result


def without(folder: Folder, broken: list[str]) -> tuple[Folder, list[str]]:
    """A folder without its broken files."""
    kept = tuple(p for p in folder.pictures if shown(str(p.path.relative_to(folder.path))) not in broken)
    return Folder(folder.path, folder.classes, kept, folder.notes), broken


def splits_of(
    found: dict[str, Tensor], folder: Folder, broken: list[str]
) -> tuple[dict[str, tuple[Tensor, Tensor]], Folder]:
    """Pictures with their labels. UserError where there is too little to train on, or nothing of a class in a split."""
    if broken:
        folder.notes.append(f"{len(broken)} broken files were left out, the first is {broken[0]}.")
    counts = Counter((p.split, p.label) for p in folder.pictures)
    for split in found:
        for i, name in enumerate(folder.classes):
            least = SMALLEST_CLASS if split == "train" else 1
            if counts[split, i] < least:
                raise UserError(
                    f"{shown(str(folder.path))} has {counts[split, i]} {split} pictures of the class {name!r}, and at "
                    f"least {least} are needed; a folder that is split here needs about ten of each class."
                )
    total = sum(count for (split, _), count in counts.items() if split == "train")
    if total < SMALLEST_SET:
        raise UserError(f"{shown(str(folder.path))} has {total} training pictures: at least {SMALLEST_SET} are needed.")
    labelled = {split: (x, torch.tensor([p.label for p in folder.of(split)])) for split, x in found.items()}
    numbers = ", ".join(f"{len(y):,} {split}" for split, (_, y) in labelled.items())
    folder.notes.insert(
        0, f"The folder {shown(folder.path.name)}: {numbers} pictures in {len(folder.classes)} classes."
    )
    return labelled, folder


def decoded(content: bytes) -> np.ndarray:
    """Decode a picture as a viewer shows it: uint8 (height, width, 3).

    Turned as its EXIF says, where that can be read; transparency on white; 16-bit and floating greys scaled to 8 bits;
    the first frame of several. Raises whatever Pillow does where it is broken.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(content)) as opened:
            opened.load()
            image: Image.Image = opened
            with contextlib.suppress(Exception):  # damaged EXIF is no damaged picture
                image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I") or image.mode == "F":
        grey = to_eight_bits(np.asarray(image), image.mode)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def to_eight_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Grey levels of 16 bits (0 to 65535), or floats (0 to 1, else 0 to 255), as uint8."""
    values = np.nan_to_num(values.astype(np.float64))
    top = values.max(initial=0)
    if mode == "F":
        scaled = values * 255 if top <= 1 else values
    else:
        scaled = values / 257 if mode.startswith("I;16") or top > 255 else values
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
