"""What none of the papers has: all their approaches side by side, on the same data.

An approach is what a reader chooses between: replace a block, build a pyramid, prune, share weights, distil. Each
network has one accuracy (after the last epoch: none of them was chosen on the test images) and four sizes: weights
that are not zero, multiply-adds, bytes on disk, measured time for one image. It is compared with the network it came
from, of the same seed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from netpress import papers
from netpress.papers.paper import INTEGERS, SMALL, UNCOMPRESSED
from netpress.papers.together import latency
from netpress.runs import records
from netpress.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

COMMON = ("cifar10", "digits")  # the data sets that most papers are run on
FORMS = ("dense32", "sparse32", "shared", "shared+huffman")  # of storage; the smallest that was written counts
FLOAT = 4  # bytes of a weight in a file without tricks
SIZES = {
    "parameters": "weights that are not zero",
    "multiply_adds": "multiply-adds of an image",
    "bytes": "bytes on disk",
    "latency": "time for one image, ms",
}


def approach(run: Run) -> str:
    """The approach by which a run's network was made small; "" for what is a step or a repetition."""
    return papers.get(run.paper).approach(run)


def order() -> tuple[str, ...]:
    """Every approach once, in the order in which the papers have them."""
    return tuple(dict.fromkeys(name for paper in papers.PAPERS for name in papers.get(paper).approaches))


def common(editions: Mapping[str, str]) -> str:
    """The data set on which most of the papers are run in these editions."""
    used = [{run.dataset for run in papers.shown(paper, edition)} for paper, edition in editions.items()]
    return max(COMMON, key=lambda dataset: sum(dataset in datasets for datasets in used))


def networks(editions: Mapping[str, str], dataset: str = "") -> "pd.DataFrame":
    """One row a finished run on the data set (the common one where none is named) that stands for an approach.

    Columns: paper, edition, approach, network, name (of the run), origin (the network it came from), seed, images,
    accuracy (after the last epoch, 0..1), parameters (not zero), multiply_adds, bytes, latency (ms); `times_` before a
    size: how many times smaller than the origin; against_own: points above (negative: below) the origin.
    """
    import pandas as pd

    name = dataset or common(editions)
    rows: list[dict[str, Any]] = []
    for paper, edition in editions.items():
        runs = tuple(run for run in papers.shown(paper, edition) if run.dataset == name and approach(run))
        times = latency.read(paper, edition)
        for run, record in records.fresh(runs, edition).items():
            rows += described(run, record, times) if record["status"] == "done" else []
    columns = ["paper", "edition", "approach", "network", "name", "origin", "seed", "images", "accuracy", *SIZES]
    frame = pd.DataFrame(rows, columns=columns)
    return against_own(frame).sort_values("approach", key=lambda held: held.map(order().index), kind="stable")


def ancestor(run: Run) -> str:
    """The name of the uncompressed network that a run came from, or was taught by; "" where it began from nothing."""
    first = run
    while first.needs:
        first = first.needs[0][1]
    return "" if first is run else first.name


def against_own(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with `times_` each size and `against_own`. What began from nothing is compared with the largest
    uncompressed network of its paper and seed; an uncompressed network that is smaller than that one counts as small
    from the start."""
    whole = frame[frame["approach"] == UNCOMPRESSED].sort_values("parameters", kind="stable")
    largest = (
        whole.drop_duplicates(["paper", "seed"], keep="last").set_index(["paper", "seed"])["name"].rename("largest")
    )
    joined = frame.join(largest, on=["paper", "seed"])
    origin = frame["origin"].where(frame["origin"] != "", joined["largest"])
    small = (frame["approach"] == UNCOMPRESSED) & (frame["name"] != origin)
    frame = frame.assign(origin=origin, approach=frame["approach"].mask(small, SMALL))
    own = whole.drop_duplicates("name").set_index("name")[["accuracy", *SIZES]].astype("float64")
    theirs = own.reindex(origin).set_axis(frame.index)
    times = {f"times_{size}": theirs[size] / frame[size].astype("float64") for size in SIZES}
    return frame.assign(**times, against_own=100 * (frame["accuracy"].astype("float64") - theirs["accuracy"]))


def described(run: Run, record: records.Record, times: Mapping[tuple, float]) -> list[dict[str, Any]]:
    """The rows of a run: its network, and where it was also run in 8-bit integers that one."""
    measures = record.get("measures", {})
    written = [measures[f"bytes_{form}"] for form in FORMS if measures.get(f"bytes_{form}")]
    row = {
        "paper": run.paper, "edition": record["edition"], "approach": approach(run),
        "network": papers.get(run.paper).called(run), "name": run.name, "origin": ancestor(run),
        "seed": run.seed, "images": run.images,
        "accuracy": record["last"], "parameters": record["parameters"] * (1 - measures.get("sparsity", 0.0)),
        "multiply_adds": record["multiply_adds"], "bytes": min(written, default=FLOAT * record["parameters"]),
        "latency": times.get(latency.key(run)),
    }  # fmt: skip
    if not measures.get("int8_accuracy"):
        return [row]
    integers = {
        "approach": INTEGERS, "network": f"{row['network']}, int8", "origin": row["origin"] or run.name,
        "accuracy": measures["int8_accuracy"], "bytes": measures["bytes_int8"], "latency": None,
    }  # fmt: skip
    return [row, row | integers]


def same_images(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The networks that saw as many training images as most did."""
    counts = frame["images"].fillna(0)
    return frame[counts == counts.mode().iloc[0]] if len(frame) else frame


def measure(editions: Mapping[str, str], dataset: str = "") -> None:
    """Measure the times that are missing on this machine."""
    for paper, edition in editions.items():
        latency.ensure(paper, edition, dataset or common(editions))


def conditions(editions: Mapping[str, str]) -> str:
    """Where times were measured, as words."""
    times = dict.fromkeys(latency.conditions(paper, edition) for paper, edition in editions.items())
    return "; ".join(filter(None, times)) or "not measured yet"
