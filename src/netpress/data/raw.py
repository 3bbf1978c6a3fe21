"""What every decoder returns: labelled images of any size, decoded one at a time, in their official order."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

Handles = Mapping[str, BinaryIO]  # path inside the data folder -> open file whose checksum has matched


@dataclass(frozen=True)
class Raw:
    """`image(i)` is uint8, (height, width) grey or (height, width, 3) RGB; `labels` is int64, (N,)."""

    image: Callable[[int], np.ndarray]
    labels: np.ndarray
    classes: tuple[str, ...]


Decoder = Callable[[Handles, str], Raw]


def picture(encoded: bytes) -> np.ndarray:
    """A JPEG, PNG or WebP as RGB, uint8 (height, width, 3)."""
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image.convert("RGB"))
