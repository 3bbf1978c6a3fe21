"""Records: what finished runs leave. One JSON file a run, whole or absent, sealed by a SHA-256 in its last entry."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netpress import editions, paths, sealed
from netpress.atomic import set_aside, write_atomic
from netpress.runs.run import Run, described

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
FINISHED = ("done", "diverged", "failed", "out-of-memory")
TIMES = ("made", "peak_memory")
TIMES_OF_STAGE = ("seconds", "images_per_second", "shared")  # shared: another run had the cost


def path_of(run: Run, edition: str, results: Path | None = None) -> Path:
    """results/<edition>/<paper>/<data set>/<label>.json"""
    return (results or paths.results_dir()) / editions.proper(edition) / f"{run.name}.json"


def write(run: Run, edition: str, content: Record, results: Path | None = None) -> Path:
    """Put a run's record in its place. A record of another fingerprint that is there is set aside, not deleted."""
    path = path_of(run, edition, results)
    head = {"name": run.name, "fingerprint": run.fingerprint, "status": content["status"]}
    old = read(path)
    if old and old["fingerprint"] != run.fingerprint:
        path.replace(path.with_suffix(f".{old['fingerprint'][:8]}.stale"))
    write_atomic(path, encode(head | content | {"edition": edition, "run": described(run)}))
    return path


def finite(value: Any) -> Any:
    """A value with None for every number that JSON has no word for: a loss may be infinite on the test images."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(held) for key, held in value.items()}
    return [finite(held) for held in value] if isinstance(value, list | tuple) else value


def encode(record: Record) -> bytes:
    """A record as the bytes of its file."""
    return sealed.seal_json(finite(record))


def read(path: Path) -> Record | None:
    """The record at `path`; None where there is none. A damaged one is set aside as `.corrupt` and counts as none."""
    return sealed.read(path, sealed.unseal_json)


def bare(record: Record) -> Record:
    """A record without its times: what is equal whenever the run is done again."""
    stages = [{k: v for k, v in stage.items() if k not in TIMES_OF_STAGE} for stage in record.get("stages", [])]
    return {key: value for key, value in record.items() if key not in TIMES} | {"stages": stages}


@dataclass(frozen=True)
class RecordHeader:
    """The start of a record, read without parsing the rest. `digest`: SHA-256 of the whole."""

    fingerprint: str
    status: str
    digest: str


HEAD = re.compile(rb'\{\n "name": "[^"]*",\n "fingerprint": "([0-9a-f]*)",\n "status": "([a-z-]*)"')


def header(path: str | Path) -> RecordHeader | None:
    """Fingerprint and status of the record at `path`, checked like `read` but many times as fast."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - status looks at ten thousand
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    digest, head = sealed.json_digest(content), HEAD.match(content)
    if digest is None or head is None:
        set_aside(Path(path))
        return None
    return RecordHeader(head[1].decode(), head[2].decode(), digest)


def fresh(runs: Iterable[Run], edition: str, results: Path | None = None) -> dict[Run, Record]:
    """The records of those runs that have one of their own fingerprint; stale ones are left out."""
    found = {run: read(path_of(run, edition, results)) for run in runs}
    return {run: record for run, record in found.items() if record and record["fingerprint"] == run.fingerprint}


def state(run: Run, edition: str, results: Path | None = None) -> str:
    """ "done", "diverged", "failed", "out-of-memory", "stale" or "missing"."""
    found = header(path_of(run, edition, results))
    if found is None:
        return "missing"
    return found.status if found.fingerprint == run.fingerprint else "stale"


def changed_editions(results: Path | None = None) -> list[str]:
    """Editions with changed settings that have records."""
    folder = results or paths.results_dir()
    return sorted(path.name for path in folder.glob("*+*") if path.is_dir()) if folder.is_dir() else []


def every(edition: str, results: Path | None = None) -> Iterator[Record]:
    """Every record of an edition, stale ones too, in the order of names; those of other kinds (times) left out."""
    for path in sorted(((results or paths.results_dir()) / edition).glob("*/*/*.json")):
        record = read(path)
        if record and "run" in record:
            yield record


COLUMNS = ("status", "best", "last", "epochs_to_99", "parameters", "multiply_adds", "peak_memory")


def frame(runs: Sequence[Run], edition: str, results: Path | None = None) -> "pd.DataFrame":
    """One row a run. Accuracies are fractions in 0..1; extra measurements are columns `measures.<name>`.

    A run without a fresh record has the status "missing" or "stale" and no numbers, so that nobody overlooks it.
    """
    import pandas as pd

    found = fresh(runs, edition, results)
    rows = [row_of(run, found[run]) if run in found else row_without(run, edition, results) for run in runs]
    named = ["paper", "dataset", "model", "method", "seed", "edition", *COLUMNS, "seconds", "images_per_second"]
    columns = [*named, "device", "commit", "time", "epochs", "curve", "final_epochs", "name", "fingerprint"]
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
        "device": made["device"],
        "commit": made["commit"],
        "time": made["time"],
        "epochs": run.epochs,
        "curve": record.get("curve"),
        "final_epochs": run.stages[-1].epochs if run.stages else None,
        "name": run.name,
        "fingerprint": run.fingerprint,
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
    return pd.DataFrame(rows)
