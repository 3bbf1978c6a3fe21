"""What none of the papers has: all their approaches side by side, on the same data.

An approach is what a reader chooses between: replace a block, build a pyramid, prune, share weights, distil. Each
network has one accuracy (after the last epoch: none of them was chosen on the test images) and four sizes: weights
that are not zero, multiply-adds, bytes on disk, measured time for one image.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from netpress import papers
from netpress.papers.paper import INTEGERS, UNCOMPRESSED
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

    Columns: paper, edition, approach, network, seed, images, accuracy (after the last epoch, 0..1), parameters (not
    zero), multiply_adds, bytes, written (whether the bytes are those of a file), latency (ms), below: points above
    (negative: below) the best uncompressed network that saw as many training images, both averaged over seeds.
    """
    import pandas as pd

    name = dataset or common(editions)
    rows: list[dict[str, Any]] = []
    for paper, edition in editions.items():
        runs = tuple(run for run in papers.shown(paper, edition) if run.dataset == name and approach(run))
        times = latency.read(paper, edition)
        for run, record in records.fresh(runs, edition).items():
            rows += described(run, record, times) if record["status"] == "done" else []
    columns = ["paper", "edition", "approach", "network", "seed", "images", "accuracy", *SIZES, "written", "below"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.assign(below=below(frame))
    return frame.sort_values("approach", key=lambda held: held.map(order().index), kind="stable")


def described(run: Run, record: records.Record, times: Mapping[tuple, float]) -> list[dict[str, Any]]:
    """The rows of a run: its network, and where it was also run in 8-bit integers that one."""
    measures = record.get("measures", {})
    written = [measures[f"bytes_{form}"] for form in FORMS if measures.get(f"bytes_{form}")]
    row = {
        "paper": run.paper, "edition": record["edition"], "approach": approach(run),
        "network": papers.get(run.paper).called(run), "seed": run.seed, "images": run.images,
        "accuracy": record["last"], "parameters": record["parameters"] * (1 - measures.get("sparsity", 0.0)),
        "multiply_adds": record["multiply_adds"], "bytes": min(written, default=FLOAT * record["parameters"]),
        "written": bool(written), "latency": times.get(latency.key(run)),
    }  # fmt: skip
    if not measures.get("int8_accuracy"):
        return [row]
    integers = {"approach": INTEGERS, "network": f"{row['network']}, int8", "accuracy": measures["int8_accuracy"],
                "bytes": measures["bytes_int8"], "written": True, "latency": None}  # fmt: skip
    return [row, row | integers]


def below(frame: "pd.DataFrame") -> "pd.Series":
    """Points between each network and the best uncompressed one of as many training images (0 for that one)."""
    shown = frame.assign(images=frame["images"].fillna(0))
    means = shown[shown["approach"] == UNCOMPRESSED].groupby(["images", "network"])["accuracy"].mean()
    best = means.groupby("images").max() if len(means) else {}
    return 100 * (shown["accuracy"] - shown["images"].map(best))


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
