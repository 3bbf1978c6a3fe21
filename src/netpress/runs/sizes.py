"""Multiply-adds and parameters of a network by block, kept in the cache.

So nobody waits for torch only to learn what a run will cost.
"""

import contextlib
import json
from functools import cache
from pathlib import Path

from netpress import digests, nets, paths
from netpress.atomic import CannotWrite, write_atomic


def sizes(model: str, px: int, classes: int, width: float) -> dict[str, int]:
    """Multiply-adds of one forward pass, by block and head, in order."""
    return {name: multiply_adds for name, (multiply_adds, _) in blocks(model, px, classes, width).items()}


def parameters(model: str, px: int, classes: int, width: float) -> int:
    """How many parameters a network has."""
    return sum(count for _, count in blocks(model, px, classes, width).values())


@cache
def blocks(model: str, px: int, classes: int, width: float) -> dict[str, list[int]]:
    """Block or head -> its multiply-adds and its parameters, in order.

    Those of the package's own networks are kept until its code of them changes; a network of others may change at any
    time, and is looked at anew in every process.
    """
    if model not in nets.MODELS or not (code := code_of_networks()):
        return counted(model, px, classes, width)
    path = paths.cache_dir() / f"sizes-{code}"
    known, key = kept(path), f"{model} {px} {classes} {width}"
    if key not in known:
        known[key] = counted(model, px, classes, width)
        with contextlib.suppress(CannotWrite):  # a cache that cannot be written to costs time alone
            write_atomic(path, json.dumps(known).encode())
    return known[key]


def counted(model: str, px: int, classes: int, width: float) -> dict[str, list[int]]:
    """The same, from the network itself."""
    from netpress.nets.describe import describe

    network = nets.outline(model, px, classes, width)
    size = describe(network, px)
    return {
        name: [size.of_block(name), sum(parameter.numel() for parameter in network[name].parameters())]
        for name in network.names
    }


def kept(path: Path) -> dict[str, dict[str, list[int]]]:
    """What earlier processes counted; nothing where that cannot be read."""
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


@cache
def code_of_networks() -> str:
    """A digest of the code that says what the networks are; "" where that is not known."""
    return digests.of_code(Path(nets.__file__).parent)[:16]
