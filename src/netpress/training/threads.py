"""One thread a run: one and two threads give different bits, and runs side by side are as fast."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single() -> Iterator[None]:
    """Compute with one thread inside, as before outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
