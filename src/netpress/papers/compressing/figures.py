"""FIGURES of Compressing Neural Nets, which prints none. Tables are in `tables.py`.

Every function takes the frame of `tidy` and returns what a chapter shows. Accuracies are those after the last epoch.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.paper import Kind, facts_of, meets
from netpress.report.figures import Encoding, Figure, Words, curves, grouped_points, images, lines, scatter, summary
from netpress.report.frames import Where, finished, rows_where
from netpress.report.sentences import intervals_over, listed
from netpress.runs.run import Run

if TYPE_CHECKING:
    from torch import Tensor

KIB = 1024

# quantity of a panel: (its column, times what)
ACCURACY, AGREEMENT = ("accuracy, %", "last"), ("agreement, %", "measures.agreement")
OVERFIT = ("overfitting, points", "overfit")


def panels(rows: pd.DataFrame, quantities: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    """The rows once for each quantity: `value` in per cent, `panel` says of which data set and quantity."""
    places = [dataset for dataset in DATASETS if dataset in set(rows["dataset"])]
    found = [
        rows[rows["dataset"] == dataset].assign(
            value=lambda part, column=column: 100 * part[column].astype("float64"),
            panel=title if len(places) == 1 else f"{DATASETS[dataset].title}: {title}",
        )
        for dataset in places
        for title, column in quantities
    ]
    return pd.concat(found) if found else rows.assign(value=[], panel=[])


def labelled(rows: pd.DataFrame, names: Mapping[str, Where], column: str) -> pd.DataFrame:
    """The rows of each kind with its name in `column`, in the order of the names."""
    return pd.concat([rows_where(rows, where).assign(**{column: name}) for name, where in names.items()])


SHADED = "bars; shaded around dashed lines"  # the intervals of `grouped_points`


def rests_on(rows: pd.DataFrame, encoding: Encoding, drawn: str = "bars") -> str:
    """What ends a caption: " On CIFAR-10: mean and 95 % interval (bars) over 3 seeds."; "" where nothing was run."""
    shown, counts = set(finished(rows)["dataset"]), summary(rows, encoding)["n"]
    counts = counts[counts > 0]
    if counts.empty:
        return ""
    places = listed([title for name, title in titles().items() if name in shown])
    return f" On {places}: {intervals_over(counts.min(), counts.max(), drawn)}."


# Distillation --------------------------------------------------------------------------------------------------------

FORMS = {False: "as printed", True: "soft part times T²"}
QUANTITIES = (ACCURACY, AGREEMENT, OVERFIT)
BRIEF = 2  # values of alpha where nothing is swept: the student as printed, and alone


def sweep(runs: pd.DataFrame, over: str, fixed: dict[str, float], shared: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The students over `over`, in both forms, and the students alone, of data sets on which it was swept.

    At `shared` both forms are one network.
    """
    rows = finished(runs)
    rows = rows[rows.groupby("dataset")[over].transform("nunique") > BRIEF]
    alone = rows_where(rows, distillation.ALONE)
    taught = rows[rows["role"] == "distilled"]
    for column, value in fixed.items():
        taught = taught[taught[column] == value]
    taught = pd.concat([taught, alone]) if over == "alpha" else taught
    both = taught[taught[over] == shared].assign(squared=True)
    points = pd.concat([taught, both]).sort_values([over, "squared"], kind="stable")
    return points.assign(form=points["squared"].map(FORMS), at=points[over].map("{:g}".format)), alone


def swept(sweep_of: tuple[pd.DataFrame, pd.DataFrame], x: str, kept: str) -> Figure:
    """Accuracy, agreement and overfitting over one setting of the loss."""
    points, alone = (panels(rows, QUANTITIES) for rows in sweep_of)
    encoding = Encoding(x="at", y="value", series="form", panel="panel", columns=3)
    alt = f"Panels by data set and quantity: over {x} the student, the loss as printed and with the factor T squared."
    caption = (
        f"The student over {x}, with {kept}: test accuracy; share of test images on which it agrees with its teacher; "
        "accuracy on the training images minus that on the test images. Dashed: the student alone."
        + rests_on(points, encoding, SHADED)
    )
    return grouped_points(points, encoding, Words(alt, caption, x, ""), alone)


def temperatures(runs: pd.DataFrame) -> Figure:
    """The student over the temperature T, at the weight of the soft targets that the paper's example has."""
    alpha = distillation.ALPHA
    return swept(sweep(runs, "temperature", {"alpha": alpha}, 1.0), "temperature T", f"α = {alpha}")


def weights(runs: pd.DataFrame) -> Figure:
    """The student over the weight α of the soft targets, at the temperature that the paper's example has."""
    hot = distillation.TEMPERATURE
    return swept(sweep(runs, "alpha", {"temperature": hot}, 0.0), "weight α of the soft targets", f"T = {hot}")


def learning_curves(history: pd.DataFrame) -> Figure:
    """Test accuracy against epoch of the networks of Table I."""
    factors = dict.fromkeys((*history.columns, *distillation.COLUMNS))  # other parts' runs alone have not all of them
    rows = labelled(history.reindex(columns=list(factors)), distillation.ROWS, "network")
    rows = rows.assign(**{"data set": rows["dataset"].map(titles())})
    rows = rows.sort_values("data set", ascending=False, kind="stable")
    encoding = Encoding(x="epoch", y="test_accuracy", series="network", panel="data set", scale=100.0)
    alt = "Learning curves of the teacher and of three students, one panel a data set."
    caption = "Test accuracy after every epoch of the networks of Table I." + rests_on(rows, encoding, "bands")
    return curves(rows, encoding, Words(alt, caption, "epoch", "accuracy, %"))


# Pruning and quantisation --------------------------------------------------------------------------------------------

HOW = {
    ("global", "retrained"): "all layers ranked together, retrained",
    ("gradual", "retrained"): f"the same in {pruning.STEPS} steps",
    ("layer", "retrained"): "each layer alone, retrained",
    ("global", "untouched"): "together, not retrained",
    ("layer", "untouched"): "each alone, not retrained",
}
SHARED = {
    (pruning.DENSE, "tuned"): "shared weights, tuned",
    (pruning.DENSE, "untuned"): "shared, not tuned",
    (pruning.CUT, "tuned"): f"pruned {pruning.PRINTED}x, shared, tuned",
    (pruning.CUT, "untuned"): f"pruned {pruning.PRINTED}x, shared, not tuned",
}
INTEGERS: dict[str, Kind] = {
    "8-bit integers": pruning.PARENT,
    f"pruned {pruning.PRINTED}x, 8-bit integers": pruning.AT_PRINTED,
}


def of_networks(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs of the network of six layers and of VGG16, in this order, with their names."""
    rows = finished(runs)
    rows = rows[rows["model"].isin(pruning.NETWORKS)].copy()
    rows["network"] = rows["model"].map(pruning.NETWORKS)
    return rows.sort_values("model", key=lambda models: models.map(list(pruning.NETWORKS).index), kind="stable")


def series(rows: pd.DataFrame, names: dict[tuple[str, str], str], column: str) -> pd.DataFrame:
    """The rows that have a name, by `column` and `finish`, in the order of the names."""
    keys = list(zip(rows[column], rows["finish"], strict=True))
    order = [list(names).index(key) if key in names else -1 for key in keys]
    rows = rows.assign(approach=[names.get(key, "") for key in keys], order=order)
    return rows[rows["order"] >= 0].sort_values("order", kind="stable")


def sparsity(runs: pd.DataFrame) -> Figure:
    """Accuracy against sparsity for both networks, retrained and not retrained apart: each has an axis of its own."""
    rows = of_networks(runs)
    points = series(rows[rows["role"] == "pruned"], HOW, "how")
    states = {"retrained": "retrained", "untouched": "not retrained"}
    points = points.assign(panel=points["network"] + ", " + points["finish"].map(states))
    order = pd.DataFrame({"finish": points["finish"] != "retrained", "ratio": points["ratio"]})
    places = points["model"].map(list(pruning.NETWORKS).index)
    points = points.loc[order.assign(model=places).sort_values(["finish", "model", "ratio"], kind="stable").index]
    parents = rows_where(rows, pruning.PARENT)
    parents = pd.concat([parents.assign(panel=parents["network"] + ", " + state) for state in states.values()])
    encoding = Encoding(
        x="ratio", y="last", series="approach", panel="panel", scale=100.0, all_series=tuple(HOW.values())
    )
    alt = "Four panels, six layers and VGG16, retrained and not: test accuracy against the ratio of pruning."
    caption = (
        "Test accuracy of pruned networks; at 5, one weight of five is left. At 1 nothing is pruned, but the network "
        "is retrained for as long as the others. Each panel has its own axis. Dashed: the parent."
        + rests_on(points, encoding)
    )
    words = Words(alt, caption, "all weights / weights left", "accuracy, %")
    return lines(points, encoding, words, parents[parents["panel"].isin(points["panel"])])


def bits(runs: pd.DataFrame) -> Figure:
    """Accuracy against bits per weight: k-means codebooks, tuned or not, and 8-bit integers."""
    rows = of_networks(runs)
    whole = labelled(rows, INTEGERS, "approach")
    integers = whole.assign(last=whole["measures.int8_accuracy"], bits=8.0)
    points = pd.concat([series(rows[rows["base"] != ""], SHARED, "base"), integers.dropna(subset="last")])
    points = points.sort_values("bits", ascending=False, kind="stable")
    points = points.assign(at=points["bits"].map("{:g}".format))
    encoding = Encoding(x="at", y="last", series="approach", panel="network", scale=100.0)
    alt = "Two panels, six layers and VGG16: test accuracy against bits per weight, with and without pruning."
    caption = (
        "Test accuracy with few bits per weight. Shared weights: a code book of 2 to the power of so many values in "
        "every layer. 8-bit integers: weights and activations, run on integer kernels. Dashed: the parent."
        + rests_on(points, encoding, SHADED)
    )
    words = Words(alt, caption, "bits per weight", "accuracy, %")
    return grouped_points(points, encoding, words, rows_where(rows, pruning.PARENT))


def sizes(runs: pd.DataFrame) -> Figure:
    """Size on disk against accuracy of VGG16, pruned, quantised, and narrow networks taught by it."""
    points = stored(of_networks(runs))
    encoding = Encoding(x="KiB", y="last", series="approach", label="label", scale=100.0)
    alt = "Bytes on disk against test accuracy of VGG16 made smaller by several approaches, with the Pareto front."
    caption = (
        "VGG16: size of the stored file and test accuracy, means over seeds. Narrow networks have the size of a pruned "
        "one: 5x is to be compared with 5x."
    )
    return scatter(points, encoding, Words(alt, caption, "KiB on disk", "accuracy, %"), log=True)


def stored(rows: pd.DataFrame) -> pd.DataFrame:
    """VGG16 in all its stored forms: one row a run and form, with `approach`, `label`, `KiB` and `last`."""
    rows = rows[rows["model"] == pruning.LARGE]
    ratio, few = rows["ratio"].map("{:g}x".format), rows["bits"].map("{:g} bits".format)
    pruned = (rows["how"] == "global") & (rows["finish"] == "retrained") & (rows["ratio"] > 1)
    dense, cut = ((rows["base"] == base) & (rows["finish"] == "tuned") for base in (pruning.DENSE, pruning.CUT))
    forms = (
        ("parent", rows["role"] == "parent", "dense32", rows["role"]),
        ("pruned, 32 bits", pruned, "sparse32", ratio),
        ("shared, Huffman", dense, "shared+huffman", few),
        ("pruned 5x, shared, Huffman", cut, "shared+huffman", few),
        ("narrow, distilled", rows["finish"] == "distilled", "dense32", ratio),
        ("narrow, alone", rows["finish"] == "alone", "dense32", ratio),
    )
    found = [
        rows[chosen].assign(approach=name, label=label[chosen], KiB=rows.loc[chosen, f"measures.bytes_{form}"] / KIB)
        for name, chosen, form, label in forms
        if f"measures.bytes_{form}" in rows
    ]
    return pd.concat(found) if found else rows.assign(approach="", label="", KiB=float("nan"))


# Function matching ---------------------------------------------------------------------------------------------------

WAYS = {
    "matched": "same cut, same mixture",
    "consistent": "same cut, nothing mixed",
    "fixed": "fixed teacher, own cut",
    "alone": "labels alone",
}


def schedules(runs: pd.DataFrame) -> Figure:
    """Accuracy and agreement with the teacher against the length of the schedule."""
    rows = finished(runs)
    points = rows[rows["way"].isin(WAYS)].sort_values("length", kind="stable")
    points = panels(points.assign(how=points["way"].map(WAYS)), (ACCURACY, AGREEMENT))
    teachers = panels(rows_where(rows, matching.TEACHES), (ACCURACY,))
    encoding = Encoding(x="epochs", y="value", series="how", panel="panel", all_series=tuple(WAYS.values()))
    alt = "Two panels, accuracy and agreement with the teacher, against epochs of training; four methods of teaching."
    caption = (
        "Students of function matching over the length of their schedule: test accuracy, and share of test images on "
        "which they agree with their teacher. Dashed: the teacher. A fixed teacher answers once for each image, "
        "whatever part of it the student sees." + rests_on(points, encoding)
    )
    return lines(points, encoding, Words(alt, caption, "epochs", ""), teachers)


def views(grid: Sequence[Run], shown: int = 6) -> Figure:
    """What teacher and student see: images as they are, cut at random, the cut they are mixed with, and the mixture.

    Of the data set that the runs match functions on; of digits where these are not among them, or not at hand. Of the
    first images of the set those whose mixture is nearest to half and half, with the share of the first image above.
    """
    import torch

    from netpress import data

    matched = [run for run in grid if meets(facts_of(run), {"part": "matching"})]
    places = [(run.dataset, run.px) for run in matched if data.available(run.dataset)]
    dataset, px = places[0] if places else ("digits", 16)
    rows, shares = mixtures(data.load(dataset, "train", images=64, px=px).x, shown)
    pixels = torch.stack([*rows.values()]).permute(0, 1, 3, 4, 2).numpy()
    title = DATASETS[dataset].title
    alt = f"{shown} images of {title} in four rows: as they are, cut at random, another one cut, and the two mixed."
    caption = (
        f"Images of {title} as the networks see them: whole, cut at random, the cut of another image, and the two cuts "
        "mixed. Above: the share of the first cut. It is drawn from 0 to 100 %; those shown are near one half."
    )
    columns = [f"{share:.0%}".replace("%", " %") for share in shares.tolist()]
    return images(pixels, Words(alt, caption), rows=tuple(rows), columns=columns, each=False)


def mixtures(x: "Tensor", shown: int) -> tuple[dict[str, "Tensor"], "Tensor"]:
    """(title -> the images of a row, the share of each), grey levels 0 to 1: the mixtures nearest to half and half."""
    import torch

    from netpress.data.views import VIEWS, partners

    mixed = VIEWS["inception-mixup"](x, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)  # the same cuts and pairs as in the mixtures
    cut = VIEWS["inception"](x, generator)
    share, other = partners(len(x), generator)
    near = (share - 0.5).abs().argsort()[:shown]
    rows = {"as it is": x[near], "cut": cut[near], "another, cut": cut[other[near]], "the two mixed": mixed[near]}
    return {title: row.float() / 255 for title, row in rows.items()}, share[near]
