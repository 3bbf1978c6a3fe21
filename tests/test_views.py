"""Views of whole batches, against plain loops over single images and torchvision's own operations."""

import math

import pytest
import torch

from netpress import data
from netpress.compat import import_torchvision
from netpress.data import views

SIDES = [32, 64]


def batch(count: int = 16, side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(1)).byte()


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_plain_is_the_identity() -> None:
    x = batch()
    assert views.plain(x, seeded()) is x


@pytest.mark.parametrize("name", list(views.VIEWS))
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_shape_range_determinism_and_input_untouched(name: str, side: int, kind: torch.dtype) -> None:
    x = batch(side=side).to(kind)
    before = x.clone()
    once, again = views.VIEWS[name](x, seeded()), views.VIEWS[name](x, seeded())
    assert torch.equal(once, again)
    assert torch.equal(x, before)
    assert once.shape == x.shape
    assert float(once.min()) >= 0
    assert float(once.max()) <= 255 + 1e-3
    if name != "plain":
        assert not torch.equal(once, views.VIEWS[name](x, seeded(8)))


@pytest.mark.parametrize("name", list(views.VIEWS))
def test_batches_of_one_and_none(name: str) -> None:
    assert views.VIEWS[name](batch(1), seeded()).shape == (1, 3, 32, 32)
    assert views.VIEWS[name](batch(1)[:0], seeded()).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("side", SIDES)
def test_shift_against_a_loop_over_images(side: int) -> None:
    x, pad = batch(40, side), side // 8
    random = seeded()
    down, right = torch.randint(0, 2 * pad + 1, (2, 40), generator=random)
    mirrored = torch.rand(40, generator=random) < 0.5
    expected = torch.zeros_like(x)
    for n in range(40):
        for i in range(side):
            row = i + int(down[n]) - pad
            if 0 <= row < side:
                for j in range(side):
                    column = (side - 1 - j if mirrored[n] else j) + int(right[n]) - pad
                    if 0 <= column < side:
                        expected[n, :, i, j] = x[n, :, row, column]
    assert torch.equal(views.shift(x, down, right, mirrored), expected)


def test_crop_never_mirrors_and_crop_flip_does() -> None:
    """A column gradient tells left from right whatever the shift."""
    x = torch.arange(100, 132).byte().expand(400, 3, 32, 32).contiguous()
    rise = lambda y: y[:, 0, 16, 20].int() - y[:, 0, 16, 12].int()  # noqa: E731
    assert (rise(views.crop(x, seeded())) > 0).all()
    share = (rise(views.crop_flip(x, seeded())) > 0).double().mean()
    assert abs(float(share) - 0.5) < 0.1


def test_shifts_are_uniform() -> None:
    x = torch.zeros(8100, 1, 32, 32, dtype=torch.uint8)
    x[:, :, 16, 16] = 1
    where = views.crop(x, seeded()).flatten(1).argmax(1)
    rows, columns = torch.bincount(where // 32, minlength=32), torch.bincount(where % 32, minlength=32)
    for counts in (rows, columns):
        assert counts.nonzero().flatten().tolist() == list(range(12, 21))
        assert float((counts[12:21] - 900).abs().max()) < 5 * math.sqrt(900)


@pytest.mark.parametrize("side", SIDES)
def test_inception_crop_against_torchvision(side: int) -> None:
    import_torchvision()
    from torchvision.transforms.v2 import functional

    x, box = batch(60, side), views.boxes(60, (side, side), seeded())
    mirrored = torch.arange(60) % 2 == 0
    ours = views.resample(x, box, mirrored)
    for n, (top, left, tall, wide) in enumerate(box.tolist()):
        theirs = functional.resized_crop(x[n].float(), top, left, tall, wide, [side, side], antialias=False)
        theirs = theirs.flip(2) if mirrored[n] else theirs
        assert torch.allclose(ours[n], theirs, atol=5e-2), (n, float((ours[n] - theirs).abs().max()))


def test_whole_box_is_the_image() -> None:
    x = batch()
    whole = torch.tensor([[0, 0, 32, 32]]).expand(16, 4)
    assert torch.allclose(views.resample(x, whole, torch.zeros(16).bool()), x.float(), atol=1e-2)


def test_boxes_lie_inside_with_area_and_aspect_as_asked() -> None:
    top, left, tall, wide = views.boxes(20000, (224, 224), seeded()).double().unbind(1)
    assert bool(((top >= 0) & (left >= 0) & (top + tall <= 224) & (left + wide <= 224)).all())
    area, aspect = tall * wide / 224**2, wide / tall
    assert float(area.min()) > 0.07 and float(area.max()) <= 1
    assert float(aspect.min()) > 0.73 and float(aspect.max()) < 1.37
    assert abs(float(aspect.log().mean())) < 0.01
    # Uniform between 0.08 and 1 except near 1, where elongated boxes do not fit: the lower half is untouched.
    low = area[area < 0.54]
    assert abs(float(low.mean()) - 0.31) < 0.01


def test_mixup_is_a_share_of_two_images() -> None:
    x = batch(64)
    mixed = views.mixup(x, seeded())
    random = seeded()
    share, other = torch.rand(64, generator=random), torch.randperm(64, generator=random)
    for n in range(64):
        s = float(share[n])
        expected = s * x[n].double() + (1 - s) * x[other[n]].double()
        assert torch.allclose(mixed[n].double(), expected, atol=1e-3)


def test_mixup_shares_follow_beta_1_1() -> None:
    """Beta(1, 1) has mean 1/2 and variance 1/12; measured where images are told apart by one white one."""
    x = torch.zeros(20000, 1, 1, 1)
    x[::2] = 255
    mixed = views.mixup(x, seeded()).flatten() / 255
    inside = mixed[(mixed > 0) & (mixed < 1)].double()
    assert abs(float(inside.mean()) - 0.5) < 0.01
    assert abs(float(inside.var()) - 1 / 12) < 0.003


def test_normalise_by_hand() -> None:
    x = torch.tensor([0, 51, 255]).byte().view(1, 3, 1, 1)
    normalise = views.Normalise((0.5, 0.2, 0.0), (0.5, 0.1, 2.0))
    expected = torch.tensor([-1.0, 0.0, 0.5]).view(1, 3, 1, 1)
    assert normalise(x).dtype == torch.float32
    assert torch.allclose(normalise(x), expected, atol=1e-6)
    assert torch.equal(normalise(x), normalise(x.float()))


def test_normalise_of_training_images_centres_them() -> None:
    images = data.load("digits", "train")
    normalised = views.normalise_of(images)(images.x).double()
    assert float(normalised.mean((0, 2, 3)).abs().max()) < 1e-5
    assert float((normalised.std((0, 2, 3), unbiased=False) - 1).abs().max()) < 1e-5


def test_normalise_of_constant_images_stays_finite() -> None:
    digits = data.load("digits", "train", images=2)
    flat = data.Images(torch.full_like(digits.x, 9), digits.y, digits.classes, "digits", "train", "", "")
    assert bool(views.normalise_of(flat)(flat.x).isfinite().all())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", list(views.VIEWS))
def test_the_same_views_on_a_gpu(name: str) -> None:
    x = batch()
    here, there = views.VIEWS[name](x, seeded()), views.VIEWS[name](x.cuda(), seeded())
    assert there.is_cuda
    assert torch.allclose(here.float(), there.cpu().float(), atol=1e-2)
