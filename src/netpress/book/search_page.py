"""What the page on settings shows of how they were chosen: the search, and our parents beside published networks."""

import math
from typing import Any

import pandas as pd

from netpress import data, editions, papers, paths
from netpress.data.registry import titles
from netpress.papers import printed
from netpress.papers.paper import UNCOMPRESSED
from netpress.papers.triage import CONSTANT, convergence
from netpress.report.estimates import interval
from netpress.report.figures import Encoding, Figure, Words, curves
from netpress.report.sentences import listed
from netpress.report.tables import Link, Printed, Signed, Table, Whole, listing, number
from netpress.runs import records
from netpress.runs.run import Run

SETTLED = 0.5  # points: a parent that gains less over the last fifth of its epochs has settled
LENGTHS = (8, 12, 14, 16, 20, 24)  # epochs after which retraining at a constant rate might end
CONTROL = "small+images=all"  # what the number of training images alone does to a parent


def table_search() -> Table:
    """The search for settings: uncompressed networks that were judged on validation images, one row each."""
    rows = sorted((tried(record) for record in search()), key=lambda row: [str(value) for value in row.values()])
    validation = number(data.count("flowers102", "validation"), 0)
    note = (
        f"Judged on a tenth of the training images, set apart, on Flowers-102 on its {validation} official validation "
        "images; test images were not looked at. Last fifth: what its accuracy still gained over the last fifth of its "
        "epochs."
    )
    return listing(rows, "How the settings of the uncompressed networks were chosen.", note)


def figure_search() -> Figure:
    """The learning curves of the search, one panel a network and data set."""
    rows = [
        {
            "network": f"{record['run']['model']} on {record['run']['dataset']}", "epoch": row["epoch"],
            "accuracy": row["test_accuracy"], "tried": "rate {rate:g}, {epochs} epochs".format(**steps[-1]),
        }
        for record in search()
        for steps in [record["run"]["steps"]]
        for row in record["history"]
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["network", "epoch", "accuracy", "tried"]).sort_values(["network", "tried"])
    alt = "Learning curves: one panel an uncompressed network on a data set, one line a peak rate and number of epochs."
    caption = "Accuracy on validation images of the uncompressed networks, by peak rate and number of epochs."
    encoding = Encoding(x="epoch", y="accuracy", series="tried", panel="network", scale=100.0)
    return curves(frame, encoding, Words(alt, caption, "epoch", "validation accuracy, %"))


def table_settling() -> Table:
    """How long, and at what rate, networks retrained until they settle were retrained: tried on validation images."""
    rows = [
        {
            "network": f"{run.model} {facts['initialisation']}-{facts['regime']}",
            "data set": run.dataset,
            "rate": f"{run.stages[-1].lr:g}",
            **{f"{n} epochs": drift_after(record, n) for n in LENGTHS if n <= run.stages[-1].epochs},
        }
        for run, record in judged_on_validation().items()
        for facts in [dict(run.factors)]
        if facts.get("retraining") == CONSTANT
    ]
    note = (
        "Points by which accuracy on validation images rises (+) or falls over the last fifth, if retraining ends "
        "after so many epochs: its second half less its first. At a higher rate it jumps; what is trained too long "
        "falls again. Seed 0 of the pilot."
    )
    caption = "How the length and the rate of retraining until networks settle were chosen."
    return listing(sorted(rows, key=lambda row: (row["network"], row["rate"])), caption, note)


def drift_after(record: records.Record, epochs: int) -> Signed:
    """Points by which accuracy still rises over the last fifth of so many epochs of the last stage."""
    curve = record["curve"]
    end = curve[-1][0] * epochs / record["run"]["steps"][-1]["epochs"]
    return Signed(100 * convergence.drift([point for point in curve if point[0] <= end]))


def search() -> list[records.Record]:
    """The records of uncompressed networks that were judged on validation images."""
    return [record for run, record in judged_on_validation().items() if is_whole(run)]


def is_whole(run: Run) -> bool:
    """Whether a run's network is uncompressed, or the teacher of one that is smaller from the start."""
    return papers.get(run.paper).approach(run) == UNCOMPRESSED or dict(run.factors).get("role") == "teacher"


def judged_on_validation() -> dict[Run, records.Record]:
    """The records of all runs with which settings were searched for."""
    tried = [
        (edition, paper)
        for edition in records.changed_editions()
        for paper in papers.PAPERS
        if (paths.results_dir() / edition / paper).is_dir()
    ]
    found = [records.fresh(papers.grid(paper, edition), edition) for edition, paper in tried]
    return {run: record for part in found for run, record in part.items() if run.judged_on == "validation"}


def tried(record: records.Record) -> dict[str, Any]:
    """A row of `table_search`."""
    run, step = record["run"], record["run"]["steps"][-1]
    return {
        "network": run["model"], "data set": run["dataset"], "peak rate": f"{step['rate']:g}",
        "epochs": step["epochs"], "validation, %": 100 * record["last"],
        "last fifth, points": Signed(100 * gained(record)), "schedule": Whole(step["schedule"]),
        "images": data.count(run["dataset"], "fit", run["images"]), "paper": run["paper"],
    }  # fmt: skip


def gained(record: records.Record) -> float:
    """How much the accuracy on the images that judge rose over the last fifth of the epochs, or nan, a fraction."""
    accuracies = [row["test_accuracy"] for row in record["history"]]
    if len(accuracies) < 2:
        return math.nan
    return float(accuracies[-1] - accuracies[-1 - max(1, len(accuracies) // 5)])


def table_parents() -> Table:
    """Our uncompressed networks beside published ones of the same kind."""
    wanted = [(edition, paper) for edition in (*editions.EDITIONS, CONTROL) for paper in papers.PAPERS]
    found = {(edition, paper): parents(edition, paper) for edition, paper in wanted}
    rows = [
        beside(known, paper, edition, own)
        for known in printed.rows("parents")
        for edition, paper in wanted
        if (own := found[edition, paper].get((known["dataset"], known["model"])))
    ]
    note = (
        "Ours are those after the last epoch. Last fifth: what they still gained over the last fifth of their epochs. "
        "Published ones saw all training images at full width. In the control small+images=all nothing but the number "
        "of training images, and of steps with it, differs from the edition small."
    )
    return listing(rows, "Uncompressed networks beside published ones.", note)


def parents(edition: str, paper: str) -> dict[tuple[str, str], list[records.Record]]:
    """Data set and network -> the records of uncompressed networks, one a seed."""
    found: dict[tuple[str, str], list[records.Record]] = {}
    if (paths.results_dir() / edition / paper).is_dir():
        whole = [run for run in papers.shown(paper, edition) if is_whole(run)]
        for run, record in records.fresh(whole, edition).items():
            if record["status"] == "done":
                found.setdefault((run.dataset, run.model), []).append(record)
    return found


def unsettled_text(paper: str = "", edition: str = "") -> str:
    """Which parents still gained too much over the last fifth of their epochs, and what that means for leads over them;
    of one paper and edition, or of all that were committed."""
    among = [edition] if edition else editions.COMMITTED
    wanted = [(one, name) for one in among for name in ([paper] if paper else papers.PAPERS)]
    gains = {
        (one, f"{model.replace('vgg', 'VGG')} on {titles()[dataset]}{where}"): gain
        for one, name in wanted
        for where in ["" if paper else f" in {papers.get(name).title}"]
        for (dataset, model), held in parents(one, name).items()
        if (gain := interval([gained(record) for record in held]).times(100)).n
    }
    found = {key: number(gain.mean, 2) for key, gain in gains.items() if gain.mean > SETTLED}
    if not gains:
        return ""
    if not found:
        return f"No parent shown here gained more than {number(SETTLED)} points over the last fifth of its epochs."
    several = len({one for one, _ in gains}) > 1
    words = listed([f"{name} ({f'edition {one}: ' if several else ''}{gain})" for (one, name), gain in found.items()])
    return (
        f"More than {number(SETTLED)} points over the last fifth of the epochs were still gained, on average over "
        f"seeds, by {words}. There a part of a lead over the parent may be longer training."
    )


def beside(known: dict[str, str], paper: str, edition: str, own: list[records.Record]) -> dict[str, Any]:
    """A row of `table_parents`."""
    run = own[0]["run"]
    mean = interval([record["last"] for record in own]).times(100)
    images = data.count(run["dataset"], "train", run["images"])
    epochs = sum(step.get("epochs", 0) for step in run["steps"])
    return {
        "data set": known["dataset"], "network": known["model"], "ours, %": mean,
        "published, %": Printed(known["accuracy"]),
        "last fifth, points": interval([gained(record) for record in own]).times(100),
        "width": f"{run['width']:g}", "training images": images, "epochs": epochs,
        "edition": edition, "paper": paper, "published on": known["trained"], "source": linked(known["source"]),
    }  # fmt: skip


def linked(source: str) -> Link | str:
    """A source as a link, where it is an address."""
    return Link(source, f"https://{source}") if source.startswith("github.com/") else source
