"""Records: what finished runs leave. One JSON file a run, whole or absent, sealed by a SHA-256 in its last entry."""

import hashlib
import logging
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from netpress import editions, paths, sealed
from netpress.atomic import CannotWrite, set_aside, write_atomic
from netpress.runs.run import Run, described
from netpress.words import plain

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
Found = TypeVar("Found")
FORMAT = 1  # raised when older versions could not read what is written; a record without a number has the first
UNREADABLE = "unreadable"  # the state of a run in whose record's place lies something else
MADE = ("device", "commit", "time")  # what every record says of where it was made
FINISHED = ("done", "diverged", "failed", "out-of-memory")
RESULTS = ("done", "diverged")  # the others say that something went wrong, and are worth doing again
TIMES = ("made", "peak_memory", "format")
TIMES_OF_STAGE = ("seconds", "images_per_second", "shared")  # shared: another run had the cost


def path_of(run: Run, edition: str, results: Path | None = None) -> Path:
    """results/<edition>/<paper>/<data set>/<label>.json, with "=" for ":", which Windows allows in no file's name."""
    return (results or paths.results_dir()) / editions.proper(edition) / f"{run.name.replace(':', '=')}.json"


def write(run: Run, edition: str, content: Record, results: Path | None = None) -> Path:
    """Put a run's record in its place. A record of another fingerprint that is there is set aside, not deleted.

    So is a damaged one. Raises CannotWrite where something else lies there: a newer version's record, a folder, a pipe.
    """
    path = path_of(run, edition, results)
    head = {"name": run.name, "fingerprint": run.fingerprint, "status": content["status"]}
    head["format"] = FORMAT
    if trouble := trouble_at(path):
        if not trouble.remake:
            raise CannotWrite(f"{path} {trouble}: move it away and run again.")
        set_aside(path)
    old = read(path)
    if old and old["fingerprint"] != run.fingerprint:
        path.replace(path.with_suffix(f".{old['fingerprint'][:8]}.stale"))
    write_atomic(path, encode(head | content | {"edition": edition, "run": described(run)}))
    return path


def finite(value: object) -> Any:
    """A value with None for every number that JSON has no word for: a loss may be infinite on the test images."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(held) for key, held in value.items()}
    return [finite(held) for held in value] if isinstance(value, list | tuple) else value


def encode(record: Record) -> bytes:
    """A record as the bytes of its file."""
    return sealed.seal_json(finite(record))


class Unusable(Exception):
    """A file in the place of a record that is none, or none that this version can read.

    `remake`: the run may be done again, and the file set aside; else nothing is done until somebody has looked at it.
    """

    def __init__(self, reason: str, remake: bool = False):
        self.remake = remake
        super().__init__(reason)


def content_of(path: str | Path) -> bytes:
    """The bytes of a regular file. Raises FileNotFoundError, and Unusable for whatever else lies there."""
    try:
        with open(path, "rb", buffering=0, opener=without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unusable("is no file")
            return file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(path)) from error
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror or error})") from error


def without_waiting(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def decode(content: bytes) -> Record | None:
    """The record in a file's bytes; None where they are cut or altered. Raises Unusable for a newer version's."""
    try:
        record = sealed.unseal_json(content)
    except (ValueError, RecursionError):
        return None
    if record is None:
        return None
    if not isinstance(record.get("format", 1), int) or record.get("format", 1) > FORMAT:
        raise Unusable("was written by a newer version of netpress")
    if not isinstance(record.get("name"), str) or record.get("status") not in FINISHED:
        raise Unusable("is sealed, but no record of this version")
    return record


def decoded(content: bytes) -> Record:
    """The record in a file's bytes. Raises Unusable where there is none."""
    record = decode(content)
    if record is None:
        raise Unusable("is cut or was altered", remake=True)
    return record


def of_run(content: bytes) -> Record:
    """The same, for a run's record. One that lacks what every run's record has is none either."""
    return checked(decoded(content))


def checked(record: Record) -> Record:
    """The record, where it is a run's; else raises Unusable."""
    if missing := lacking(record):
        raise Unusable(f"is sealed, but no run's record: {missing}")
    return record


@lru_cache(maxsize=4096)
def known(content: bytes) -> Record:
    """Like `of_run` for those who look at a record again and again: they are handed one, and change nothing in it."""
    return checked(_known_of_any_kind(content))


@lru_cache(maxsize=4096)
def _known_of_any_kind(content: bytes) -> Record:
    return decoded(content)


def _known_of_run(content: bytes) -> Record | None:
    """What is `known` of a run; None for a record of another kind."""
    return known(content) if "run" in _known_of_any_kind(content) else None


def complete(path: Path) -> Record | None:
    """Like `read`, for a run's record; what it gives is not to be changed."""
    return usable(path, known)


def lacking(record: Record) -> str:
    """What a run's record lacks that every one has; "" where it is whole."""
    texts = [record.get("fingerprint"), record.get("edition"), *(record_made(record).get(key) for key in MADE)]
    if not all(isinstance(text, str) for text in texts) or not isinstance(record.get("run"), dict):
        return "it does not say what was run or where it was made"
    stages, history = record.get("stages", []), record.get("history", [])
    if not all(isinstance(rows, list) and all(isinstance(row, dict) for row in rows) for rows in (stages, history)):
        return "its stages or its history are no lists of rows"
    numbers = [stage.get(key) for stage in stages for key in ("seconds", "images_per_second")]
    if not all(isinstance(number, int | float) for number in numbers) or not all("stage" in stage for stage in stages):
        return "its stages have no names or no times"
    if record["status"] == "done" and not all(isinstance(record.get(key), int | float) for key in ("best", "last")):
        return "it has no accuracy"
    if not all(isinstance(record.get(key, 0), int | None) for key in ("parameters", "multiply_adds")):
        return "its parameters or multiply-adds are no numbers"
    return "" if isinstance(record.get("measures", {}), dict) else "its measures have no names"


def record_made(record: Record) -> dict[str, Any]:
    """Where a record was made; empty where it does not say so."""
    made = record.get("made")
    return made if isinstance(made, dict) else {}


@cache
def tell(path: str, reason: str) -> None:
    """Name a file that is passed over, once, on stderr. Nothing is renamed: a sweep does so when it makes it again."""
    logging.getLogger("netpress").warning("netpress: %s %s: it is passed over.", plain(path), plain(reason))


def read(path: Path) -> Record | None:
    """The record at `path`; None where there is none. One that cannot be used is named on stderr and counts as none."""
    return usable(path, decoded)


def usable(path: str | Path, look: Callable[[bytes], Found]) -> Found | None:
    """What `look` finds in a file; None where there is none, or where it is Unusable, which is named on stderr."""
    try:
        return look(content_of(path))
    except FileNotFoundError:
        return None
    except Unusable as trouble:
        tell(str(path), str(trouble))
        return None


def trouble_at(path: str | Path) -> Unusable | None:
    """What keeps the file at `path` from being used; None where it is a run's record, or where nothing is."""
    try:
        of_run(content_of(path))
    except FileNotFoundError:
        return None
    except Unusable as trouble:
        return trouble
    return None


def bare(record: Record) -> Record:
    """A record without its times: what is equal whenever the run is done again."""
    stages = [{k: v for k, v in stage.items() if k not in TIMES_OF_STAGE} for stage in record.get("stages", [])]
    return {key: value for key, value in record.items() if key not in TIMES} | {"stages": stages}


@dataclass(frozen=True)
class RecordHeader:
    """What a sweep needs of a record. `digest`: SHA-256 of the whole."""

    fingerprint: str
    status: str
    digest: str


def header(path: str | Path) -> RecordHeader | None:
    """Fingerprint and status of the run's record at `path`, read like `complete`."""
    return usable(path, _header_of)


@lru_cache(maxsize=16384)
def _header_of(content: bytes) -> RecordHeader:
    record = of_run(content)
    return RecordHeader(record["fingerprint"], record["status"], sealed.json_digest(content) or "")


def fresh(runs: Iterable[Run], edition: str, results: Path | None = None) -> dict[Run, Record]:
    """The records of those runs that have one of their own fingerprint; stale ones are left out."""
    results = results or paths.results_dir()
    found = {run: complete(path_of(run, edition, results)) for run in runs}
    return {run: record for run, record in found.items() if record and record["fingerprint"] == run.fingerprint}


def state(run: Run, edition: str, results: Path | None = None) -> str:
    """ "done", "diverged", "failed", "out-of-memory", "stale", "missing" or "unreadable"."""
    return state_at(path_of(run, edition, results), run.fingerprint)


def state_at(path: str | Path, fingerprint: str) -> str:
    """The state of the run with this fingerprint whose record's place is `path`."""
    found = header(path)
    if found is None:
        return UNREADABLE if os.path.lexists(path) else "missing"
    return found.status if found.fingerprint == fingerprint else "stale"


def changed_editions(results: Path | None = None) -> list[str]:
    """Editions with changed settings that have records."""
    folder = results or paths.results_dir()
    return sorted(path.name for path in folder.glob("*+*") if path.is_dir()) if folder.is_dir() else []


def every(edition: str, results: Path | None = None) -> Iterator[Record]:
    """Every record of an edition, stale ones too, in the order of names; those of other kinds (times) left out."""
    for path in sorted(((results or paths.results_dir()) / edition).glob("*/*/*.json")):
        if record := usable(path, _known_of_run):
            yield record


def signature(folder: Path) -> str:
    """Another one as soon as a record in `folder` has come, gone or changed: by names, sizes and times of its files."""
    files = ((str(path), path.stat()) for path in sorted(folder.rglob("*.json")))
    return hashlib.sha256(repr([(name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in files]).encode()).hexdigest()


COLUMNS = ("status", "best", "last", "epochs_to_99", "parameters", "multiply_adds", "peak_memory")


def frame(runs: Sequence[Run], edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row a run. Accuracies are fractions in 0..1; extra measurements are columns `measures.<name>`.

    A run without a fresh record has the status "missing" or "stale" and no numbers, so that nobody overlooks it.
    """
    import pandas as pd

    results = results or paths.results_dir()
    found = fresh(runs, edition, results)
    rows = [row_of(run, found[run]) if run in found else row_without(run, edition, results) for run in runs]
    named = ["paper", "dataset", "model", "method", "seed", "edition", *COLUMNS, "seconds", "images_per_second"]
    made = ["kind", "device", "commit", "time", "took"]
    columns = [*named, *made, "epochs", "curve", "final_epochs", "name", "fingerprint"]
    return pd.DataFrame(rows, columns=list(dict.fromkeys([*columns, *(key for row in rows for key in row)])))


def row_without(run: Run, edition: str, results: Path | None) -> dict[str, Any]:
    """The row of a run that has no fresh record."""
    settings = {key: getattr(run, key) for key in ("paper", "dataset", "model", "method", "seed", "epochs", "name")}
    return settings | dict(run.factors) | {"edition": edition, "status": state(run, edition, results)}


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
        "kind": made["kind"],
        "device": made["device"],
        "commit": made["commit"],
        "time": made["time"],
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

    rows = [
        {
            **{key: getattr(run, key) for key in ("paper", "dataset", "model", "method", "seed", "name")},
            **dict(run.factors),
            **row,
        }
        for run, record in fresh(runs, edition, results).items()
        for row in record.get("history", [])
    ]
    factors = dict.fromkeys(name for run in runs for name, _ in run.factors)
    frame = pd.DataFrame(rows)
    return frame.reindex(columns=list(dict.fromkeys([*frame.columns, *factors]))) if rows else frame
