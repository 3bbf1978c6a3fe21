"""An old name of `env`."""

import os

from netpress.env import absolute, changed, wrong
from netpress.env import get as number


def value(name: str) -> str:
    """What a variable holds; "" where it is unset or blank."""
    return os.environ.get(name, "").strip()


def device() -> str:
    """`NETPRESS_DEVICE`."""
    return number("NETPRESS_DEVICE") or ""


def precision() -> str:
    """`NETPRESS_PRECISION`."""
    return number("NETPRESS_PRECISION") or ""


__all__ = ["absolute", "changed", "device", "number", "precision", "value", "wrong"]
