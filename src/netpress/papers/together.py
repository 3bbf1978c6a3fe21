"""What none of the papers has: all their approaches side by side, on the same data.

An approach is what a reader chooses between: replace a block, build a pyramid, prune, share weights, distil. Each
network has one accuracy (after the last epoch: none of them was chosen on the test images) and four sizes: weights
that are not zero, multiply-adds, bytes on disk, measured time for one image. It is compared with the network it came
from, of the same seed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from netpress import papers
from netpress.data.registry import titles
from netpress.papers import printed, speed
from netpress.papers.paper import (
    BLOCK,
    DIRECT,
    DISTILLED,
    INTEGERS,
    PRUNED,
    PYRAMID,
    SHARED,
    SMALL,
    UNCOMPRESSED,
)  # fmt: skip
from netpress.report.estimates import interval
from netpress.report.figures import Encoding, Figure, Words, curves, dumbbells, pareto
from netpress.report.frames import finished, ordered
from netpress.report.tables import RUNS, Table, listing, number, run_names
from netpress.runs import records
from netpress.runs.run import Run

COMMON = ("cifar10", "digits")  # the data sets that most papers are run on
FORMS = ("dense32", "sparse32", "shared", "shared+huffman")  # of storage; the smallest that was written counts
FLOAT = 4  # bytes of a weight in a file without tricks
SIZES = {
    "parameters": "weights that are not zero",
    "multiply_adds": "multiply-adds of an image",
    "bytes": "bytes on disk",
    "latency": "time for one image, ms",
}
FLOOR = -15.0  # points: networks that lose more are not drawn
ROUNDED = 1e-9  # points: what adding up may make of a whole one
ALLOWED = (1.0, 2.0, 5.0)  # points that one may be ready to lose
GAIN = {
    "parameters": "fewer weights",
    "multiply_adds": "fewer multiply-adds",
    "bytes": "fewer bytes",
    "latency": "faster",
}
# what a reader chooses between, in one or two words, and the approaches that it covers
METHODS = {
    "one block out": (BLOCK,),
    "shallower": (PYRAMID, DIRECT),
    "pruned": (PRUNED,),
    "fewer bits": (SHARED, INTEGERS),
    "small, alone": (SMALL,),
    "small, taught": (DISTILLED,),
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


def networks(editions: Mapping[str, str], dataset: str = "") -> pd.DataFrame:
    """One row a finished run on the data set (the common one where none is named) that stands for an approach.

    Columns: paper, edition, approach, network, name (of the run), origin (the network it came from), seed, images,
    accuracy (after the last epoch, 0..1), parameters (not zero), multiply_adds, bytes, latency (ms); `times_` before a
    size: how many times smaller than the origin; against_own: points above (negative: below) the origin.
    """
    name = dataset or common(editions)
    rows: list[dict[str, Any]] = []
    for paper, edition in editions.items():
        runs = tuple(run for run in papers.shown(paper, edition) if run.dataset == name and approach(run))
        times = speed.latencies(paper, edition)
        for run, record in records.fresh(runs, edition).items():
            rows += rows_of(run, record, times) if record["status"] == "done" else []
    columns = ["paper", "edition", "approach", "network", "name", "origin", "seed", "images", "accuracy", *SIZES]
    frame = pd.DataFrame(rows, columns=columns)
    return against_own(frame).sort_values("approach", key=lambda held: held.map(order().index), kind="stable")


def against_own(frame: pd.DataFrame) -> pd.DataFrame:
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


def rows_of(run: Run, record: records.Record, times: Mapping[tuple, float]) -> list[dict[str, Any]]:
    """The rows of a run: its network, and where it was also run in 8-bit integers that one."""
    measures, first = record.get("measures", {}), run
    while first.needs:
        first = first.needs[0][1]
    written = [measures[f"bytes_{form}"] for form in FORMS if measures.get(f"bytes_{form}")]
    row = {
        "paper": run.paper, "edition": record["edition"], "approach": approach(run),
        "network": papers.get(run.paper).called(run), "name": run.name, "origin": "" if first is run else first.name,
        "seed": run.seed, "images": run.images,
        "accuracy": record["last"], "parameters": record["parameters"] * (1 - measures.get("sparsity", 0.0)),
        "multiply_adds": record["multiply_adds"], "bytes": min(written, default=FLOAT * record["parameters"]),
        "latency": times.get(speed.key(run)),
    }  # fmt: skip
    if not measures.get("int8_accuracy"):
        return [row]
    integers = {
        "approach": INTEGERS, "network": f"{row['network']}, int8", "origin": row["origin"] or run.name,
        "accuracy": measures["int8_accuracy"], "bytes": measures["bytes_int8"], "latency": None,
    }  # fmt: skip
    return [row, row | integers]


# Figures and tables: each takes the frame of `networks` --------------------------------------------------------------


def points(networks: pd.DataFrame) -> pd.DataFrame:
    """One row a compressed network: means over seeds, its method, and `n`; only those that saw the same training
    images."""
    method = {approach: name for name, approaches in METHODS.items() for approach in approaches}
    counts = networks["images"].fillna(0)  # of training images: those that saw as many as most did
    frame = networks[(networks["approach"] != UNCOMPRESSED) & counts.isin(counts.mode().head(1))]
    frame = frame.assign(method=frame["approach"].map(method)).dropna(subset=["method", "against_own"])
    keys, values = ["method", "network"], ["accuracy", "against_own", *(f"times_{size}" for size in SIZES)]
    means = frame.astype(dict.fromkeys(values, "float64")).groupby(keys, sort=False)[values].mean().reset_index()
    found = frame.groupby(keys, sort=False)
    means = means.merge(found.agg(n=("seed", "size"), runs=("name", " ".join)).reset_index(), on=keys)
    return ordered(means, method=METHODS)


def best_of(networks: pd.DataFrame, size: str) -> pd.DataFrame:
    """The networks that no other of their method beats, with `times` smaller; methods that leave a size as it is are
    left out."""
    every = points(networks)
    every = every[every["method"] != "fewer bits"] if size == "parameters" else every  # as many weights, but shorter
    every = every.assign(times=lambda frame: frame[f"times_{size}"].round(2)).dropna(subset=["times"])
    fronts = [own[pareto(-own["times"], own["against_own"])] for _, own in every.groupby("method", sort=False)]
    fronts = [own.sort_values("times") for own in fronts if own["times"].max() > 1.02]
    return pd.concat(fronts) if fronts else every.iloc[:0]


def tradeoff(networks: pd.DataFrame, size: str = "bytes") -> Figure:
    """What each method costs: times smaller (or faster) than the network it came from against points against it."""
    chosen = best_of(networks, size)
    drawn = chosen[chosen["against_own"] >= FLOOR].assign(seed=0, status="done", name="")
    top = largest(chosen, 1.0)
    across = f"times {GAIN[size]}"
    least, most = (int(drawn["n"].min()), int(drawn["n"].max())) if len(drawn) else (0, 0)
    over = "one run" if most <= 1 else f"{most} runs" if least == most else f"{least} to {most} runs"
    made = curves(
        drawn,
        Encoding("times", "against_own", series="method", label="network", all_series=tuple(METHODS)),
        Words(
            alt=(
                f"A line for each of {drawn['method'].nunique()} methods: times {GAIN[size]} across, points won or "
                "lost up."
            ),
            caption=(
                f"Each against the network it came from, of the same seed: {SIZES[size]}. Shown are the networks "
                f"that no other of their method beats, means over {over}; what loses more than "
                f"{-FLOOR:.0f} points is left out."
            ),
            x=across,
            y="points",
            finding=(
                f"{top['method'].capitalize()}: {number(top['times'], 0 if top['times'] >= 10 else 1)} times "
                f"{GAIN[size]} "
                "within a point"
                if top is not None and top["times"] > 1.5
                else f"What {GAIN[size]} cost"
            ),
            measure=f"Points of test accuracy won or lost (up), {across} (across)",
        ),
        {"": drawn.head(1).assign(against_own=0.0)},
        log=True,
        labels=False,
        height=360,
    )
    columns = ["method", "network", "times", "against_own", "accuracy", "n", "runs"]
    data = chosen[columns].rename(columns={"times": across}).reset_index(drop=True)
    return replace(made, data=data, key=(), note="")


def table_allowed(networks: pd.DataFrame) -> Table:
    """Method by method: how much smaller one gets than the network it came from, for so many points."""
    there = set(points(networks)["method"])
    rows = [
        {"method": method} | {f"{GAIN[size]}, \u2212{lost:.0f}": times(networks, method, lost, size)
                              for lost in ALLOWED for size in ("bytes", "latency")}
        for method in METHODS if method in there
    ]  # fmt: skip
    return listing(
        rows,
        "How small each method gets, by how much accuracy one is ready to lose.",
        "How many times smaller, or faster, than the network it came from the best network of each method is that "
        "loses at most 1, 2 or 5 points. A dash: none stays so near.",
    )


def times(networks: pd.DataFrame, method: str, lost: float, size: str) -> float | None:
    """How many times smaller a method gets for at most `lost` points; None where it never stays so near."""
    every = points(networks)
    kept = every[(every["method"] == method) & (every["against_own"] >= -lost - ROUNDED)][f"times_{size}"].dropna()
    return float(kept.max()) if len(kept) else None


def largest(every: pd.DataFrame, lost: float) -> Any:
    """The row that gets smallest within `lost` points, the most accurate of equals; None where there is none."""
    kept = every[every["against_own"] >= -lost - ROUNDED].sort_values(["times", "against_own"], kind="stable")
    return kept.iloc[-1] if len(kept) else None


def advice(networks: pd.DataFrame, lost: float, size: str) -> tuple[str, float | None]:
    """(network, times smaller) of the network that gets smallest within `lost` points of the one it came from."""
    top = largest(best_of(networks, size), lost)
    return ("not run", None) if top is None else (f"{top['network']} ({top['method']})", float(top["times"]))


# Our uncompressed networks beside published ones ---------------------------------------------------------------------


def parents(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished uncompressed networks that have a published number, with `network` and `published`, in %."""
    rows = finished(runs)
    rows = rows[rows["method"] == "parent"]
    known = {(row["dataset"], row["model"]): float(row["accuracy"]) for row in printed.rows("parents")}
    keys = list(zip(rows["dataset"], rows["model"], strict=True))
    rows = rows.assign(published=[known.get(key, float("nan")) for key in keys]).dropna(subset=["published"])
    rows = rows.drop_duplicates(["dataset", "model", "seed"])
    return rows.assign(network=rows["model"].str.upper() + ", " + rows["dataset"].map(titles()))


def figure_parents(runs: pd.DataFrame) -> Figure:
    """How good our uncompressed networks are beside published ones; `runs`: the records of all papers."""
    rows = parents(runs)
    ours = rows.assign(accuracy=100 * rows["best"], whose="ours")
    theirs = rows.drop_duplicates("network").assign(whose="published", name="")
    both = pd.concat([ours, theirs.assign(accuracy=theirs["published"])])
    short = rows["published"] - 100 * rows["best"]
    made = dumbbells(
        both,
        Encoding("network", "accuracy", series="whose", all_series=("ours", "published")),
        Words(
            alt="One row an uncompressed network: its published accuracy, and ours.",
            caption="Published ones are of full width and saw all images, for 200 to 350 epochs.",
            x="accuracy, %",
            y="accuracy, %",
            finding=(f"Our networks are up to {short.max():.0f} points below published ones" if len(rows) else ""),
            measure="Test accuracy in % of uncompressed networks",
        ),
    )
    return replace(made, note="")


def table_parents(runs: pd.DataFrame) -> Table:
    """The same as a table, with what the published networks were trained on and where they are published."""
    about = {(row["dataset"], row["model"]): row for row in printed.rows("parents")}
    rows = []
    for (name, dataset, model), own in parents(runs).groupby(["network", "dataset", "model"], sort=False):
        said = about[dataset, model]
        rows.append({
            "network": name, "published, %": float(said["accuracy"]),
            "ours, %": interval(own.groupby("seed")["best"].mean()).times(100), "published with": said["trained"],
            "source": said["source"],
            RUNS: run_names(own),
        })  # fmt: skip
    return listing(rows, "Our uncompressed networks beside published ones.")
