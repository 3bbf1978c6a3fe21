"""Seeds that depend on names alone, never on order, process or machine."""

import hashlib

import torch


def seed_of(*parts: object) -> int:
    """A 63-bit seed from any printable parts."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A CPU generator seeded by `seed_of(parts)`."""
    return torch.Generator().manual_seed(seed_of(*parts))
