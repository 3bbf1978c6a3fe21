"""Seeds that depend on names alone, never on order, process or machine."""

import hashlib

import torch

from netpress.editions import FRESH


def seed_of(*parts: object) -> int:
    """A 63-bit seed from any printable parts."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def seed_of_run(dataset: str, seed: int, *parts: object) -> int:
    """A seed for a part of a run. Fresh seeds, from FRESH on, differ between data sets; the pilot's do not."""
    return seed_of(seed, *parts) if seed < FRESH else seed_of(dataset, seed, *parts)


def generator(*parts: object) -> torch.Generator:
    """A CPU generator seeded by `seed_of(parts)`."""
    return torch.Generator().manual_seed(seed_of(*parts))
