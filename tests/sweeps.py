"""Tiny runs and small sweeps for the tests, and processes that do them."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netpress.compress.edits import Inherit, Prune, Random, ShareWeights
from netpress.runs import records
from netpress.runs.run import Run
from netpress.training.stage import Stage

EDITION = "demo"
ROOT = Path(__file__).parent.parent
NETPRESS = Path(sys.executable).parent / "netpress"
LIBC = ctypes.CDLL(None)
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # of linux/prctl.h and linux/capability.h


def tiny(method: str, seed: int = 0, steps: tuple = (), needs: tuple = (), **settings: Any) -> Run:
    """A run of a tenth of a second."""
    steps = steps or (Stage("train", epochs=1, batch_size=32),)
    settings = {"model": "cnn-16-32", "images": 96, "width": 1 / 4} | settings
    return Run(paper="triage", dataset="digits", method=method, seed=seed, px=32, steps=steps, needs=needs, **settings)


def parent(seed: int = 0) -> Run:
    """A network that others need."""
    return tiny("parent", seed, (Stage("train", epochs=2, batch_size=32),))


def child(seed: int = 0, number: int = 0) -> Run:
    """A network that begins from a parent."""
    retrain = Stage("retrain", epochs=1, batch_size=32, lr=0.01 * (number + 1))
    return tiny(f"child{number}", seed, (Inherit(), retrain), (("parent", parent(seed)),))


def grid(runs: int) -> tuple[Run, ...]:
    """So many runs: every tenth a parent, the others its children."""
    return tuple(parent(n // 10) if n % 10 == 0 else child(n // 10, n % 10) for n in range(runs))


def intricate(epochs: int = 4) -> tuple[Run, ...]:
    """Runs in which most can go wrong when they are resumed: dropout, both optimisers, caches, a beginning that two
    share, masks, code books and several stages."""
    vgg = {"model": "vgg16", "width": 1 / 32, "images": 128}
    whole = tiny("whole", 0, (Stage("train", epochs=epochs, batch_size=32, view="crop"),), **vgg)
    imitate = Stage(
        "imitate",
        loss="block-l2",
        at="block5",
        trains=("block5",),
        teacher="parent",
        epochs=epochs,
        batch_size=32,
        optimiser="adam",
        lr=1e-3,
        weight_decay=0.0,
        shared=True,
    )
    retrain = Stage("retrain", epochs=epochs, batch_size=32)
    replaced = vgg | {"model": "vgg16-block5"}
    alike = [
        tiny(name, 0, (Inherit(), Random("block5"), imitate, last), (("parent", whole),), **replaced)
        for name, last in (
            ("thawed", retrain),
            ("frozen", Stage("retrain", trains=("block5",), epochs=epochs, batch_size=32)),
        )
    ]
    tune = Stage("tune", epochs=epochs, batch_size=32, optimiser="adam", lr=1e-3)
    pruned = tiny("pruned", 0, (Inherit(), Prune(4.0), retrain, ShareWeights(3), tune), (("parent", whole),), **vgg)
    return (whole, *alike, pruned)


@dataclass(frozen=True)
class Trouble:
    """An edit that has a fault as long as a file is there, and afterwards does nothing."""

    how: str
    file: str

    def apply(self, network: Any, needs: dict[str, Any]) -> Any:
        if Path(self.file).exists():
            make_trouble(self.how, network)
        return network


@dataclass(frozen=True)
class BadMeasure:
    """A measure that fails as long as a file is there."""

    file: str

    def take(self, trained: Any) -> dict[str, Any]:
        if Path(self.file).exists():
            raise ValueError("nothing can be measured")
        return {}


def make_trouble(how: str, network: Any) -> None:
    """A fault that was asked for."""
    import torch

    if how == "raise":
        raise RuntimeError("a made-up mistake in /home/somebody/secret place/thing.py")
    if how == "memory":
        torch.empty(2**50)
    if how == "diverge":
        next(network.parameters()).data.fill_(float("nan"))
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def made_up(done: int, epochs: int) -> Any:
    """A checkpoint with some tensors."""
    import torch

    from netpress.training.checkpoint import Checkpoint

    network = {
        "a": torch.full((3, 4, 5, 6), float(done)).to(memory_format=torch.channels_last), "n": torch.tensor(7),
    }  # fmt: skip
    optimiser = {"state": {0: {"step": torch.tensor(2.0)}}, "param_groups": []}
    metadata = {"done": done, "epochs": epochs, "rows": [], "loss": 0.1}
    return Checkpoint(network, optimiser, {"cpu": torch.get_rng_state()}, metadata)


def found(results: Path, edition: str = EDITION) -> dict[str, dict[str, Any]]:
    """All records of an edition by name, without times; every file of a record must be whole."""
    there = {}
    for path in sorted((results / edition).rglob("*.json")):
        record = records.load(path)
        there[record["name"]] = records.bare(record)
    return there


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a process whose records and cache lie in `folder`."""
    own = {"NETPRESS_RESULTS": str(folder / "results"), "NETPRESS_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return os.environ | own | {"PYTHONPATH": str(ROOT / "src")} | more


def start(folder: Path, *words: object, **more: str) -> subprocess.Popen:
    """disturbed.py in a process group of its own; its stderr goes to `folder`/log."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, ROOT / "tests" / "disturbed.py", *map(str, words)]
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            command,
            env=environment(folder, **more),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            cwd=folder,
        )


def command(folder: Path, *words: object, **more: str) -> subprocess.CompletedProcess:
    """The command line, to its end."""
    return subprocess.run(
        [NETPRESS, *map(str, words)], env=environment(folder, **more), capture_output=True, text=True, timeout=600
    )


def python(folder: Path, text: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess:
    """A text as a program, to its end; what files' modes forbid is forbidden to it, also where root runs the tests."""
    words = [sys.executable, "-c", text]
    own = environment(folder, **more)
    return subprocess.run(
        words, env=own, cwd=cwd, capture_output=True, text=True, timeout=600, preexec_fn=without_roots_rights
    )


def without_roots_rights() -> None:
    """Give up, from the next exec on, what lets Linux's root read and write every file (capabilities(7))."""
    if sys.platform == "linux" and os.getuid() == 0:
        for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            LIBC.prctl(PR_CAPBSET_DROP, right, 0, 0, 0)  # refused where root has few rights, and these neither


def kill(process: subprocess.Popen, whole_group: bool = True) -> None:
    """kill -9, of the process alone or of all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def at_most(seconds: float) -> float:
    """So many seconds on a machine that has nothing else to do; more where many processes wait for a core."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_for(what: Callable[[], Any], seconds: float) -> float:
    """Wait until something is true; how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < at_most(seconds), f"still not so after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def edition_of(folder: Path) -> str:
    """The edition of the only records under way."""
    (path,) = (folder / "results").iterdir()
    return path.name


def script(folder: Path, *words: object, **more: str) -> dict[str, Any]:
    """disturbed.py, to its end; what it printed."""
    process = start(folder, *words, **more)
    printed, _ = process.communicate(timeout=3000)
    assert process.returncode == 0, f"{process.returncode}: {(folder / 'log').read_text()[-3000:]}"
    return json.loads(printed.splitlines()[-1])  # Ray may have said something before
