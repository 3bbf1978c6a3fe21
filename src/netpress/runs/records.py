"""Records: what finished runs leave. One JSON file a run, whole or absent."""

import hashlib
import json
import logging
import math
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netpress
from netpress import editions, env
from netpress.errors import CannotWrite, plain
from netpress.files import set_aside, write_atomic
from netpress.runs.run import Run, described

if TYPE_CHECKING:
    import pandas as pd

    from netpress.training.compute import ComputeConfig

Record = dict[str, Any]
FORMAT = 1  # raised when older versions could not read what is written; a record without a number has the first
UNREADABLE = "unreadable"  # the state of a run in whose record's place lies something else
FINISHED = ("done", "diverged", "failed", "out-of-memory")
RESULTS = ("done", "diverged")  # the others say that something went wrong, and are worth doing again
TIMES = ("made", "peak_memory", "format")
TIMES_OF_STAGE = ("seconds", "images_per_second", "shared")  # shared: another run had the cost
COLUMNS = ("status", "best", "last", "epochs_to_99", "parameters", "multiply_adds", "peak_memory")


def folder_of(edition: str, results: Path | None = None) -> Path:
    """results/<edition>."""
    return (results or env.results_dir()) / editions.proper(edition)


def path_of(run: Run, edition: str, results: Path | None = None) -> Path:
    """results/<edition>/<paper>/<data set>/<label>.json."""
    return folder_of(edition, results) / file_of(run)


def file_of(run: Run) -> str:
    """The last part of the path, with "=" for ":", which Windows allows in no file's name."""
    return f"{run.name.replace(':', '=')}.json"


# --- writing


def write(run: Run, edition: str, content: Record, results: Path | None = None) -> Path:
    """Put a run's record in its place. A stale or damaged one that is there is set aside, not deleted.

    Raises CannotWrite where something else lies there: a newer version's record, a folder, a pipe.
    """
    path = path_of(run, edition, results)
    try:
        old = load(path)
        if old.get("fingerprint") != run.fingerprint:
            path.replace(path.with_suffix(f".{old.get('fingerprint', '')[:8]}.stale"))
    except FileNotFoundError:
        pass
    except Unusable as trouble:
        if not trouble.remake:
            raise CannotWrite(f"{path} {trouble}: move it away and run again.") from None
        set_aside(path)
    head = {"name": run.name, "fingerprint": run.fingerprint, "status": content["status"], "format": FORMAT}
    write_atomic(path, encode(head | content | {"edition": edition, "run": described(run)}))
    return path


def encode(record: Record) -> bytes:
    """A record as the bytes of its file."""
    return (json.dumps(finite(record), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def finite(value: object) -> Any:
    """A value with None for every number that JSON has no word for: a loss may be infinite on the test images."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(held) for key, held in value.items()}
    return [finite(held) for held in value] if isinstance(value, list | tuple) else value


def made(config: "ComputeConfig") -> dict[str, Any]:
    """Where a record is made: device, versions, threads, precision, commit and time (UTC)."""
    import torch

    found = {
        "device": device_name(config.device),
        "kind": config.kind,
        "precision": config.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "netpress": netpress.__version__,
        "commit": commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if config.kind != "cuda":
        return found
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return found | {
        "cuda": torch.version.cuda,
        "cudnn": cudnn.version(),
        "driver": driver(),
        "tf32": {"cudnn": cudnn.allow_tf32, "matmul": matmul.allow_tf32},
        "deterministic": {
            "cudnn": cudnn.deterministic,
            "algorithms": torch.are_deterministic_algorithms_enabled(),
        },
    }


def output(*words: str, **more: Any) -> str:
    """What a command prints; "" where it fails or is not here."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True, **more)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


@cache
def driver() -> str:
    """The version of NVIDIA's driver; "unknown" where it does not tell."""
    found = output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").split()
    return found[0] if found else "unknown"


@cache
def device_name(device: str) -> str:
    """The name of the GPU, or of the processor."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.M) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


@cache
def commit() -> str:
    """The commit of the code, "+changes" where the package differs from it; "unknown" where no checkout holds this
    very package (`NETPRESS_COMMIT` says it there)."""
    here = Path(netpress.__file__)
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook's repository
    git = ("git", "-C", str(here.parent))
    if not output(*git, "ls-files", "--error-unmatch", here.name, env=own):
        return env.get("NETPRESS_COMMIT") or "unknown"
    changes = output(*git, "status", "--porcelain", ".", env=own)
    return output(*git, "rev-parse", "--short=12", "HEAD", env=own) + ("+changes" if changes else "")


# --- reading


class Unusable(Exception):
    """A file in the place of a record that is none, or none that this version can read.

    `remake`: the run may be done again, and the file set aside; else nothing is done until somebody has looked at it.
    """

    def __init__(self, reason: str, remake: bool = False):
        self.remake = remake
        super().__init__(reason)


def load(path: str | Path) -> Record:
    """The record in a file. Raises FileNotFoundError, and Unusable for anything that is no record."""
    if not Path(path).is_file():  # a folder, a pipe
        if os.path.lexists(path):
            raise Unusable("is no file")
        raise FileNotFoundError(path)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror or error})") from error
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise Unusable("is cut or was altered", remake=True) from None
    if not isinstance(record, dict):
        raise Unusable("is no record")
    if not isinstance(record.get("format", 1), int) or record.get("format", 1) > FORMAT:
        raise Unusable("was written by a newer version of netpress")
    if not isinstance(record.get("name"), str) or record.get("status") not in FINISHED:
        raise Unusable("is no record of this version")
    record.pop("sha256", None)  # older records end with a digest of themselves
    return record


def of_run(record: Record) -> Record:
    """The record, where it is a run's. Raises Unusable for one that lacks what every run's record has."""
    number = int | float
    kinds: dict[str, Any] = {"fingerprint": str, "edition": str, "made": dict, "run": dict}
    kinds |= {"best": number, "last": number} if record["status"] == "done" else {}
    kinds |= {key: kind for key, kind in {"stages": list, "history": list, "measures": dict}.items() if key in record}
    if not all(isinstance(record.get(key), kind) for key, kind in kinds.items()):
        raise Unusable("is no run's record: it does not say what was run, where, or what came of it")
    return record


def read(path: str | Path, check: Callable[[Record], Record] = lambda record: record) -> Record | None:
    """The record at `path`; None where there is none. One that cannot be used is named on stderr and counts as none.

    `check`: `of_run` where it must be a run's.
    """
    try:
        return check(load(path))
    except FileNotFoundError:
        return None
    except Unusable as trouble:
        tell(str(path), str(trouble))
        return None


@cache
def tell(path: str, reason: str) -> None:
    """Name a file that is passed over, once, on stderr. Nothing is renamed: a sweep does so when it makes it again."""
    logging.getLogger("netpress").warning("netpress: %s %s: it is passed over.", plain(path), plain(reason))


def bare(record: Record) -> Record:
    """A record without its times: what is equal whenever the run is done again."""
    stages = [{k: v for k, v in stage.items() if k not in TIMES_OF_STAGE} for stage in record.get("stages", [])]
    return {key: value for key, value in record.items() if key not in TIMES} | {"stages": stages}


def fresh(runs: Iterable[Run], edition: str, results: Path | None = None) -> dict[Run, Record]:
    """The records of those runs that have one of their own fingerprint; stale ones are left out."""
    folder = str(folder_of(edition, results))
    found = {run: read(f"{folder}/{file_of(run)}", of_run) for run in runs}
    return {run: record for run, record in found.items() if record and record["fingerprint"] == run.fingerprint}


def state(run: Run, edition: str, results: Path | None = None) -> str:
    """ "done", "diverged", "failed", "out-of-memory", "stale", "missing" or "unreadable"."""
    return state_at(path_of(run, edition, results), run.fingerprint)


def state_at(path: str | Path, fingerprint: str) -> str:
    """The state of the run with this fingerprint whose record's place is `path`."""
    found = read(path, of_run)
    if found is None:
        return UNREADABLE if os.path.lexists(path) else "missing"
    return found["status"] if found["fingerprint"] == fingerprint else "stale"


def changed_editions(results: Path | None = None) -> list[str]:
    """Editions with changed settings that have records."""
    folder = results or env.results_dir()
    return sorted(path.name for path in folder.glob("*+*") if path.is_dir()) if folder.is_dir() else []


def every(edition: str, results: Path | None = None) -> Iterator[Record]:
    """Every run's record of an edition, stale ones too, in the order of names."""
    for path in sorted(((results or env.results_dir()) / edition).glob("*/*/*.json")):
        record = read(path, lambda record: of_run(record) if "run" in record else record)
        if record and "run" in record:
            yield record


def signature(folder: Path) -> str:
    """Hash of names, sizes and times of the records in `folder` (a cache key)."""
    files = ((str(path), path.stat()) for path in sorted(folder.rglob("*.json")))
    return hashlib.sha256(repr([(name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in files]).encode()).hexdigest()


# --- tables


def frame(runs: Sequence[Run], edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row a run. Accuracies are fractions in 0..1; extra measurements are columns `measures.<name>`.

    A run without a fresh record has the status "missing" or "stale" and no numbers, so that nobody overlooks it.
    """
    import pandas as pd

    results = results or env.results_dir()
    found = fresh(runs, edition, results)
    rows = []
    for run in runs:
        if run in found:
            rows.append(row_of(run, found[run]))
        else:
            keys = ("paper", "dataset", "model", "method", "seed", "epochs", "name")
            settings = {key: getattr(run, key) for key in keys} | dict(run.factors)
            rows.append(settings | {"edition": edition, "status": state(run, edition, results)})
    named = ["paper", "dataset", "model", "method", "seed", "edition", *COLUMNS, "seconds", "images_per_second"]
    made = ["kind", "device", "commit", "time", "took"]
    columns = [*named, *made, "epochs", "curve", "final_epochs", "name", "fingerprint"]
    return pd.DataFrame(rows, columns=list(dict.fromkeys([*columns, *(key for row in rows for key in row)])))


def row_of(run: Run, record: Record) -> dict[str, Any]:
    """One row of `frame`."""
    settings = {key: getattr(run, key) for key in ("paper", "dataset", "model", "method", "seed")}
    seconds = sum(stage["seconds"] for stage in record.get("stages", []))
    images = sum(stage["seconds"] * stage["images_per_second"] for stage in record.get("stages", []))
    made = record["made"]
    return {
        **settings,
        **dict(run.factors),
        "edition": record["edition"],
        **{key: record.get(key) for key in COLUMNS},
        "seconds": seconds,
        "images_per_second": images / seconds if seconds else None,
        "took": made.get("seconds"),
        **{key: made[key] for key in ("kind", "device", "commit", "time")},
        "epochs": run.epochs,
        "curve": record.get("curve"),
        "final_epochs": run.stages[-1].epochs if run.stages else None,
        "name": run.name,
        "fingerprint": run.fingerprint,
        **({"empty_layers": ", ".join(record["empty_layers"])} if record.get("empty_layers") else {}),
        **{f"seconds.{stage['stage']}": stage["seconds"] for stage in record.get("stages", [])},
        **{f"measures.{name}": value for name, value in record.get("measures", {}).items()},
    }


def history(runs: Sequence[Run], edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row an epoch: paper, dataset, model, method, seed, name, factors, stage, epoch, losses and accuracies."""
    import pandas as pd

    named = ("paper", "dataset", "model", "method", "seed", "name")
    rows = [
        {key: getattr(run, key) for key in named} | dict(run.factors) | row
        for run, record in fresh(runs, edition, results).items()
        for row in record.get("history", [])
    ]
    factors = dict.fromkeys(name for run in runs for name, _ in run.factors)
    frame = pd.DataFrame(rows)
    return frame.reindex(columns=list(dict.fromkeys([*frame.columns, *factors]))) if rows else frame
