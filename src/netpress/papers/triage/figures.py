"""TABLES and FIGURES of Deep Net Triage: one function per published figure, and those that the paper lacks.

Every function takes the frame of `tidy` (or the history of epochs) and returns what a chapter shows.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.papers.triage import BLOCK_NAMES, BLOCKS, CONSTANT, ONE_CYCLE, REGIMES
from netpress.report.estimates import interval
from netpress.report.figures import (
    Box,
    Encoding,
    Figure,
    Panel,
    Row,
    Words,
    curves,
    diagram,
    dumbbells,
    heat,
    images,
    nothing,
    points,
)
from netpress.report.frames import estimates, finished, ordered, rows_where
from netpress.report.tables import RUNS, Table, Whole, listing, named_runs, run_names

SHOWN_FILTERS = 8
SHOWN_DATASET = "cifar10"
BEGUN = {"random": "random", "mean": "mean", "student-teacher": "imitated"}  # how a replacement begins
METHODS = tuple(f"{begun}, {regime}" for begun in BEGUN.values() for regime in REGIMES)


def figure_1() -> Figure:
    """Structural compression, drawn (paper: figure 1): VGG16, and VGG16 with its third block replaced."""
    convolutions = {"block1": 2, "block2": 2, "block3": 3, "block4": 3, "block5": 3}

    def row(title: str, rest: str, replaced: bool = True) -> Row:
        boxes = [
            Box(block, "1 conv.", "compressed") if replaced and block == "block3" else Box(block, f"{n} conv.", rest)
            for block, n in convolutions.items()
        ]
        return Row(title, (*boxes, Box("head", "3 linear", rest)))

    return diagram(
        [row("parent", "plain", False), row("frozen", "frozen"), row("thawed", "trained")],
        Words(
            alt="VGG16 as five blocks and a head; below it the same network with block 3 replaced by one convolution.",
            caption=(
                "Structural compression of block 3. All convolutions of the block give way to a single one; then "
                "either only that one trains (frozen) or the whole network does (thawed)."
            ),
            finding="One layer takes the place of a block",
        ),
    )


def named(runs: pd.DataFrame) -> pd.DataFrame:
    """The parents and the finished runs of the paper's figures in its order, with the names that these show. What was
    retrained until it settled, in another view or as a control is left out."""
    rows = finished(runs)
    shown = (rows["method"] == "parent") | ((rows["block"] != "") & (rows["retraining"] == ONE_CYCLE))
    rows = rows[shown].copy()
    rows["data set"] = rows["dataset"].map(titles())
    rows["compressed"] = rows["block"].map(BLOCK_NAMES).fillna("")
    rows["how"] = rows["initialisation"].map(BEGUN).fillna("parent") + (", " + rows["regime"]).where(
        rows["regime"] != "", ""
    )
    return in_order(rows)


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by data set and block, then by initialisation and regime as the paper has them."""
    return ordered(rows, dataset=DATASETS, block=("", *BLOCKS), initialisation=("", *BEGUN), regime=("", *REGIMES))


def replaced(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the figures without the parents, with the names that these show."""
    rows = named(runs)
    return rows[rows["block"] != ""]


def gains(runs: pd.DataFrame) -> pd.DataFrame:
    """The compressed runs of the figures with `gain` and `last_gain`: points above the parent of the same data set and
    seed, the best against the best and the last against the last."""
    rows = named(runs)
    whole = rows[rows["block"] == ""].drop_duplicates(["dataset", "seed"]).set_index(["dataset", "seed"])
    rows = rows[rows["block"] != ""].join(whole[["best", "last"]].add_prefix("parent_"), on=["dataset", "seed"])
    return rows.assign(
        gain=100 * (rows["best"] - rows["parent_best"]),
        last_gain=100 * (rows["last"] - rows["parent_last"]),
        number=rows["compressed"].str.removeprefix("block "),
    )


def baselines(rows: pd.DataFrame, panel: str) -> dict[str, pd.DataFrame]:
    """The dashed lines of charts in points against the parent, in each panel: the parent itself and, where it was run,
    the control."""
    alone = rows.drop_duplicates([panel, "seed"])
    lines = {"the parent": alone.assign(gain=0.0)}
    if "control" in alone and alone["control"].notna().any():
        lines["the parent, retrained as long"] = alone.assign(gain=100 * (alone["control"] - alone["parent_best"]))
    return lines


def critical(rows: pd.DataFrame, neutral: str) -> str:
    """The finding of charts by block: which block costs most on average, where it does on every data set."""
    means = rows.groupby(["dataset", "compressed"])["gain"].mean().unstack()
    worst = set(means.idxmin(axis=1)) if len(means) and means.shape[1] > 1 else set()
    where = " on every data set" if len(means) > 1 else ""
    return f"{worst.pop().capitalize()} costs most{where}" if len(worst) == 1 else neutral


def figure_2(runs: pd.DataFrame) -> Figure:
    """Figure 2: best accuracy per compressed block, method and data set, as points against the parent, on one axis for
    all data sets, the last epoch beside the best."""
    rows = gains(runs).rename(columns={"last_gain": "after the last epoch"})
    return points(
        rows,
        Encoding(
            x="number",
            y="gain",
            series="how",
            panel="data set",
            beside="after the last epoch",
            shared=True,
            all_series=METHODS,
        ),
        Words(
            alt=(
                "One panel a data set; for each of the five compressed blocks the points above or below the "
                "uncompressed parent of six methods, on the same axis."
            ),
            caption="The best epoch is chosen on the test images, as in the paper.",
            x="compressed block",
            y="points",
            finding=critical(rows, "What each replaced block costs"),
            measure="Points of test accuracy above or below the uncompressed parent of the same seed, best epoch",
        ),
        baselines(rows, "data set"),
    )


def heat_map(runs: pd.DataFrame) -> Figure:
    """Points above the parent, block by method by data set (not in the paper)."""
    rows = gains(runs)
    return heat(
        rows,
        Encoding(x="number", y="gain", series="how", panel="data set"),
        Words(
            alt="A square for every block, method and data set with the points above or below the parent in it.",
            caption=(
                "Blue is above the parent, orange below. Frozen: only the replacement is retrained; thawed: all "
                "layers are."
            ),
            x="compressed block",
            y="points",
            finding=critical(rows, "What each replaced block costs"),
            measure="Points of best test accuracy above or below the uncompressed parent of the same seed",
        ),
    )


def figure_3(runs: pd.DataFrame) -> Figure:
    """Figure 3: epochs of retraining until 99 % of the run's best accuracy, averaged over blocks."""
    rows = replaced(runs)
    longest = int(rows["final_epochs"].max()) if len(rows) else 0
    ceiling = float((rows["epochs_to_99"] == rows["final_epochs"]).mean()) if len(rows) else 0.0
    rows = ordered(rows, how=METHODS)
    return dumbbells(
        rows,
        Encoding(x="how", y="epochs_to_99", series="data set", all_series=tuple(titles().values())),
        Words(
            alt=(
                "One row a method, a point for each data set: the epochs of retraining until 99 % of the best accuracy."
            ),
            caption=(
                f"Mean over the five blocks. At most {longest} epochs: a network that is still rising takes all of "
                "them."
            ),
            x="epochs",
            y="epochs",
            finding=f"{100 * ceiling:.0f} % of networks are still rising at the end",
            measure="Epochs of retraining until 99 % of a run's best accuracy",
        ),
    )


def shown_dataset(runs: pd.DataFrame) -> str:
    """The data set whose curves are shown: CIFAR-10 where it is there, being neither too easy nor too small."""
    there = list(runs["dataset"].unique())
    return SHOWN_DATASET if SHOWN_DATASET in there else str(there[0])


def learning_curves(history: pd.DataFrame, dataset: str) -> Figure:
    """Test accuracy against epoch of retraining, per block, one line a method (not in the paper)."""
    rows = rows_where(history, {"dataset": dataset, "stage": "retrain", "retraining": ONE_CYCLE})
    rows = in_order(rows[rows["block"].isin(list(BLOCK_NAMES))])  # the control has no block
    rows = rows.assign(
        block=rows["block"].map(BLOCK_NAMES), how=rows["initialisation"].map(BEGUN) + ", " + rows["regime"]
    )
    title = DATASETS[dataset].title
    return curves(
        rows,
        Encoding(
            x="epoch", y="test_accuracy", series="how", panel="block", scale=100.0, shared=True, all_series=METHODS
        ),
        Words(
            alt=f"Learning curves on {title}: one panel a compressed block, one line a method.",
            caption="One-cycle schedule: the rate falls to zero, so accuracy rises to the last epoch.",
            x="epoch of retraining",
            y="accuracy, %",
            finding="How replaced blocks learn",
            measure=f"Test accuracy in % on {title} by epoch of retraining, one panel a compressed block",
        ),
        ends=False,
    )


def filters(runs: pd.DataFrame, dataset: str, seed: int = 0) -> Figure:
    """The best-matched pairs of block 1's first filters, the parent's above the replacement's, with their cosines, for
    every initialisation, thawed (poster, "Results: Qualitative")."""
    from scipy.optimize import linear_sum_assignment

    rows = named(runs)
    rows = rows[(rows["dataset"] == dataset) & (rows["seed"] == seed) & (rows["regime"].isin(["", "thawed"]))]
    held = {
        row["initialisation"]: np.asarray(row["measures.filters"], dtype="float64")
        for _, row in rows.iterrows()
        if row["block"] in ("", BLOCKS[0]) and isinstance(row["measures.filters"], list | np.ndarray)
    }
    words = Words(
        alt=(
            f"For every initialisation {SHOWN_FILTERS} filters of the parent, the most similar of the replacement "
            "below."
        ),
        caption=(
            f"Block 1 on {DATASETS[dataset].title} (seed {seed}, thawed): the {SHOWN_FILTERS} pairs whose cosine is "
            "largest, each filter once, stretched to its own range. Above each pair its cosine."
        ),
        measure="The parent's filters, and below each the most similar one of the replacement",
    )
    parent = held.pop("", None)
    if parent is None or not held:
        return nothing(words)
    panels: list[Panel] = []
    cosines: dict[str, list[float]] = {}
    for begun, own in held.items():
        unit = [flat / np.linalg.norm(flat, axis=1)[:, None] for flat in (w.reshape(len(w), -1) for w in (parent, own))]
        likeness = unit[0] @ unit[1].T
        matched = zip(*linear_sum_assignment(-likeness), strict=True)
        pairs = sorted(matched, key=lambda pair: -likeness[pair])[:SHOWN_FILTERS]
        cosines[BEGUN[begun]] = [float(likeness[pair]) for pair in pairs]
        pixels = np.stack([parent[[i for i, _ in pairs]], own[[j for _, j in pairs]]]).transpose(0, 1, 3, 4, 2)
        pixels = pixels.sum(-1) if DATASETS[dataset].grey else pixels  # three equal channels act as one: their sum
        columns = [f"{value:.2f}" for value in cosines[BEGUN[begun]]]
        panels += images(pixels, words, rows=("parent", BEGUN[begun]), columns=columns).panels
    every = [value for values in cosines.values() for value in values]
    finding = f"The best-matched filters have cosines of {min(every):.2f} to {max(every):.2f}"
    return Figure(replace(words, finding=finding), pd.DataFrame(cosines).rename_axis("pair").reset_index(), panels)


LIKENESS = {
    "trained: filters": "measures.filter_cosine",
    "untrained: filters": "measures.filter_cosine_untrained",
    "trained: output (CKA)": "measures.cka",
}


def similarity(runs: pd.DataFrame) -> Table:
    """How alike the replacement and the parent's block became: filters and output (not in the paper; claim T9)."""
    rows = replaced(runs)
    found = [
        estimates(rows.assign(quantity=title), "how", "quantity", column, 1.0) for title, column in LIKENESS.items()
    ]
    return Table(
        named_runs(pd.concat(found, axis=1), rows) if len(rows) else pd.DataFrame(),
        "Likeness of the replacement to the parent's block: cosine of matched filters, CKA of outputs; 1 is identical.",
        "Mean over blocks and data sets.",
        digits=3,
    )


def criticality(runs: pd.DataFrame) -> Table:
    """Points of best accuracy above the parent of the same seed, by compressed block: the title's question in numbers.

    Averaged over the three initialisations, frozen and thawed apart (not in the paper).
    """
    rows = gains(runs)
    rows = rows.assign(network=rows["data set"] + ", " + rows["regime"])
    return Table(
        named_runs(estimates(rows, "network", "compressed", "gain", 1.0), rows),
        "Points of best accuracy above the uncompressed parent of the same seed, by the block that was compressed.",
        "Mean over the three initialisations, with the 95 % interval over seeds.",
    )


def cost(runs: pd.DataFrame) -> Table:
    """What each block's compression saves: parameters and multiply-adds of the network, beside the parent's."""
    rows = named(runs).drop_duplicates(["dataset", "model"])
    caption, whole = "What the compression of one block saves.", rows[rows["block"] == ""]
    if whole.empty:
        return Table(pd.DataFrame(), caption)
    parent = whole.iloc[0]
    rows = rows[rows["dataset"] == parent["dataset"]]
    share = {
        heading: values
        for name, column in (("parameters", "parameters"), ("multiply-adds", "multiply_adds"))
        for heading, values in (
            (name, rows[column]), (f"{name}, % of the parent's", 100 * rows[column] / parent[column])
        )
    }  # fmt: skip
    frame = pd.DataFrame(share).set_index(pd.Index([block or "parent" for block in rows["block"]], name="compressed"))
    return Table(frame, caption)


def retrained_long(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs at a constant rate, by data set and how they began."""
    rows = finished(runs)
    rows = rows[rows["retraining"] == CONSTANT]
    rows = rows.assign(begun=rows["initialisation"].map(BEGUN), **{"data set": rows["dataset"].map(titles())})
    return ordered(rows, dataset=DATASETS, begun=tuple(BEGUN.values()))


def settling(runs: pd.DataFrame) -> Table:
    """How fast networks settle at a constant rate, by method and data set (claims T4, T5, T7, T8, T11): no ceiling."""
    listed = [
        {
            "network": f"{data}: {begun}, {regime}",
            "until 99 % of the final level": interval(part.groupby("seed")["passage"].mean()),
            "until the parent's less a point": interval(part.groupby("seed")["reached"].mean()),
            "get there": Whole(f"{part['reached'].notna().sum()} of {len(part)}"),
            RUNS: run_names(part),
        }
        for (data, begun, regime), part in retrained_long(runs).groupby(["data set", "begun", "regime"], sort=False)
    ]
    note = (
        "Mean over the blocks that were retrained so. Accuracy is measured several times within the first epochs and "
        "smoothed over three measurements; the final level is the mean over the last fifth."
    )
    return listing(
        listed,
        "Epochs of retraining at a constant rate until a network is at 99 % of its own final level, and at the "
        "parent's less a point.",
        note if listed else "Not run, or not with all fresh seeds of the edition yet.",
        2,
    )


def figure_settling(runs: pd.DataFrame) -> Figure:
    """The first column of `settling` as a chart: frozen against thawed, by data set and initialisation."""
    rows = retrained_long(runs)
    table = rows.pivot_table(index=["dataset", "begun"], columns="regime", values="passage").reindex(columns=REGIMES)
    sooner = [
        regime for regime, other in (REGIMES, REGIMES[::-1]) if len(table) and (table[regime] < table[other]).all()
    ]
    return dumbbells(
        rows,
        Encoding(x="begun", y="passage", series="regime", panel="data set", all_series=REGIMES),
        Words(
            alt="One row a data set and initialisation: epochs until networks settle, frozen and thawed.",
            caption="At a constant rate, so that there is no ceiling. Mean over blocks 1, 3 and 5.",
            x="epochs",
            y="epochs",
            finding=f"{sooner[0].capitalize()} networks settle sooner" if sooner else "How soon networks settle",
            measure="Epochs of retraining until a network is first at 99 % of its own final accuracy",
        ),
    )
