"""Where a record was made: device, versions, commit, memory."""

import gc
import platform
import re
import resource
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch

import netpress
from netpress import surroundings
from netpress.training.compute import ComputeConfig


def made(config: ComputeConfig) -> dict[str, Any]:
    """Device, versions, threads, precision, commit and time (UTC)."""
    return {
        "device": device_name(config.device),
        "kind": config.device.split(":")[0],
        "precision": config.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "netpress": netpress.__version__,
        "commit": commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    } | (cuda_made() if config.kind == "cuda" else {})


def cuda_made() -> dict[str, Any]:
    """What else results on a CUDA GPU depend on: versions, and how exact and how repeatable products are."""
    return {
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": driver(),
        "tf32": {"cudnn": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32},
        "deterministic": {
            "cudnn": torch.backends.cudnn.deterministic, "algorithms": torch.are_deterministic_algorithms_enabled(),
        },
    }  # fmt: skip


@cache
def driver() -> str:
    """The version of NVIDIA's driver; "unknown" where it does not tell."""
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found[0] if found else "unknown"


@cache
def device_name(device: str) -> str:
    """The name of the GPU, or of the processor."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.M) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


@cache
def commit() -> str:
    """The commit of the code, "+changes" where the package differs from it; "unknown" outside a checkout
    (`NETPRESS_COMMIT` says it there)."""
    here = Path(netpress.__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return surroundings.commit() or "unknown"


def reset_peak_memory(device: str) -> None:
    """Start a new measurement of peak memory, on devices that measure it."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: str) -> int:
    """Bytes at the peak: of this run on a GPU, of the whole process so far on a CPU."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the device or on the host. While a step is captured it shows as another error."""
    found: BaseException | None = error
    while found:
        if isinstance(found, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(found):
            return True
        found = found.__cause__ or found.__context__
    return False


def free_memory() -> None:
    """Give back what a failed run held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def without_paths(text: str) -> str:
    """A text without folders of this machine: only the names of files stay."""
    own = {Path(netpress.__file__).parent, Path(sys.prefix), Path(tempfile.gettempdir())}
    for folder_of in (Path.home, Path.cwd):
        with suppress(RuntimeError, OSError):  # a user without a home, a working folder that was removed
            own.add(folder_of())
    for folder in sorted(map(str, own), key=len, reverse=True):
        text = text.replace(folder, "") if len(folder) > 1 else text
    text = re.sub(r"""(["'])(?:/|[A-Za-z]:\\)[^"'\n]*[/\\]""", r"\1", text)  # quoted, so perhaps with spaces
    return re.sub(r"""(?<![\w/:.])(?:/|[A-Za-z]:\\)(?:[^\s/\\:"']+[/\\])+""", "", text)
