"""Several networks on one GPU: how many, and NVIDIA's MPS, with which they compute side by side instead of in turns."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netpress import limits, paths
from netpress.atomic import temporary_folder

# Chosen by what a network leaves idle; `netpress bench together` measures it. Seen on an H100 with 16 cores: networks
# of width 1/4 came to about 4,000 steps a second together, 10 at once as well as 28.
AT_WIDTH = ((1.0, 2), (0.5, 4), (0.0, 8))  # from this width on so many networks at once
IN_TURNS = 2  # without MPS: one computes while the other prepares
OWN, AT_FULL_WIDTH = 2**30, 6 * 2**30  # bytes of a process: CUDA itself, and a network at full width with its cache
CONTROL = "nvidia-cuda-mps-control"
FREE = "import sys, torch; print(torch.cuda.mem_get_info(sys.argv[1])[0])"
PATIENCE = 120  # seconds for the first process on a GPU, which loads CUDA


def at_once(width: float) -> int:
    """How many networks of this width fill a GPU, one for each core at most."""
    return min(limits.cores(), next(count for least, count in AT_WIDTH if width >= least))


def fitting(count: int, width: float, free: int) -> int:
    """So many networks as have room in `free` bytes, at least one."""
    return max(1, min(count, int(free // (OWN + AT_FULL_WIDTH * min(width, 1.0)))))


@contextmanager
def shared(device: str, asked: int | None, width: float, most: int) -> Iterator[int]:
    """Inside, the processes that are started share the GPU; gives how many there should be, `most` at most.

    `asked`: the user's number, which is kept. `width`: of the widest network. How much memory is free another process
    looks up: one in exclusive mode would serve this one and no other.
    """
    wanted = min(asked or at_once(width), most)
    if wanted == 1:
        yield 1
        return
    with side_by_side(device) as free:
        if not asked and free is None:
            wanted = min(wanted, IN_TURNS)
            free = free_memory(device)
        yield wanted if asked else fitting(wanted, width, free or 0)


@contextmanager
def side_by_side(device: str) -> Iterator[int | None]:
    """Inside, processes that are started share the GPU by MPS. Gives the bytes that are free on it; None where MPS
    cannot be had, which is told.

    The daemon is our own, in a folder of ours, and ends with us; one that the user has started serves instead.
    """
    if "CUDA_MPS_PIPE_DIRECTORY" in os.environ:
        yield free_memory(device)
        return
    with temporary_folder(paths.short_folder()) as folder:  # its name is part of that of a socket
        own = {"CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipe"), "CUDA_MPS_LOG_DIRECTORY": str(folder / "log")}
        reason, free = begin(own), None
        try:
            if not reason and (free := free_memory(device, own)) is None:
                reason = f"a process could not use the GPU with it; {last_line(folder / 'log')}"
            if reason:
                print(f"netpress: without MPS ({reason}) the networks share the GPU in turns.", file=sys.stderr)
            else:
                os.environ.update(own)
            yield free
        finally:
            for name in own:
                os.environ.pop(name, None)
            control(own, "quit -t 1")


def begin(own: dict[str, str]) -> str:
    """Start the daemon; why it could not be started, "" where it could."""
    for folder in own.values():
        Path(folder).mkdir()
    answer = Path(own["CUDA_MPS_LOG_DIRECTORY"]) / "answer"
    try:
        with answer.open("w") as file:  # no pipe, which the daemon would keep open; Ctrl-C is for us
            done = subprocess.run(
                [CONTROL, "-d"], env=os.environ | own, timeout=PATIENCE,
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
    except OSError:
        return f"there is no {CONTROL}"
    except subprocess.TimeoutExpired:
        return f"{CONTROL} did not answer"
    return "" if done.returncode == 0 else answer.read_text(errors="replace").strip() or f"{CONTROL} failed"


def control(own: dict[str, str], command: str) -> None:
    """Tell the daemon something, where there is one."""
    try:
        subprocess.run([CONTROL], input=command, env=os.environ | own, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return


def free_memory(device: str, own: dict[str, str] | None = None) -> int | None:
    """The bytes that are free on a GPU, as a process of its own finds it; None where that cannot use it."""
    words = [sys.executable, "-c", FREE, device]
    try:
        done = subprocess.run(
            words, env=os.environ | (own or {}), capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        return int(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def last_line(folder: Path) -> str:
    """What MPS has written last."""
    lines = [line for log in sorted(folder.glob("*.log")) for line in log.read_text(errors="replace").splitlines()]
    return lines[-1].strip() if lines else "its logs are empty"
