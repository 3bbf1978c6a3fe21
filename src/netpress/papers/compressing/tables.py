"""TABLES of Compressing Neural Nets: the paper's two beside ours, and those that it lacks.

Every function takes the frame of `tidy` and returns what a chapter shows. Accuracies are those after the last epoch.
"""

from collections.abc import Mapping

import pandas as pd

from netpress.papers import printed
from netpress.papers.compressing import distillation, matching, pruning
from netpress.papers.compressing.figures import DATASETS, KIB, of_networks
from netpress.report.estimates import Estimate, interval
from netpress.report.frames import estimates, finished
from netpress.report.tables import Table, beside, listing

FEW = 4  # bits of the shared weights in the table of sizes
AFTER = "test accuracy after the last epoch in %, as printed, ours, and the difference."


def table_1(runs: pd.DataFrame) -> Table:
    """Table I: the distilled CNNs, and the two students that judge them."""
    models = (distillation.TEACHER, distillation.STUDENT)
    rows = named(runs[runs["model"].isin(models)], distillation.ROWS)
    note = (
        "The last two rows are not in the paper. The student alone is the same network, trained as long with labels "
        "only: what distillation is worth is the difference to it."
    )
    ours = estimates(rows, "row", "data set", "last")
    return beside(printed.table("compressing_table_1"), ours, f"Table I of the paper: {AFTER}", note, digits=2)


def table_2(runs: pd.DataFrame) -> Table:
    """Table II: function matching, and the students that judge it, all on the longest schedule."""
    rows = named(runs[runs["model"].str.startswith("bit-")], matching.ROWS)
    pairs = " teaches ".join(rows["model"].drop_duplicates())
    note = f"The last three rows are not in the paper. Ours: {pairs}, as large as the edition allows." if pairs else ""
    ours = estimates(rows, "row", "data set", "last")
    return beside(printed.table("compressing_table_2"), ours, f"Table II of the paper: {AFTER}", note, digits=2)


def named(runs: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The finished runs of some methods with the columns row and data set, in the order of `names`."""
    rows = finished(runs)
    rows = rows[rows["method"].isin(names)].copy()
    rows["row"], rows["data set"] = rows["method"].map(names), rows["dataset"].map(DATASETS)
    keys = pd.DataFrame({"r": rows["method"].map(list(names).index), "d": rows["dataset"].map(list(DATASETS).index)})
    return rows.loc[keys.sort_values(["d", "r"], kind="stable").index]


ROLES = {
    (distillation.TEACHER, "teacher"): "teacher of distillation",
    (distillation.STUDENT, "alone"): "student of distillation",
    (pruning.SMALL, "parent"): "small network, pruned",
    (pruning.LARGE, "parent"): "large network, pruned",
    ("bit", "teacher"): "teacher of function matching",
    ("bit", f"matched-{matching.LONGEST}x"): "student of function matching",
}


def networks(runs: pd.DataFrame) -> Table:
    """The paper's six networks as this edition has them: parameters and multiply-adds of one image."""
    rows = finished(runs)
    families = rows["model"].where(~rows["model"].str.startswith("bit-"), "bit")
    found = [
        {"network": str(group["model"].iloc[0]), "role": role, "data set": DATASETS[dataset]}
        | {"parameters": int(group["parameters"].iloc[0]), "multiply-adds": int(group["multiply_adds"].iloc[0])}
        for (family, method), role in ROLES.items()
        for dataset, group in rows[(families == family) & (rows["method"] == method)].groupby("dataset", sort=False)
    ]
    return listing(found, "The networks: parameters, and multiply-adds of one image in convolutions and linear layers.")


def agreement(runs: pd.DataFrame) -> Table:
    """Accuracy, agreement with the teacher and divergence from it of every kind of student."""
    kinds = {method: name for method, name in distillation.ROWS.items() if method != "teacher"}
    kinds |= {method: name for method, name in matching.ROWS.items() if method != "teacher"}
    kinds |= {f"narrow-{pruning.PRINTED}x-distilled": f"narrow VGG16 (size of {pruning.PRINTED}x), distilled"}
    kinds |= {f"narrow-{pruning.PRINTED}x-alone": f"narrow VGG16 (size of {pruning.PRINTED}x), alone"}
    rows = finished(runs)
    groups = [
        (name, dataset, rows[(rows["method"] == method) & (rows["dataset"] == dataset)])
        for dataset in DATASETS
        for method, name in kinds.items()
    ]
    found = [{"student": n, "data set": DATASETS[d]} | likeness(part) for n, d, part in groups if len(part)]
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
        {"stored as": name, "network": network} | weight(group[group["method"] == method], column, dense(group))
        for network, group in rows.groupby("network", sort=False)
        for name, method, column in stored_forms()
    ]
    caption = (
        "Size of the stored file, really written and read back, and test accuracy (%). Times smaller: against 32-bit "
        "floats of the parent."
    )
    return listing([row for row in found if len(row) > 2], caption, digits=1)


def stored_forms() -> tuple[tuple[str, str, str], ...]:
    """name, method, column of the bytes."""
    base, cut = f"shared-{FEW}b-dense-tuned", f"shared-{FEW}b-{pruning.PRINTED}x-tuned"
    return (
        ("32-bit floats", "parent", "dense32"),
        ("8-bit integers", "parent", "int8"),
        (f"{FEW}-bit shared weights", base, "shared"),
        (f"{FEW}-bit shared weights, Huffman", base, "shared+huffman"),
        (f"pruned {pruning.PRINTED}x, 32-bit floats", pruning.AT_PRINTED, "sparse32"),
        (f"pruned {pruning.PRINTED}x, 8-bit integers", pruning.AT_PRINTED, "int8"),
        (f"pruned {pruning.PRINTED}x, {FEW}-bit shared weights", cut, "shared"),
        (f"pruned {pruning.PRINTED}x, {FEW}-bit shared weights, Huffman", cut, "shared+huffman"),
    )


def dense(rows: pd.DataFrame) -> float:
    """Bytes of the parent in 32-bit floats."""
    return rows.loc[rows["method"] == "parent", "measures.bytes_dense32"].astype("float64").mean()


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


