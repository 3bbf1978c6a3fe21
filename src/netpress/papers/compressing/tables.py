"""TABLES of Compressing Neural Nets: the paper's two beside ours, and those that it lacks.

Every function takes the frame of `tidy` and returns what a chapter shows. Accuracies are those after the last epoch.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from netpress.data.registry import DATASETS, titles
from netpress.papers import printed
from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.compressing.figures import KIB, labelled, of_networks
from netpress.papers.paper import Kind
from netpress.report.estimates import interval
from netpress.report.frames import Where, estimates, finished, ordered, rows_where
from netpress.report.tables import NOTHING, RUNS, Table, beside, listing, named_runs, number, run_names

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
    rows = of_networks(runs)
    found = [
        {"stored as": name, "network": network} | weight(rows_where(group, where), column, dense(group))
        for network, group in rows.groupby("network", sort=False)
        for name, where, column in stored_forms()
    ]
    return listing(
        [row for row in found if len(row) > 2],
        "Size of the stored file, really written and read back, and test accuracy (%). Times smaller: against 32-bit "
        "floats of the parent.",
        digits=1,
    )


def stored_forms() -> tuple[tuple[str, Where, str], ...]:
    """name, which networks, column of the bytes."""
    tuned: Kind = {"role": "shared", "bits": FEW, "finish": "tuned"}
    base, cut = (tuned | {"base": base} for base in (pruning.DENSE, pruning.CUT))
    return (
        ("32-bit floats", pruning.PARENT, "dense32"),
        ("8-bit integers", pruning.PARENT, "int8"),
        (f"{FEW}-bit shared weights", base, "shared"),
        (f"{FEW}-bit shared weights, Huffman", base, "shared+huffman"),
        (f"pruned {pruning.PRINTED}x, 32-bit floats", pruning.AT_PRINTED, "sparse32"),
        (f"pruned {pruning.PRINTED}x, 8-bit integers", pruning.AT_PRINTED, "int8"),
        (f"pruned {pruning.PRINTED}x, {FEW}-bit shared weights", cut, "shared"),
        (f"pruned {pruning.PRINTED}x, {FEW}-bit shared weights, Huffman", cut, "shared+huffman"),
    )


def dense(rows: pd.DataFrame) -> float:
    """Bytes of the parent in 32-bit floats."""
    return rows_where(rows, pruning.PARENT)["measures.bytes_dense32"].astype("float64").mean()


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
