"""TABLES of Compressing Neural Nets: the paper's two beside ours, and those that it lacks.

Every function takes the frame of `tidy` and returns what a chapter shows. Accuracies are those after the last epoch.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from netpress import editions
from netpress.data.registry import DATASETS, titles
from netpress.editions import FRESH
from netpress.papers import printed
from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.compressing.figures import KIB, WAYS, labelled, of_networks
from netpress.papers.paper import Kind
from netpress.report.estimates import Estimate, interval
from netpress.report.frames import Where, estimates, finished, rows_where
from netpress.report.tables import NOTHING, Table, beside, listing, number

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
    note = (
        "The last two rows are not in the paper. The student alone is the same network, trained as long with labels "
        "only: what distillation is worth is the difference to it."
    )
    return with_networks("compressing_table_1", rows, f"Table I of the paper: {AFTER}", note)


def table_2(runs: pd.DataFrame) -> Table:
    """Table II: function matching, and the students that judge it, all on the longest schedule."""
    rows = named(runs, matching.ROWS)
    note = "The last three rows are not in the paper. Ours are as large, and see as many images, as the edition allows."
    return with_networks("compressing_table_2", rows, f"Table II of the paper: {AFTER}", note)


def with_networks(name: str, rows: pd.DataFrame, caption: str, note: str) -> Table:
    """A printed table beside ours; columns say which network each row is in the paper, and which one here."""
    ours = estimates(rows, "row", "data set", "last")
    made = beside(
        printed.table(name), ours, caption, note, digits=2, best=False
    )  # rows are networks, columns data sets
    here = [own_network(rows[rows["row"] == row]) for row in made.cells.index]
    theirs = [PRINTED_AS.get(row, ("", NOTHING))[1] for row in made.cells.index]
    cells = made.cells.rename(index=role_of).rename_axis("network")
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
    return rows.sort_values("dataset", key=lambda held: held.map([*DATASETS].index), kind="stable")


def schedules(runs: pd.DataFrame) -> Table:
    """Accuracy over the length of the schedule, for every method of teaching a student of function matching."""
    rows = scheduled(runs)
    rows = rows.assign(at=rows["epochs"].map("{:g} epochs".format))
    caption = "Test accuracy in % of the student over the length of its schedule, for every method of teaching it."
    found = estimates(rows, "at", "taught by", "last") if len(rows) else pd.DataFrame()
    note = "The longest schedule is the one of Table II. Labels alone is the control that the paper lacks."
    return Table(found[[title for title in WAYS.values() if title in found]], caption, note + missing_lengths(rows))


def missing_lengths(rows: pd.DataFrame) -> str:
    """That labels alone have every length with fresh seeds only, where the edition has such and none is shown yet."""
    shown = rows[["edition", "dataset"]].drop_duplicates().itertuples(index=False)
    planned = {seed for edition, dataset in shown for seed in editions.seeds(edition, "compressing", dataset)}
    if not any(seed >= FRESH for seed in planned) or (rows["seed"] >= FRESH).any():
        return ""
    return (
        " Shown is the pilot, which has labels alone at the longest schedule only; the fresh seeds, which decide "
        "claims, have them at every length."
    )


def scheduled(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished students of function matching, the shortest schedule first; "taught by" says how."""
    rows = labelled(finished(runs), {title: {"way": way} for way, title in WAYS.items()}, "taught by")
    return rows.sort_values("length", kind="stable")


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
    found = [{"student": role_of(n), "data set": title} | likeness(part) for n, title, part in groups if len(part)]
    caption = (
        "How far students answer as their teachers do on test images: accuracy, share of images with the teacher's "
        "answer (both in %), and mean KL divergence from the teacher in nats (0: the same function)."
    )
    return listing(found, caption, digits=2)


def likeness(rows: pd.DataFrame) -> dict[str, Estimate]:
    """The three numbers of `agreement`, over seeds."""
    return {
        "accuracy": interval(rows["last"]).times(100),
        "agreement": interval(rows["measures.agreement"]).times(100),
        "divergence": interval(rows["measures.divergence"]),
    }


def storage(runs: pd.DataFrame) -> Table:
    """Bytes on disk of both networks in every form, how many times smaller that is, and the accuracy."""
    rows = of_networks(runs)
    found = [
        {"stored as": name, "network": network} | weight(rows_where(group, where), column, dense(group))
        for network, group in rows.groupby("network", sort=False)
        for name, where, column in stored_forms()
    ]
    caption = (
        "Size of the stored file, really written and read back, and test accuracy (%). Times smaller: against 32-bit "
        "floats of the parent."
    )
    return listing([row for row in found if len(row) > 2], caption, digits=1)


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
    }


def pruned(runs: pd.DataFrame) -> Table:
    """What pruning costs: the change of accuracy at every ratio, both networks, against their controls."""
    rows = of_networks(runs)
    rows = rows[(rows["how"] == "global") & (rows["finish"] == "retrained") & (rows["ratio"] > 1)]
    rows = rows.assign(at=rows["ratio"].map("{:g}x".format)).sort_values("ratio", kind="stable")
    caption = (
        "What pruning costs: points of test accuracy against the parent retrained for as long without pruning. All "
        "layers are ranked together and pruned at once."
    )
    return Table(estimates(rows, "at", "network", "change"), caption, digits=2)
