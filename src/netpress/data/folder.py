"""Decoders for the data folder: WebP sheets in npz, idx, tar of JPEG with a table beside it; and the digits.

Every function takes open files whose checksum has matched, by their path in the folder, and a split.
Nothing is unpacked to disk and nothing is unpickled.
"""

import csv
import gzip
import hashlib
import io
import itertools
import json
import tarfile
from typing import BinaryIO

import numpy as np

from netpress.data.raw import Handles, Raw, picture
from netpress.data.registry import DIGITS_LABELS, DIGITS_PIXELS
from netpress.errors import UserError

TEN_DIGITS = tuple("0123456789")


def _sheets(tiles: bytes, offsets: np.ndarray) -> np.ndarray:
    """WebP sheets of 10 x 10 images of 32 x 32, end to end -> uint8 (N, 32, 32, 3)."""
    images = np.empty((100 * (len(offsets) - 1), 32, 32, 3), np.uint8)
    for i, (begin, end) in enumerate(itertools.pairwise(offsets)):
        grid = picture(tiles[begin:end]).reshape(10, 32, 10, 32, 3)
        images[100 * i : 100 * (i + 1)] = grid.transpose(0, 2, 1, 3, 4).reshape(100, 32, 32, 3)
    return images


def _cifar(handles: Handles, folder: str, split: str) -> Raw:
    names = json.loads(handles[f"{folder}/classes.json"].read())
    with np.load(handles[f"{folder}/{split}.npz"], allow_pickle=False) as arrays:
        images = _sheets(arrays["tiles"].tobytes(), arrays["offsets"])
        labels = arrays["labels"].astype(np.int64)
    return Raw(images.__getitem__, labels, tuple(names["fine"] if isinstance(names, dict) else names))


def cifar10(handles: Handles, split: str) -> Raw:
    """CIFAR-10 in the order of the official batches."""
    return _cifar(handles, "CIFAR-10", split)


def cifar100(handles: Handles, split: str) -> Raw:
    """CIFAR-100 with its 100 fine labels, in official order."""
    return _cifar(handles, "CIFAR-100", split)


def _idx(handle: BinaryIO, header: int) -> np.ndarray:
    content = handle.read()
    return np.frombuffer(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content, np.uint8, offset=header)


def mnist(handles: Handles, split: str) -> Raw:
    """MNIST from the official idx files (16 and 8 bytes of header)."""
    prefix = "MNIST/raw/" + {"train": "train", "test": "t10k"}[split]
    images = _idx(handles[f"{prefix}-images-idx3-ubyte.gz"], 16).reshape(-1, 28, 28)
    labels = _idx(handles[f"{prefix}-labels-idx1-ubyte.gz"], 8).astype(np.int64)
    return Raw(images.__getitem__, labels, TEN_DIGITS)


def members(handle: BinaryIO, names: list[str]) -> list[bytes]:
    """The contents of these regular files of a tar, read in memory: links and paths can lead nowhere."""
    found = {}
    wanted = set(names)
    with tarfile.open(fileobj=handle) as archive:
        for entry in archive:
            if entry.name in wanted and entry.isfile():
                found[entry.name] = archive.extractfile(entry).read()  # type: ignore[union-attr]
    if missing := sorted(wanted - found.keys()):
        raise UserError(
            f"An archive of data lacks {len(missing)} expected files, the first is {missing[0]!r}: "
            "a complete archive is needed. Put the original in its place."
        )
    return [found[name] for name in names]


def _pictures(handles: Handles, folder: str, part: str) -> Raw:
    names = json.loads(handles[f"{folder}/classes.json"].read())
    rows = list(csv.DictReader(io.StringIO(handles[f"{folder}/{part}.csv"].read().decode())))
    encoded = members(handles[f"{folder}/{part}.tar"], [row["file"] for row in rows])
    labels = np.array([int(row["label"]) for row in rows], np.int64)
    return Raw(lambda i: picture(encoded[i]), labels, tuple(names))


def dogs(handles: Handles, split: str) -> Raw:
    """The 64 px subset of Stanford Dogs."""
    return _pictures(handles, "Stanford-Dogs", split)


def flowers102(handles: Handles, split: str) -> Raw:
    """Flowers-102 with its short side at 128 px."""
    part = {"train": "train", "validation": "val", "test": "test_subset"}[split]
    return _pictures(handles, "Flowers-102", part)


def digits(handles: Handles, split: str) -> Raw:
    """scikit-learn's 1,797 digits, 8 x 8; 17 levels of grey (0 to 16) are spread over 0 to 255.

    Both splits are in one file: the caller divides them. Raises UserError if the installed copy is another.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    levels, labels = bunch.images.astype(np.uint8), bunch.target.astype("<i8")
    sums = (hashlib.sha256(levels.tobytes()).hexdigest(), hashlib.sha256(labels.tobytes()).hexdigest())
    if sums != (DIGITS_PIXELS, DIGITS_LABELS):
        raise UserError(
            f"scikit-learn's digits have SHA-256 {sums[0][:12]}... and {sums[1][:12]}..., expected "
            f"{DIGITS_PIXELS[:12]}... and {DIGITS_LABELS[:12]}...: install scikit-learn from PyPI again."
        )
    images = np.round(levels * (255 / 16)).astype(np.uint8)
    return Raw(images.__getitem__, labels.astype(np.int64), TEN_DIGITS)
