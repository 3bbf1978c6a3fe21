"""FIGURES and TABLES of the page that sets all approaches side by side. Each takes the frame of `networks`."""

from typing import Any

import pandas as pd

from netpress.data.registry import titles
from netpress.papers import paper, printed
from netpress.papers.paper import UNCOMPRESSED
from netpress.papers.together import SIZES, same_images
from netpress.report.estimates import interval
from netpress.report.figures import Encoding, Figure, Words, curves, dumbbells, pareto
from netpress.report.frames import finished, ordered
from netpress.report.tables import RUNS, Table, listing, number, run_names

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
    "one block out": (paper.BLOCK,),
    "shallower": (paper.PYRAMID, paper.DIRECT),
    "pruned": (paper.PRUNED,),
    "fewer bits": (paper.SHARED, paper.INTEGERS),
    "small, alone": (paper.SMALL,),
    "small, taught": (paper.DISTILLED,),
}


def points(networks: pd.DataFrame) -> pd.DataFrame:
    """One row a compressed network: means over seeds, its method, and `n`; only those that saw the same training
    images."""
    method = {approach: name for name, approaches in METHODS.items() for approach in approaches}
    frame = same_images(networks)
    frame = frame[frame["approach"] != UNCOMPRESSED]
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
                f"that no other of their method beats, means over {runs_text(drawn)}; what loses more than "
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
    return Figure(made.words, chosen[columns].rename(columns={"times": across}).reset_index(drop=True), made.panels)


def runs_text(drawn: pd.DataFrame) -> str:
    """Over how many runs points are averaged: one a seed, and those of two papers where both train the network."""
    least, most = (int(drawn["n"].min()), int(drawn["n"].max())) if len(drawn) else (0, 0)
    return ("one run" if most <= 1 else f"{most} runs") if least == most else f"{least} to {most} runs"


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
    return Figure(made.words, made.data, made.panels, made.key)


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
