"""How much memory caches may take, and how freed memory is kept for reuse."""

import contextlib
import ctypes
import os

import torch

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

    On a GPU: the process's share of half its free memory. Elsewhere: of a quarter of the machine's, at most 2 GiB.
    """
    if "NETPRESS_CACHE_GB" in os.environ:
        return int(float(os.environ["NETPRESS_CACHE_GB"]) * 2**30)
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0] * share / 2)
    return min(2 * 2**30, int(machine_memory() * share / 4))


def machine_memory() -> int:
    """Bytes of the machine's memory; 8 GiB if the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30
