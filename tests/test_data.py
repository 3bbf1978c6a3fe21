"""Data sets against published counts, sums and statistics; their splits and subsets."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from realdata import sha256

from netpress import data
from netpress.data import pixels, views

pytestmark = pytest.mark.usefixtures("own_cache")

IN_FOLDER = ("mnist", "cifar10", "cifar100", "dogs", "flowers102")
PUBLISHED_SUMS = {  # of the decoded arrays, N x 32 x 32 x 3 and int64, from the data folder's own description
    ("cifar100", "train"): ("4e457917601a66aed021f5fa37957b56c6319557c0a8ed5484de3c390af45430",
                            "8bf4935e7c77a3096270043c6f3b221b6ecb9c63d1a08608e9af66cff17e977a"),
    ("cifar100", "test"): ("4cb8e5d9309da489bf6b19cc10cd96c3ae6f8daf225380b605aaee4c0d6aee19",
                           "80031c23f8300724c6fbc588e4bccbe41c6392041782148727bb497b0132c4ad"),
    ("cifar10", "train"): ("6b20c3d0974ab01d5829bdbef94eff479092feac945b4cbb64290af99625d5b7",
                           "f5cfe00b0f00968c0cc5ff3b1d2de51b10e33efa277c2986f4e0fa63e58c9f4f"),
    ("cifar10", "test"): ("529ae04af9da874d1ab84f5a50598845bc32c007d7fd4ac2064f720c90d3475e",
                          "cbb7365de8ed11f05cc4c3a1e7f78144127c5e851efd83762fb18202461230bb"),
}  # fmt: skip
PUBLISHED_STATISTICS = {
    "cifar100": ((0.50707516, 0.48654887, 0.44091784), (0.26733429, 0.25643846, 0.27615047), 1e-8),
    "cifar10": ((0.491400, 0.482158, 0.446531), (0.247028, 0.243484, 0.261586), 1e-6),
}


@pytest.mark.data
@pytest.mark.parametrize(("dataset", "split"), list(PUBLISHED_SUMS))
def test_cifar_is_decoded_to_the_published_arrays(real: Path, dataset: str, split: str) -> None:
    images = data.load(dataset, split)
    assert sha256(images.x.permute(0, 2, 3, 1).numpy()) == PUBLISHED_SUMS[dataset, split][0]
    assert sha256(images.y.numpy()) == PUBLISHED_SUMS[dataset, split][1]
    own = hashlib.sha256(images.x.numpy().tobytes() + images.y.numpy().tobytes()).hexdigest()
    assert images.checksum == own
    if split == "train":
        mean, std, tolerance = PUBLISHED_STATISTICS[dataset]
        measured = views.normalise_of(images)
        assert np.allclose(measured.mean, mean, atol=tolerance, rtol=0)
        assert np.allclose(measured.std, std, atol=tolerance, rtol=0)


@pytest.mark.data
def test_mnist_labels_are_counted_as_published(real: Path) -> None:
    test = data.load("mnist", "test")
    assert torch.bincount(test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    train = gzip.decompress((real / "MNIST/raw/train-labels-idx1-ubyte.gz").read_bytes())[8:]
    expected = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(np.frombuffer(train, np.uint8)).tolist() == expected
    assert torch.bincount(data.load("mnist", "train", px=28).y).tolist() == expected


@pytest.mark.data
def test_mnist_is_grey_in_three_channels_and_untouched_at_its_own_size(real: Path) -> None:
    images = data.load("mnist", "test", px=28)
    raw = gzip.decompress((real / "MNIST/raw/t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    for channel in range(3):
        assert images.x[:, channel].numpy().tobytes() == raw


@pytest.mark.data
@pytest.mark.parametrize("dataset", IN_FOLDER)
def test_every_split_has_the_form_it_promises(real: Path, dataset: str) -> None:
    px = 64 if dataset in ("dogs", "flowers102") else 32
    for split in data.SPLITS if dataset == "flowers102" else ("test", "validation"):
        images = data.load(dataset, split, px=px)
        assert images.x.dtype == torch.uint8 and images.y.dtype == torch.int64
        assert images.x.is_contiguous() and images.x.shape == (len(images.y), 3, px, px)
        assert len(images) == data.count(dataset, split)
        assert len(images.classes) == len(set(images.classes)) == data.classes(dataset)
        assert images.y.unique().tolist() == list(range(data.classes(dataset)))
        assert images.provenance == data.provenance(dataset)
        assert data.citation(dataset) in images.describe()


@pytest.mark.data
def test_pictures_against_pillow_alone(real: Path) -> None:
    images = data.load("flowers102", "test", px=48)
    with tarfile.open(real / "Flowers-102/test_subset.tar") as archive:
        for i, entry in enumerate(archive.getmembers()[:20]):
            picture = Image.open(io.BytesIO(archive.extractfile(entry).read())).convert("RGB")
            width, height = picture.size
            left, top = (width - 128) // 2, (height - 128) // 2
            expected = picture.crop((left, top, left + 128, top + 128)).resize((48, 48), Image.BILINEAR)
            assert np.array_equal(images.x[i].permute(1, 2, 0).numpy(), np.asarray(expected))
    dogs = data.load("dogs", "test", px=64)
    with tarfile.open(real / "Stanford-Dogs/test.tar") as archive:
        for i, entry in enumerate(archive.getmembers()[:20]):
            picture = Image.open(io.BytesIO(archive.extractfile(entry).read())).convert("RGB")
            assert np.array_equal(dogs.x[i].permute(1, 2, 0).numpy(), np.asarray(picture))


@pytest.mark.parametrize(("before", "px"), [(8, 32), (28, 32), (32, 96), (64, 32), (100, 64)])
def test_resize_is_bilinear_with_antialiasing(before: int, px: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (before, before, 3), np.uint8)
    whole = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    expected = torch.nn.functional.interpolate(whole, (px, px), mode="bilinear", antialias=True)
    ours = torch.from_numpy(pixels.resize(image, px).copy()).permute(2, 0, 1)[None].double()
    assert float((ours - expected).abs().max()) <= 1.0  # Pillow rounds to whole levels after each direction


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    parts = [data.load("digits", split, px=8) for split in ("train", "test")]
    assert [len(part) for part in parts] == [1297, 500]
    ours = {(bytes(x[0].numpy().tobytes()), int(y)) for part in parts for x, y in zip(part.x, part.y, strict=True)}
    levels = np.round(bunch.images * 255 / 16).astype(np.uint8)
    assert ours == {(x.tobytes(), int(y)) for x, y in zip(levels, bunch.target, strict=True)}
    assert sorted(np.unique(levels)) == sorted(np.unique(parts[0].x.numpy()))
    for part in parts:
        share = np.bincount(part.y.numpy()) / np.bincount(bunch.target)
        assert np.abs(share * 1797 / len(part) - 1).max() < 0.02


@pytest.mark.parametrize(
    ("split", "images", "expected"),
    [
        ("train", None, "b578eec9a1cf1027361ce73e89c143ec62c0705a6dfa13363c154e14d8b4583d"),
        ("test", None, "362555ecd0566fea1b443802a41437cea7fe89c4977cc5529ca415782dfaf135"),
        ("train", 100, "3babb2bd4a370f53429640d64080515149b0bb610253fa980a87723a9fa684ff"),
    ],
)
def test_the_fixed_split_stays_fixed(split: str, images: int | None, expected: str) -> None:
    """Recorded once: results of different days rest on the same images, or this fails."""
    assert data.load("digits", split, images).checksum == expected


@pytest.mark.parametrize("counts", [(5000,) * 10, (980, 1135, 1032, 892), (50,) * 120, (3, 70, 400)])
def test_prefixes_of_the_order_are_stratified(counts: tuple[int, ...]) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    order = pixels.stratified_order(labels, 5)
    assert sorted(order) == list(range(len(labels)))
    for size in (10, 100, len(labels) // 3, len(labels) - 1):
        found = np.bincount(labels[order[:size]], minlength=len(counts))
        assert np.abs(found - size * np.array(counts) / len(labels)).max() <= 1.5
    assert not np.array_equal(order, pixels.stratified_order(labels, 6))


def test_smaller_subsets_lie_inside_larger_ones() -> None:
    sizes = (1, 10, 64, 500, 1000)
    subsets = [data.load("digits", "train", size) for size in sizes]
    for size, small, large in zip(sizes, subsets, subsets[1:], strict=False):
        assert len(small) == size
        assert torch.equal(large.x[:size], small.x) and torch.equal(large.y[:size], small.y)
    assert torch.bincount(subsets[1].y).tolist() == [1] * 10
    assert data.load("digits", "train", 99999).checksum == data.load("digits", "train").checksum


def rows(images: data.Images) -> set[bytes]:
    return {x.numpy().tobytes() for x in images.x}


@pytest.mark.parametrize("dataset", ["digits", "dogs"])
def test_fit_and_validation_divide_train(request: pytest.FixtureRequest, dataset: str) -> None:
    if dataset != "digits":
        request.getfixturevalue("real")
    train, fit, validation = (data.load(dataset, split) for split in ("train", "fit", "validation"))
    assert len(fit) + len(validation) == len(train)
    assert len(validation) == round(len(train) / 10)
    assert rows(fit) | rows(validation) == rows(train)
    assert not rows(fit) & rows(validation)
    share = torch.bincount(validation.y) / torch.bincount(train.y)
    assert float((share - 0.1).abs().max()) < 0.02


@pytest.mark.data
def test_flowers_have_their_official_validation_images(real: Path) -> None:
    fit, train = data.load("flowers102", "fit"), data.load("flowers102", "train")
    validation = data.load("flowers102", "validation")
    assert fit.checksum == train.checksum
    assert torch.bincount(validation.y).tolist() == [10] * 102
    assert not rows(train) & rows(validation)
