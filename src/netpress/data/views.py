"""What a network sees of an image: whole batches at once, on the device they are on.

A view takes a batch of grey levels, 0 to 255, uint8 or float, (N, 3, H, W), and a CPU generator; all
randomness is drawn there and moved, so a seed gives the same views on every device. `Normalise` comes after.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from netpress.data import Images

View = Callable[[Tensor, torch.Generator], Tensor]
AREA, ASPECT, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10


@dataclass(frozen=True)
class Normalise:
    """Grey levels (N, 3, H, W), 0 to 255, to float32 of zero mean and unit variance.

    `mean` and `std` are per channel, in units of 255 grey levels (0 to 1), as they are usually published.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, x: Tensor) -> Tensor:
        mean, std = on_device(self, x.device)
        return (x.float() / 255 - mean) / std


@lru_cache(maxsize=16)
def on_device(normalise: Normalise, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 (1, channels, 1, 1) each, once per device."""
    mean, std = torch.tensor((normalise.mean, normalise.std), dtype=torch.float32, device=device).view(2, 1, -1, 1, 1)
    return mean, std


def moved(drawn: Tensor, x: Tensor) -> Tensor:
    """A small tensor on x's device; on a GPU without waiting for what it still has to do."""
    return drawn.to(x.device, non_blocking=x.is_cuda)


def normalise_of(images: Images) -> Normalise:
    """Mean and (population) standard deviation of each channel, exact: from counts of the 256 grey levels."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in images.x.cpu().unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        centre = float((share * levels).sum())
        mean.append(centre)
        std.append(max(math.sqrt(float((share * (levels - centre) ** 2).sum())), 1 / 255))
    return Normalise(tuple(mean), tuple(std))


def plain(x: Tensor, generator: torch.Generator) -> Tensor:
    """The batch itself."""
    return x


def shift(x: Tensor, down: Tensor, right: Tensor, mirrored: Tensor) -> Tensor:
    """Pad by an eighth of the side with black, cut (H, W) out at (down, right) of each image, mirror some.

    down, right: int64 (N,) from 0 to H // 4 (H // 8 is the middle); mirrored: bool (N,).
    """
    height, width = x.shape[-2:]
    pad = height // 8
    windows = F.pad(x, (pad, pad, pad, pad)).unfold(2, height, 1).unfold(3, width, 1)
    cut = windows[torch.arange(len(x), device=x.device), :, down, right]
    return torch.where(mirrored[:, None, None, None], cut.flip(3), cut)


def _offsets(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    down, right = moved(torch.randint(0, 2 * (x.shape[-2] // 8) + 1, (2, len(x)), generator=generator), x)
    return down, right


def _coins(x: Tensor, generator: torch.Generator) -> Tensor:
    return moved(torch.rand(len(x), generator=generator) < 0.5, x)


def crop(x: Tensor, generator: torch.Generator) -> Tensor:
    """Random shift by up to an eighth of the side, without mirroring: for digits."""
    return shift(x, *_offsets(x, generator), torch.zeros(len(x), dtype=torch.bool, device=x.device))


def crop_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Random shift by up to an eighth of the side (4 of 32 pixels), mirrored or not with even chances."""
    return shift(x, *_offsets(x, generator), _coins(x, generator))


def boxes(count: int, side: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Random boxes, int64 (count, 4): top, left, height, width, in pixels of an image of `side`.

    Inception's (Szegedy et al. 2015, section 6): 8 to 100 % of the area, aspect 3:4 to 4:3 uniform in the
    logarithm. Of ten tries the first that fits is taken; if none does, the whole image.
    """
    height, width = side
    area = torch.empty(TRIES, count).uniform_(*AREA, generator=generator) * (height * width)
    low, high = (math.log(a) for a in ASPECT)
    aspect = torch.empty(TRIES, count).uniform_(low, high, generator=generator).exp()
    tall, wide = (area / aspect).sqrt().round().long(), (area * aspect).sqrt().round().long()
    fits = (tall >= 1) & (tall <= height) & (wide >= 1) & (wide <= width)
    choice = fits.byte().argmax(0, keepdim=True)  # the first that fits, or the first if none does
    some = fits.any(0)
    tall = torch.where(some, tall.gather(0, choice)[0], height)
    wide = torch.where(some, wide.gather(0, choice)[0], width)
    where = torch.rand(2, count, generator=generator)
    top, left = ((height - tall + 1) * where[0]).long(), ((width - wide + 1) * where[1]).long()
    return torch.stack((top, left, tall, wide), 1)


def _positions(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Where the centres of `size` new pixels fall in the old ones: (N, size), clamped to the box."""
    steps = (torch.arange(size, device=start.device) + 0.5) / size
    inside = (steps * length[:, None] - 0.5).clamp(min=0)
    return start[:, None] + torch.minimum(inside, length[:, None] - 1.0)


def resample(x: Tensor, box: Tensor, mirrored: Tensor) -> Tensor:
    """Each image's box enlarged bilinearly to the whole image, mirrored where told: float32 (N, 3, H, W)."""
    height, width = x.shape[-2:]
    top, left, tall, wide = moved(box, x).unbind(1)
    rows = (2 * _positions(top, tall, height) + 1) / height - 1
    columns = (2 * _positions(left, wide, width) + 1) / width - 1
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    shape = (len(x), height, width)
    grid = torch.stack((columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)), 3)
    return F.grid_sample(x.float(), grid, mode="bilinear", align_corners=False)


def inception_crop(x: Tensor, generator: torch.Generator) -> Tensor:
    """A random box of each image at the size of the whole, mirrored or not: float32, grey levels 0 to 255."""
    return resample(x, boxes(len(x), (x.shape[-2], x.shape[-1]), generator), _coins(x, generator))


def partners(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(its own share, the other image) of every image of a mixed batch."""
    return torch.rand(count, generator=generator), torch.randperm(count, generator=generator)


def mixup(x: Tensor, generator: torch.Generator) -> Tensor:
    """Every image mixed with another of the batch: float32.

    The share is drawn for each image from Beta(1, 1), which is the uniform distribution (Zhang et al. 2018;
    without labels, as function matching uses it, Beyer et al. 2022, section 3).
    """
    share, other = (moved(drawn, x) for drawn in partners(len(x), generator))
    share, levels = share.view(-1, 1, 1, 1), x.float()
    return share * levels + (1 - share) * levels[other]


def inception_mixup(x: Tensor, generator: torch.Generator) -> Tensor:
    """Inception crop, then mixup: what teacher and student both see in function matching."""
    return mixup(inception_crop(x, generator), generator)


VIEWS: Mapping[str, View] = {
    "plain": plain,
    "crop": crop,
    "crop-flip": crop_flip,
    "inception": inception_crop,
    "inception-mixup": inception_mixup,
}
