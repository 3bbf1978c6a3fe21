"""TABLES and FIGURES of Deep Net Triage: one function per published figure, and those that the paper lacks.

Every function takes the frame of `tidy` (or the history of epochs) and returns what a chapter shows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.papers.triage import BLOCK_NAMES, BLOCKS, CONSTANT, NAMES, ONE_CYCLE
from netpress.report.estimates import interval
from netpress.report.figures import (
    Box,
    Encoding,
    Figure,
    Row,
    Words,
    bars,
    curves,
    diagram,
    grouped_points,
    images,
    nothing,
)
from netpress.report.frames import estimates, finished, rows_where
from netpress.report.heat import heat
from netpress.report.sentences import over_seeds
from netpress.report.tables import Table, Whole, listing, number

NUMBERS = {block: str(number) for number, block in enumerate(BLOCKS, start=1)}
SHOWN_FILTERS = 8
SHOWN_DATASET = "cifar10"


def figure_1() -> Figure:
    """Structural compression, drawn (paper: figure 1): VGG16, and VGG16 with its third block replaced."""
    convolutions = {"block1": 2, "block2": 2, "block3": 3, "block4": 3, "block5": 3}
    parent = [Box(block, f"{n} conv.") for block, n in convolutions.items()]
    rest = {True: Box("block3", "1 conv.", "compressed")}
    student = [rest.get(block == "block3", Box(block, f"{n} conv.")) for block, n in convolutions.items()]
    frozen = [Box(b.label, b.detail, b.state if b.state == "compressed" else "frozen") for b in student]
    thawed = [Box(b.label, b.detail, b.state if b.state == "compressed" else "trained") for b in student]
    head = Box("head", "3 linear")
    rows = (
        Row("parent", (*parent, head)),
        Row("frozen", (*frozen, Box(head.label, head.detail, "frozen"))),
        Row("thawed", (*thawed, Box(head.label, head.detail, "trained"))),
    )
    alt = "VGG16 as five blocks and a head; below it the same network with block 3 replaced by one convolution."
    caption = (
        "Structural compression of block 3. All convolutions of the block give way to a single one; then either only "
        "that one trains (frozen) or the whole network does (thawed)."
    )
    return diagram(rows, Words(alt, caption))


def named(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs of the paper's figures in its order, with the names that these show. What was retrained until
    it settled is left out."""
    rows = finished(runs)
    rows = rows[rows["retraining"].isin(["", ONE_CYCLE])].copy()
    rows["data set"] = rows["dataset"].map(titles())
    rows["block number"] = rows["block"].map(NUMBERS).fillna("")
    return in_order(rows, "dataset", "block")


def in_order(rows: pd.DataFrame, *first: str) -> pd.DataFrame:
    """The rows by the columns `first`, then by initialisation and regime as the paper has them."""
    kinds = list(zip(rows["initialisation"], rows["regime"], strict=True))
    keys = rows[[*first]].assign(kind=[[*NAMES].index(kind) for kind in kinds])
    keys = keys.assign(dataset=rows["dataset"].map([*DATASETS].index))
    return rows.loc[keys.sort_values([*first, "kind"], kind="stable").index]


def compressed(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs without the parents."""
    return runs[runs["block"] != ""]


def parents(runs: pd.DataFrame) -> pd.DataFrame:
    """The uncompressed networks, which have no block replaced."""
    return runs[runs["block"] == ""]


def against_parent(runs: pd.DataFrame) -> pd.DataFrame:
    """The compressed runs of the figures with `gain` and `last_gain`: points above the parent of the same data set and
    seed, the best against the best and the last against the last."""
    rows = named(runs)
    whole = parents(rows).drop_duplicates(["dataset", "seed"]).set_index(["dataset", "seed"])
    rows = compressed(rows).join(whole[["best", "last"]].add_prefix("parent_"), on=["dataset", "seed"])
    return rows.assign(
        gain=100 * (rows["best"] - rows["parent_best"]), last_gain=100 * (rows["last"] - rows["parent_last"])
    )


def figure_2(runs: pd.DataFrame) -> Figure:
    """Figure 2: best accuracy per compressed block, method and data set, as points against the parent, on one axis for
    all data sets, the last epoch beside the best. The parent's own accuracy stands above each panel."""
    rows = against_parent(runs)
    own = 100 * rows.groupby("data set", sort=False)["parent_best"].mean()
    titles_with = {title: f"{title} (parent {number(own[title])} %)" for title in own.index}
    rows = rows.assign(**{"data set": rows["data set"].map(titles_with), "last": rows["last_gain"]})
    encoding = Encoding(
        x="block number", y="gain", series="method", panel="data set", beside="last", columns=2, shared=True
    )
    alt = (
        "One panel a data set; for each of the five compressed blocks the points above or below the uncompressed "
        "parent of six methods, on the same axis."
    )
    caption = (
        "Points of best test accuracy above the uncompressed parent of the same seed (filled) and the same after the "
        f"last epoch (hollow), by the block that was compressed and by method; {over_seeds(rows)}. Dashed: the parent, "
        "whose accuracy is in brackets. The best epoch is chosen on the test images, as in the paper."
    )
    words = Words(alt, caption, "compressed block", "points above the parent")
    line = rows.drop_duplicates(["data set", "seed"]).assign(gain=0.0)
    return grouped_points(rows, encoding, words, line)


def heat_map(runs: pd.DataFrame) -> Figure:
    """Points above the parent, block by method by data set (not in the paper)."""
    rows = against_parent(runs)
    encoding = Encoding(x="block number", y="gain", series="method", panel="data set", columns=2)
    alt = "A square for every block, method and data set with the points above or below the parent in it."
    caption = (
        "Points of best accuracy above (blue) or below (orange) the uncompressed parent of the same seed, for every "
        "block, method and data set."
    )
    return heat(rows, encoding, Words(alt, caption, "compressed block"))


def figure_3(runs: pd.DataFrame) -> Figure:
    """Figure 3: epochs of retraining until 99 % of the run's best accuracy, averaged over blocks."""
    rows = compressed(named(runs))
    means = rows.groupby(["data set", "method", "seed"], sort=False, as_index=False)["epochs_to_99"].mean()
    encoding = Encoding(x="data set", y="epochs_to_99", series="method")
    alt = "Bars: for each data set and method, the epochs of retraining that it takes to reach 99 % of the best."
    longest = int(rows["final_epochs"].max()) if len(rows) else 0
    at_end = float((rows["epochs_to_99"] == rows["final_epochs"]).mean()) if len(rows) else 0.0
    caption = (
        f"Epochs of retraining until 99 % of a run's best accuracy, over the five blocks; {over_seeds(rows)}. The "
        f"measure has a ceiling: of {longest} epochs at most, {100 * at_end:.0f} % of the networks take all they have."
    )
    return bars(means, encoding, Words(alt, caption, "data set", "epochs to 99 % of the best"))


def shown_dataset(runs: pd.DataFrame) -> str:
    """The data set whose curves are shown: CIFAR-10 where it is there, being neither too easy nor too small."""
    there = list(runs["dataset"].unique())
    return SHOWN_DATASET if SHOWN_DATASET in there else str(there[0])


def learning_curves(history: pd.DataFrame, dataset: str) -> Figure:
    """Test accuracy against epoch of retraining, per block, one line a method (not in the paper)."""
    chosen = {"dataset": dataset, "stage": "retrain", "retraining": ONE_CYCLE}
    rows = in_order(rows_where(history, chosen), "block")
    rows = rows.assign(block=rows["block"].map(BLOCK_NAMES))
    encoding = Encoding(x="epoch", y="test_accuracy", series="method", panel="block", scale=100.0, columns=3)
    alt = f"Learning curves on {DATASETS[dataset].title}: one panel a compressed block, one line a method."
    caption = f"Test accuracy during retraining on {DATASETS[dataset].title}, by compressed block; {over_seeds(rows)}."
    return curves(rows, encoding, Words(alt, caption, "epoch of retraining", "accuracy, %"))


def filters(runs: pd.DataFrame, dataset: str, seed: int = 0) -> Figure:
    """The first filters of block 1 side by side: the parent's and every method's (poster, "Results: Qualitative").

    Filters are shown in their stored order; methods start from different weights, so columns need not match.
    """
    rows = named(runs)
    rows = rows[(rows["dataset"] == dataset) & (rows["seed"] == seed) & rows["block"].isin(["", "block1"])]
    held = {row["method"]: np.asarray(row["measures.filters"]) for _, row in rows.iterrows()}
    shown = {method: values[:SHOWN_FILTERS].transpose(0, 2, 3, 1) for method, values in held.items()}
    if DATASETS[dataset].grey:  # three equal channels act as one: their sum
        shown = {method: values.sum(-1) for method, values in shown.items()}
    alt = f"The first {SHOWN_FILTERS} filters of block 1, 3 by 3 pixels each, of the parent and of every method."
    caption = (
        f"The first {SHOWN_FILTERS} filters of block 1 on {DATASETS[dataset].title} (seed {seed}): the parent's first "
        "layer, and the replacement after each method. Each filter is stretched to its own range."
    )
    words = Words(alt, caption)
    return images(np.stack(list(shown.values())), words, rows=tuple(shown)) if shown else nothing(words)


def similarity(runs: pd.DataFrame) -> Table:
    """How alike the replacement and the parent's block became: filters and output (not in the paper; claim T9)."""
    rows = compressed(named(runs)).assign(quantity="")
    parts: Mapping[str, str] = {
        "cosine of matched filters": "measures.filter_cosine",
        "the same, untrained": "measures.filter_cosine_untrained",
        "CKA of the block's output": "measures.cka",
    }
    cells = {
        title: estimates(rows.assign(quantity=title), "method", "quantity", column, 1.0)[title]
        for title, column in parts.items()
        if len(rows)
    }
    caption = (
        "Likeness of the replacement to the parent's block, averaged over blocks and data sets: 1 is identical. The "
        "middle column is what an untrained layer reaches by chance."
    )
    return Table(pd.DataFrame(cells), caption, digits=3)


def summary(runs: pd.DataFrame) -> Table:
    """Best accuracy of every method on every data set, averaged over blocks, with the parent."""
    rows = named(runs)
    return Table(estimates(rows, "method", "data set"), "Best test accuracy in %, averaged over the five blocks.")


def gains(runs: pd.DataFrame) -> pd.DataFrame:
    """The compressed runs with `gain`, the best accuracy above the parent's of the same seed, a fraction, and
    `compressed`, "block 1"."""
    rows = against_parent(runs)
    return rows.assign(gain=rows["gain"] / 100, compressed="block " + rows["block number"])


def criticality(runs: pd.DataFrame) -> Table:
    """Points of best accuracy above the parent of the same seed, by compressed block: the title's question in numbers.

    Averaged over the three initialisations, frozen and thawed apart (not in the paper).
    """
    rows = gains(runs)
    rows = rows.assign(network=rows["data set"] + ", " + rows["regime"])
    caption = (
        "Points of best accuracy above the uncompressed parent of the same seed, by the block that was compressed; "
        "mean over the three initialisations, with the 95 % interval over seeds."
    )
    return Table(estimates(rows, "network", "compressed", "gain"), caption)


def cost(runs: pd.DataFrame) -> Table:
    """What each block's compression saves: parameters and multiply-adds of the network, beside the parent's."""
    rows = named(runs).drop_duplicates(["dataset", "model"])
    whole = parents(rows)
    caption = "What the compression of one block saves."
    if whole.empty:
        return Table(pd.DataFrame(), caption)
    parent = whole.iloc[0]
    rows = rows[rows["dataset"] == parent["dataset"]]
    share: dict[str, Any] = {
        "parameters": rows["parameters"],
        "parameters, % of the parent's": 100 * rows["parameters"] / parent["parameters"],
        "multiply-adds": rows["multiply_adds"],
        "multiply-adds, % of the parent's": 100 * rows["multiply_adds"] / parent["multiply_adds"],
    }
    frame = pd.DataFrame(share).set_index(pd.Index([block or "parent" for block in rows["block"]], name="compressed"))
    return Table(frame, caption)


def settling(runs: pd.DataFrame) -> Table:
    """How fast networks settle at a constant rate, by method and data set (claims T4, T5, T7, T8, T11): no ceiling."""
    rows = finished(runs)
    rows = rows[rows["retraining"] == CONSTANT]
    measured = {"settled": "until it settles", "reached": "until the parent's less a point"}
    listed = [
        {
            "network": f"{titles()[dataset]}: {initialisation}, {regime}",
            **{title: interval(part.groupby("seed")[column].mean()) for column, title in measured.items()},
            "get there": Whole(f"{part['reached'].notna().sum()} of {len(part)}"),
            "still rising, points": interval(part.groupby("seed")["drift"].mean()).times(100),
        }
        for (dataset, initialisation, regime), part in rows.groupby(["dataset", "initialisation", "regime"], sort=False)
    ]
    caption = (
        "Epochs of retraining at a constant rate until the accuracy stays within a point of the run's own final level, "
        "and until it is at the parent's less a point, over the blocks that were retrained so; the latter over the "
        "networks that get there."
    )
    note = (
        "Accuracy is measured several times within the first epochs and smoothed over three measurements; the final "
        "level is the mean over the last fifth. Still rising: the second half of that fifth less the first."
    )
    return listing(listed, caption, note if listed else "Not run, or not with all fresh seeds of the edition yet.", 2)
