"""How much memory caches may take, and how freed memory is kept for reuse."""

import contextlib
import ctypes

import torch

from netpress import limits, surroundings

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h


def keep_memory() -> None:
    """Let glibc keep freed memory for the next batch.

    Giving large maps back to the system, which zeroes them, costs a quarter of an evaluation. Maps above 128 MiB, such
    as those of caches, are still given back.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**27)
        libc.mallopt(M_TRIM_THRESHOLD, 2**30)


def cache_budget(device: str, share: float = 1.0) -> int:
    """Bytes that the caches of one process may take on a device, as "cuda:1" (`NETPRESS_CACHE_GB` overrides).

    On a GPU: the process's share of half its free memory. Elsewhere: of a quarter of what it may use, at most 2 GiB.
    """
    wanted = surroundings.number("NETPRESS_CACHE_GB")
    if wanted is not None:
        return int(wanted * 2**30)
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0] * share / 2)
    return min(2 * 2**30, int(limits.memory() * share / 4))
