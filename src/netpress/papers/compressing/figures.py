"""FIGURES and TABLES of Compressing Neural Nets: the paper's two tables beside ours, and what it lacks.

Every function takes the frame of `tidy` and returns what a chapter shows. Accuracies are those after the last epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.papers import printed
from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.paper import Kind, facts_of, meets
from netpress.report.estimates import Estimate, interval
from netpress.report.figures import Encoding, Figure, Words, curves, dumbbells, images
from netpress.report.frames import Where, estimates, finished, ordered, rows_where
from netpress.report.tables import NOTHING, RUNS, Table, beside, listing, named_runs, number, run_names
from netpress.runs.run import Run

if TYPE_CHECKING:
    from torch import Tensor

KIB = 1024

# quantity of a panel: (its column, times what)
ACCURACY, AGREEMENT = ("accuracy, %", "last"), ("agreement, %", "measures.agreement")
OVERFIT = ("overfitting, points", "overfit")


def panels(rows: pd.DataFrame, quantities: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    """The rows once for each quantity: `value` in per cent, `panel` says of which data set and quantity."""
    there = [dataset for dataset in DATASETS if dataset in set(rows["dataset"])]
    found = [
        rows[rows["dataset"] == dataset].assign(
            value=lambda part, column=column: 100 * part[column].astype("float64"),
            panel=title if len(there) == 1 else f"{DATASETS[dataset].title}: {title}",
        )
        for dataset in there
        for title, column in quantities
    ]
    return pd.concat(found) if found else rows.assign(value=[], panel=[])


def places(rows: pd.DataFrame) -> str:
    """The data sets of the rows: "CIFAR-10 and MNIST"."""
    return " and ".join(title for name, title in titles().items() if name in set(rows["dataset"]))


def labelled(rows: pd.DataFrame, names: Mapping[str, Where], column: str) -> pd.DataFrame:
    """The rows of each kind with its name in `column`, in the order of the names."""
    return pd.concat([rows_where(rows, where).assign(**{column: name}) for name, where in names.items()])


# Distillation --------------------------------------------------------------------------------------------------------

FORMS = {False: "as printed", True: "soft part times T²"}
QUANTITIES = (ACCURACY, AGREEMENT, OVERFIT)
BRIEF = 1  # temperatures where nothing is swept: the student as printed


def temperatures(runs: pd.DataFrame) -> Figure:
    """The student over the temperature T, in both forms of the loss, at the weight of the soft targets that the paper's
    example has: accuracy, agreement with the teacher, overfitting."""
    rows = finished(runs)
    rows = rows[rows.groupby("dataset")["temperature"].transform("nunique") > BRIEF]
    taught = rows_where(rows, {"role": "distilled", "alpha": distillation.ALPHA})
    both = taught[taught["temperature"] == 1].assign(squared=True)  # where both forms are one network
    points = pd.concat([taught, both]).sort_values(["temperature", "squared"], kind="stable")
    return curves(
        panels(points.assign(form=points["squared"].map(FORMS)), QUANTITIES),
        Encoding(x="temperature", y="value", series="form", panel="panel"),
        Words(
            alt="Panels by quantity: the student over temperature T, the loss as printed and with T squared.",
            caption=(
                f"α = {distillation.ALPHA}. Agreement: share of test images on which student and teacher give the "
                "same answer. Overfitting: accuracy on training images less that on test images."
            ),
            x="temperature T",
            finding="The student over the temperature T",
            measure=f"The student of Table I by loss, {places(points)}",
        ),
        {"the student alone": panels(rows_where(rows, distillation.ALONE), QUANTITIES)},
        log=True,
        ends=False,
    )


# Pruning and quantisation --------------------------------------------------------------------------------------------

HOW = {
    ("global", "retrained"): "layers ranked together",
    ("gradual", "retrained"): f"the same in {pruning.STEPS} steps",
    ("layer", "retrained"): "each layer alone",
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
    return ordered(rows, model=pruning.NETWORKS)


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
    points = ordered(points, finish=states, model=pruning.NETWORKS, ratio=sorted(points["ratio"].unique()))
    parents = rows_where(rows, pruning.PARENT)
    parents = pd.concat([parents.assign(panel=parents["network"] + ", " + state) for state in states.values()])
    cut = rows_where(rows, pruning.AT_PRINTED)["change"].mean()
    return curves(
        points,
        Encoding(x="ratio", y="last", series="approach", panel="panel", scale=100.0, all_series=tuple(HOW.values())),
        Words(
            alt="Four panels, six layers and VGG16, retrained and not: test accuracy against the ratio of pruning.",
            caption=(
                "At 5, one weight of five is left. At 1 nothing is pruned, but the network is retrained for as "
                "long as the others. Each panel has its own axis."
            ),
            x="all weights / weights left",
            y="accuracy, %",
            finding=("Four weights in five go for less than a point" if cut > -0.01 else "How many weights can go"),
            measure=f"Test accuracy in % on {places(points)}, over the ratio of all weights to weights left",
        ),
        {"the parent": parents[parents["panel"].isin(points["panel"])]},
        log=True,
        ends=False,
    )


def bits(runs: pd.DataFrame) -> Figure:
    """Accuracy against bits per weight: k-means codebooks, tuned or not, and 8-bit integers."""
    rows = of_networks(runs)
    whole = labelled(rows, INTEGERS, "approach")
    integers = whole.assign(last=whole["measures.int8_accuracy"], bits=8.0)
    points = pd.concat([series(rows[rows["base"] != ""], SHARED, "base"), integers.dropna(subset="last")])
    return curves(
        points,
        Encoding(x="bits", y="last", series="approach", panel="network", scale=100.0),
        Words(
            alt="Two panels, six layers and VGG16: test accuracy against bits per weight, with and without pruning.",
            caption=(
                "Shared weights: a code book of 2 to the power of so many values in every layer. 8-bit integers: "
                "weights and activations, run on integer kernels."
            ),
            x="bits per weight",
            y="accuracy, %",
            finding="How few bits a weight needs",
            measure=f"Test accuracy in % on {places(points)}, over bits per weight",
        ),
        {"the parent": rows_where(rows, pruning.PARENT)},
        ends=False,
    )


def sizes(runs: pd.DataFrame) -> Figure:
    """Size on disk against accuracy of VGG16, pruned, quantised, and narrow networks taught by it."""
    points = stored(of_networks(runs))
    keys = ["approach", "label"]
    points = points.assign(KiB=points.groupby(keys)["KiB"].transform("mean"))  # a file's size differs by some bytes
    return curves(
        points,
        Encoding(x="KiB", y="last", series="approach", label="label", scale=100.0),
        Words(
            alt="Bytes on disk against test accuracy of VGG16 made smaller by several approaches.",
            caption="Means over seeds. Narrow networks have the size of a pruned one: 5x is to be compared with 5x.",
            x="KiB on disk",
            y="accuracy, %",
            finding="What VGG16 keeps as its file shrinks",
            measure=f"VGG16 on {places(points)}: test accuracy in % (up) against KiB on disk",
        ),
        log=True,
        ends=False,
        height=340,
    )


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


NARROW: dict[str, Kind] = {
    finish: {"role": "narrow", "finish": state} for finish, state in (("taught", "distilled"), ("alone", "alone"))
}


def lifts(runs: pd.DataFrame) -> dict[int, Estimate]:
    """Ratio -> points that a teacher adds to a narrow VGG16 of that size, over the same trained alone, paired by
    seed."""
    keys = ["ratio", "dataset", "seed"]
    taught, alone = (
        rows_where(finished(runs), where).set_index(keys)["last"].astype("float64") for where in NARROW.values()
    )
    gain = (100 * (taught - alone)).dropna()
    return {int(ratio): interval(part) for ratio, part in gain.groupby(level="ratio")}


def teacher_lift(runs: pd.DataFrame) -> Figure:
    """A narrow VGG16 taught by the large one, and alone, at three sizes."""
    rows = labelled(finished(runs), NARROW, "trained").sort_values("ratio", kind="stable")
    rows = rows.assign(size=rows["ratio"].map("the size of VGG16 pruned {:g}x".format))
    gained = [found.mean for found in lifts(runs).values()]
    return dumbbells(
        rows,
        Encoding(x="size", y="last", series="trained", scale=100.0, all_series=tuple(NARROW)),
        Words(
            alt="One row a size of VGG16 made narrow: test accuracy with the large one as teacher, and alone.",
            caption="As large on disk as VGG16 pruned so many times, trained for as long as that network in all.",
            x="accuracy, %",
            y="accuracy, %",
            finding=(
                f"A teacher lifts narrow VGG16 by {min(gained):.1f} to {max(gained):.1f} points"
                if gained and min(gained) > 0
                else "A narrow VGG16, with a teacher and alone"
            ),
            measure=f"Test accuracy in % on {places(rows)} of VGG16 made narrow",
        ),
    )


# Function matching ---------------------------------------------------------------------------------------------------

WAYS = {
    "matched": "same cut, same mixture",
    "consistent": "same cut, nothing mixed",
    "fixed": "fixed teacher, own cut",
    "alone": "labels alone",
}


def likeness(runs: pd.DataFrame) -> dict[str, dict[str, Estimate]]:
    """How the student answers on the longest schedule, matched and from labels alone: its accuracy, and its agreement
    with the teacher, in %."""
    longest = rows_where(finished(runs), {"length": matching.LONGEST})
    return {
        way: {
            title.partition(",")[0]: interval(rows.groupby("seed")[column].mean()).times(100)
            for title, column in (ACCURACY, AGREEMENT)
        }
        for way in ("matched", "alone")
        for rows in [rows_where(longest, {"way": way})]
    }


def schedules(runs: pd.DataFrame) -> Figure:
    """Accuracy and agreement with the teacher against the length of the schedule."""
    rows = finished(runs)
    points = rows[rows["way"].isin(WAYS)].sort_values("length", kind="stable")
    points = panels(points.assign(how=points["way"].map(WAYS)), (ACCURACY, AGREEMENT))
    teachers = panels(rows_where(rows, matching.TEACHES), (ACCURACY,))
    found = likeness(runs)
    closer = found["matched"]["agreement"].mean - found["alone"]["agreement"].mean > 1
    return curves(
        points,
        Encoding(x="epochs", y="value", series="how", panel="panel", all_series=tuple(WAYS.values())),
        Words(
            alt=(
                "Two panels, accuracy and agreement with the teacher, against epochs of training; four ways of "
                "teaching."
            ),
            caption=(
                "Agreement: share of test images on which student and teacher give the same answer. A fixed "
                "teacher answers once for each image, whatever part of it the student sees."
            ),
            x="epochs",
            y="",
            finding=(
                "A matched student answers more like its teacher" if closer else "Function matching over its schedule"
            ),
            measure=f"Students of function matching on {places(points)}, by length of the schedule",
        ),
        {"the teacher": teachers},
        log=True,
        ends=False,
    )


def views(grid: Sequence[Run], shown: int = 6) -> Figure:
    """What teacher and student see: images as they are, cut at random, the cut they are mixed with, and the mixture.

    Of the data set that the runs match functions on; of digits where these are not among them, or not at hand. Of the
    first images of the set those whose mixture is nearest to half and half, with the share of the first image above.
    """
    import torch

    from netpress import data

    matched = [run for run in grid if meets(facts_of(run), {"part": "matching"})]
    there = [(run.dataset, run.px) for run in matched if data.available(run.dataset)]
    dataset, px = there[0] if there else ("digits", 16)
    rows, shares = mixtures(data.load(dataset, "train", images=64, px=px).x, shown)
    pixels = torch.stack([*rows.values()]).permute(0, 1, 3, 4, 2).numpy()
    title = DATASETS[dataset].title
    columns = [f"{share:.0%}".replace("%", " %") for share in shares.tolist()]
    return images(
        pixels,
        Words(
            alt=(
                f"{shown} images of {title} in four rows: as they are, cut at random, another one cut, and the two "
                "mixed."
            ),
            caption="Above: the share of the first cut. It is drawn from 0 to 100 %; those shown are near one half.",
            finding="What teacher and student both see",
            measure=f"Images of {title}: whole, cut at random, the cut of another image, and the two cuts mixed",
        ),
        rows=tuple(rows),
        columns=columns,
        each=False,
    )


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


# Tables --------------------------------------------------------------------------------------------------------------

FEW = 4  # bits of the shared weights in the table of sizes
AFTER = "test accuracy after the last epoch in %, the paper's | ours."
# row of a printed table: what the network is to the others, and which one it is in the paper
PRINTED_AS = {
    "Teacher (256, 512)": ("teacher", "CNN (256, 512)"),
    "Student (16, 32)": ("student, taught as printed", "CNN (16, 32)"),
    "BiT ResNet-101x3 (teacher)": ("teacher", "BiT ResNet-101x3"),
    "BiT ResNet-50x1 (student), 1000 epochs": ("student, matched", "BiT ResNet-50x1, 1,000 epochs"),
}


def table_1(runs: pd.DataFrame) -> Table:
    """Table I: the distilled CNNs, and the two students that judge them."""
    rows = named(runs, distillation.ROWS)
    return with_networks(
        "compressing_table_1",
        rows,
        f"Table I of the paper: {AFTER}",
        "The last two rows are not in the paper. The student alone is the same network, trained as long with labels "
        "only: what distillation is worth is the difference to it.",
    )


def table_2(runs: pd.DataFrame) -> Table:
    """Table II: function matching, and the students that judge it, all on the longest schedule."""
    rows = named(runs, matching.ROWS)
    return with_networks(
        "compressing_table_2",
        rows,
        f"Table II of the paper: {AFTER}",
        "The last three rows are not in the paper. Ours are as large, and see as many images, as the edition allows.",
    )


def with_networks(name: str, rows: pd.DataFrame, caption: str, note: str) -> Table:
    """A printed table beside ours; columns say which network each row is in the paper, and which one here."""
    ours = estimates(rows, "row", "data set", "last")
    made = beside(printed.table(name), ours, caption, note, digits=2, best=False)
    here = [own_network(rows[rows["row"] == row]) for row in made.cells.index]
    theirs = [PRINTED_AS.get(row, ("", NOTHING))[1] for row in made.cells.index]
    cells = named_runs(made.cells.rename_axis("row"), rows).rename(index=role_of).rename_axis("network")
    cells.insert(0, "in the paper", theirs)
    cells.insert(1, "here", here)
    return replace(made, cells=cells)


def role_of(row: str) -> str:
    """A row of a printed table by what its network is to the others; our own rows have such names anyway."""
    return PRINTED_AS.get(row, (row,))[0]


def own_network(rows: pd.DataFrame) -> str:
    """Which network a row is here: its name, its weights and epochs, both in the order of the data sets."""
    if rows.empty:
        return NOTHING
    weights, epochs = (" or ".join(number(n, 0) for n in rows[c].dropna().unique()) for c in ("parameters", "epochs"))
    return f"{' or '.join(rows['model'].drop_duplicates())}, {weights} weights, {epochs} epochs"


def named(runs: pd.DataFrame, names: Mapping[str, Where]) -> pd.DataFrame:
    """The finished runs of some kinds with the columns row and data set, in the order of data sets and `names`."""
    rows = labelled(finished(runs), names, "row")
    rows = rows.assign(**{"data set": rows["dataset"].map(titles())})
    return ordered(rows, dataset=DATASETS)


ROLES: dict[str, Kind] = {
    "teacher of distillation": distillation.TEACHES,
    "student of distillation": distillation.ALONE,
    "small network, pruned": pruning.PARENT | {"model": pruning.SMALL},
    "large network, pruned": pruning.PARENT | {"model": pruning.LARGE},
    "teacher of function matching": matching.TEACHES,
    "student of function matching": {"way": "matched", "length": matching.LONGEST},
}


def networks(runs: pd.DataFrame) -> Table:
    """The paper's six networks as this edition has them: parameters and multiply-adds of one image."""
    rows = finished(runs)
    found = [
        {"network": str(group["model"].iloc[0]), "role": role, "data set": DATASETS[dataset].title}
        | {"parameters": int(group["parameters"].iloc[0]), "multiply-adds": int(group["multiply_adds"].iloc[0])}
        for role, where in ROLES.items()
        for dataset, group in rows_where(rows, where).groupby("dataset", sort=False)
    ]
    return listing(found, "The networks: parameters, and multiply-adds of one image in convolutions and linear layers.")


def agreement(runs: pd.DataFrame) -> Table:
    """Accuracy, agreement with the teacher and divergence from it of every kind of student."""
    students = [*distillation.ROWS.items(), *matching.ROWS.items()]
    kinds = [(name, where) for name, where in students if where.get("role") != "teacher"]
    narrow: Kind = {"role": "narrow", "ratio": pruning.PRINTED}
    kinds += [
        (f"narrow VGG16 (size of {pruning.PRINTED}x), {finish}", narrow | {"finish": finish})
        for finish in ("distilled", "alone")
    ]
    rows = finished(runs)
    groups = [
        (name, title, rows_where(rows, where | {"dataset": dataset}))
        for dataset, title in titles().items()
        for name, where in kinds
    ]
    found = [
        {
            "student": role_of(name), "data set": title, "accuracy": interval(part["last"]).times(100),
            "agreement": interval(part["measures.agreement"]).times(100),
            "divergence": interval(part["measures.divergence"]), RUNS: run_names(part),
        }
        for name, title, part in groups if len(part)
    ]  # fmt: skip
    return listing(
        found,
        "How far students answer as their teachers do on test images: accuracy, share of images with the teacher's "
        "answer (both in %), and mean KL divergence from the teacher in nats (0: the same function).",
        digits=2,
    )


def storage(runs: pd.DataFrame) -> Table:
    """Bytes on disk of both networks in every form, how many times smaller that is, and the accuracy."""
    found = [
        {"stored as": name, "network": network} | weight(rows_where(group, where), column, whole)
        for network, group in of_networks(runs).groupby("network", sort=False)
        for whole in [rows_where(group, pruning.PARENT)["measures.bytes_dense32"].astype("float64").mean()]
        for name, where, column in STORED
    ]
    return listing(
        [row for row in found if len(row) > 2],
        "Size of the stored file, really written and read back, and test accuracy (%). Times smaller: against 32-bit "
        "floats of the parent.",
        digits=1,
    )


TUNED: Kind = {"role": "shared", "bits": FEW, "finish": "tuned"}
# name, which networks, column of the bytes
STORED: tuple[tuple[str, Where, str], ...] = (
    ("32-bit floats", pruning.PARENT, "dense32"),
    ("8-bit integers", pruning.PARENT, "int8"),
    (f"{FEW}-bit shared weights", TUNED | {"base": pruning.DENSE}, "shared"),
    (f"{FEW}-bit shared weights, Huffman", TUNED | {"base": pruning.DENSE}, "shared+huffman"),
    (f"pruned {pruning.PRINTED}x, 32-bit floats", pruning.AT_PRINTED, "sparse32"),
    (f"pruned {pruning.PRINTED}x, 8-bit integers", pruning.AT_PRINTED, "int8"),
    (f"pruned {pruning.PRINTED}x, {FEW}-bit shared weights", TUNED | {"base": pruning.CUT}, "shared"),
    (f"pruned {pruning.PRINTED}x, {FEW}-bit shared weights, Huffman", TUNED | {"base": pruning.CUT}, "shared+huffman"),
)


def weight(rows: pd.DataFrame, form: str, whole: float) -> dict:
    """KiB, times smaller and accuracy of one network in one form; nothing where it was not run."""
    column = f"measures.bytes_{form}"
    if column not in rows or rows[column].dropna().empty:
        return {}
    sizes = rows[column].astype("float64")
    accuracies = rows["measures.int8_accuracy"] if form == "int8" else rows["last"]
    return {
        "KiB": sizes.mean() / KIB,
        "times smaller": whole / sizes.mean(),
        "accuracy": interval(accuracies).times(100),
        RUNS: run_names(rows),
    }
