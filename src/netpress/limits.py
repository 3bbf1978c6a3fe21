"""How much of the machine this process may have: what its control group allows, then its affinity, then all of it.

Control groups (Linux, versions 1 and 2) are how containers and batch systems limit a process.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

HUGE = 2**60  # bytes; version 1 says "no limit" with a number near 2**63


def cores(root: Path = Path("/")) -> int:
    """How many cores this process may use, at least 1. `root` is where `/proc` and `/sys` are looked for."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([own, *(math.ceil(share) for share in quotas(root))]))


def memory(root: Path = Path("/")) -> int:
    """How many bytes this process may use; 8 GiB where the system does not say."""
    try:
        own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        own = 8 * 2**30
    files = ("memory.max", "memory.high", "memory.limit_in_bytes")
    allowed = [number for file in files for words in in_file(root, "memory", file) if (number := whole(words[0]))]
    return min([own, *(number for number in allowed if number < HUGE)])


def quotas(root: Path) -> Iterator[float]:
    """How many cores each control group allows: this process's own group, and those around it."""
    for words in in_file(root, "cpu", "cpu.max"):  # version 2: "50000 100000", or "max 100000"
        quota, period = whole(words[0]), whole(words[-1])
        if quota and period and len(words) == 2:
            yield quota / period
    periods = in_file(root, "cpu", "cpu.cfs_period_us")
    for quota_words, period_words in zip(in_file(root, "cpu", "cpu.cfs_quota_us"), periods, strict=False):
        quota, period = whole(quota_words[0]), whole(period_words[0])
        if quota and period:
            yield quota / period


def in_file(root: Path, controller: str, file: str) -> Iterator[list[str]]:
    """The words in a file of each control group that this process lies in, the outermost last."""
    for folder in groups(root, controller):
        try:
            words = (folder / file).read_text().split()
        except (OSError, ValueError):
            continue
        if words:
            yield words


def groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control groups. A container may show its own group as the outermost one."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        lines = []
    seen = set()
    for line in [*lines, "0::/", f"1:{controller}:/"]:
        _, controllers, own = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        for top in ("sys/fs/cgroup", "sys/fs/cgroup/unified") if not controllers else (f"sys/fs/cgroup/{controller}",):
            here = root / top
            folder = here / own.strip("/")
            for group in (folder, *folder.parents):
                if group not in seen and (group == here or here in group.parents):
                    seen.add(group)
                    yield group


def whole(text: str) -> int | None:
    """A positive whole number; None for "max", -1 and all else."""
    return int(text) if text.isdecimal() and int(text) > 0 else None
