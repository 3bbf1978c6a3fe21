"""Which images, and at what size: fixed stratified orders, centre crop, bilinear resize.

Everything here is the same on every machine and for every seed of training: orders come from NumPy's legacy
generator, whose stream is frozen for good, and resizing is Pillow's integer arithmetic.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

SPLIT, SUBSET = 1998, 2009  # two seeds, so that a subset is no twin of the validation images
DIGITS_TEST = 500


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """All indices 0..N-1 in a random order whose every prefix has the classes in their proportions.

    The k-th image of a class with n images stands at (k + 1/2) / n; ties are broken at random.
    """
    random = np.random.RandomState(seed)
    shuffled = random.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = shuffled[labels[shuffled] == label]
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.lexsort((random.permutation(len(labels)), place))


def held_out(labels: np.ndarray, count: int, *, keep: bool) -> np.ndarray:
    """Indices of a fixed stratified `count` images (`keep`) or of all others, in their original order."""
    order = stratified_order(labels, SPLIT)
    return np.sort(order[:count] if keep else order[count:])


def choose(labels: np.ndarray, dataset: str, split: str, own_validation: bool) -> np.ndarray:
    """Indices into the decoded images that make up `split`.

    digits come undivided: 500 are for testing. fit and validation are a fixed 90 : 10 division of train,
    except where the data set has its own validation split.
    """
    chosen = np.arange(len(labels))
    if dataset == "digits":
        chosen = held_out(labels, DIGITS_TEST, keep=split == "test")
    if split in ("fit", "validation") and not own_validation:
        part = held_out(labels[chosen], tenth(len(chosen)), keep=split == "validation")
        chosen = chosen[part]
    return chosen


def tenth(count: int) -> int:
    """How many of `count` training images are the validation images."""
    return round(count / 10)


def first(labels: np.ndarray, images: int | None) -> np.ndarray:
    """The first `images` of the fixed stratified order: a smaller subset lies inside a larger one.

    None, or as many as there are or more: all of them in their original order.
    """
    if images is None or images >= len(labels):
        return np.arange(len(labels))
    return stratified_order(labels, SUBSET)[:images]


def square(image: np.ndarray) -> np.ndarray:
    """The central square of (height, width) or (height, width, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def resize(image: np.ndarray, px: int) -> np.ndarray:
    """The central square at px x px: bilinear, with antialiasing where it shrinks; grey stays one channel."""
    middle = square(image)
    if middle.shape[0] == px:
        return middle
    resized = Image.fromarray(np.ascontiguousarray(middle)).resize((px, px), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def pack(image: Callable[[int], np.ndarray], chosen: np.ndarray, px: int) -> np.ndarray:
    """The chosen images as uint8 (N, 3, px, px); grey is copied to three channels."""
    packed = np.empty((len(chosen), 3, px, px), np.uint8)
    for row, index in enumerate(chosen):
        small = resize(image(int(index)), px)
        packed[row] = small if small.ndim == 2 else small.transpose(2, 0, 1)
    return packed
