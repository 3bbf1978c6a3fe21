"""Tables of the appendix: data, settings, how they were chosen, what all of it cost."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from netpress import data, editions, papers, paths
from netpress.book import benchmark_page, html
from netpress.book.html import Html, duration
from netpress.data.sources import SOURCES, Source
from netpress.papers import printed
from netpress.report.estimates import interval
from netpress.report.figures import Encoding, Figure, Words, curves
from netpress.report.tables import Link, Printed, Signed, Table, Whole, listing
from netpress.runs import records

# Energy is estimated, not measured: what a busy core of a server takes with its share of memory and of the rest, and a
# GPU's rated power.
WATTS_PER_CORE = 12.0
WATTS_OF_GPUS = {"H200": 700.0, "H100": 700.0, "A100": 400.0}
WATTS_OF_GPU = 350.0  # of one that is not listed

SCALES = ("width", "seeds", "images", "px", "weights", "judged_on", "batch")
UNCOMPRESSED = ("parent", "teacher")
CONTROL = "small+images=all"  # what the number of training images alone does to a parent


# Data ----------------------------------------------------------------------------------------------------------------


def table_sources() -> Table:
    """Every data set: its classes and how many images it has."""
    rows = [
        {
            "data set": name, "source": source.title, "classes": source.classes,
            "training": source.counts["train"] + source.counts.get("validation", 0), "test": source.counts["test"],
        }
        for name, source in sources()
    ]  # fmt: skip
    note = "Of several sources the first that is found is used; the last is the one that may be downloaded."
    return listing(rows, "The data sets, with all sources that can be read.", note)


def cards_sources() -> Html:
    """Of every source how far it can be trusted, and on what terms it may be used."""
    cards = [
        html.listing(f"{source.title} ({name})", [("Fidelity", source.fidelity), ("Terms", source.terms)], "data")
        for name, source in sources()
    ]
    return Html("".join(card.html for card in cards), "\n".join(card.text for card in cards))


def sources() -> list[tuple[str, Source]]:
    """(data set, source), in the order in which they are looked for."""
    return [(name, source) for name, several in SOURCES.items() for source in several]


def table_used() -> Table:
    """Which paper uses which data set at which size, by edition."""
    rows = []
    for paper in editions.PAPERS:
        for edition in editions.EDITIONS:
            chosen = editions.settings(edition, paper)
            for dataset in chosen.datasets:
                px = editions.of(chosen.px, dataset)
                most = data.count(dataset, "train", chosen.images)
                rows.append(
                    {"paper": paper, "edition": edition, "data set": dataset, "px": px, "training images": most}
                )
    note = "Parts of a paper may use fewer images: the settings that end in `_images` say so."
    return listing(rows, "What each edition uses.", note)


# Settings ------------------------------------------------------------------------------------------------------------


def table_scales() -> Table:
    """What differs between the editions, for all papers."""
    rows: list[dict[str, Any]] = [{"setting": "meant for"} | dict(editions.MEANT_FOR)]
    rows += [named(name, name) for name in SCALES]
    return listing(rows, "The editions.")


def table_settings(paper: str) -> Table:
    """Every setting of a paper, by edition."""
    names = [name for name in editions.ROWS if name.startswith(f"{paper}.")]
    return listing([named(name, name.partition(".")[2]) for name in names], f"The settings of {paper}.")


def named(key: str, name: str) -> dict[str, Any]:
    """A row of `editions.ROWS` as a row of a table."""
    values = dict(zip(editions.EDITIONS, editions.ROWS[key], strict=True))
    return {"setting": Whole(name)} | {edition: said(value) for edition, value in values.items()}


def said(value: Any) -> str:
    """A setting in a cell."""
    if isinstance(value, dict):
        return by_dataset(value)
    if isinstance(value, tuple):
        return ", ".join(said(one) for one in value)
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def by_dataset(values: dict[str, Any]) -> str:
    """What differs between data sets: the commonest value, then the others: "32; dogs, flowers102 64"."""
    names: dict[Any, list[str]] = {}
    for dataset, value in values.items():
        names.setdefault(value, []).append(dataset)
    (common, _), *others = sorted(names.items(), key=lambda item: -len(item[1]))
    return "; ".join([said(common), *(f"{', '.join(datasets)} {said(value)}" for value, datasets in others)])


# How they were chosen ------------------------------------------------------------------------------------------------


def table_search() -> Table:
    """The search for settings: uncompressed networks that were judged on validation images, one row each."""
    rows = sorted((tried(record) for record in search()), key=lambda row: [str(value) for value in row.values()])
    note = (
        "Judged on a tenth of the training images, set apart; test images were not looked at. Last fifth: what its "
        "accuracy still gained over the last fifth of its epochs."
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


def search() -> list[records.Record]:
    """The records of uncompressed networks that were judged on validation images."""
    return [
        record
        for edition in searched()
        for record in found(edition)
        if record["run"]["method"] in UNCOMPRESSED and record["run"].get("judged_on") == "validation"
    ]


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
    """How much the accuracy on the images that judge rose over the last fifth of the epochs, a fraction."""
    accuracies = [row["test_accuracy"] for row in record["history"]]
    return float(accuracies[-1] - accuracies[-1 - max(1, len(accuracies) // 5)])


def searched() -> list[str]:
    """Editions with changed settings that have records."""
    folder = paths.results_dir()
    return sorted(path.name for path in folder.glob("*+*") if path.is_dir()) if folder.is_dir() else []


def found(edition: str) -> Iterator[records.Record]:
    """Every record of an edition, in the order of names; those of other kinds (times) left out."""
    for path in sorted((paths.results_dir() / edition).glob("*/*/*.json")):
        record = records.read(path)
        if record and "run" in record:
            yield record


def table_parents() -> Table:
    """Our uncompressed networks beside published ones of the same kind."""
    rows = []
    for known in printed.rows("parents"):
        for edition in (*editions.EDITIONS, CONTROL):
            for paper in editions.PAPERS:
                own = parents(edition, paper, known["dataset"], known["model"])
                if own:
                    rows.append(beside(known, paper, edition, own))
    note = (
        "Ours are those after the last epoch. Last fifth: what they still gained over the last fifth of their epochs. "
        "Published ones saw all training images at full width. In the control small+images=all nothing but the number "
        "of training images, and of steps with it, differs from the edition small."
    )
    return listing(rows, "Uncompressed networks beside published ones.", note)


def parents(edition: str, paper: str, dataset: str, model: str) -> list[records.Record]:
    """The records of an uncompressed network, one a seed."""
    if not (paths.results_dir() / edition / paper / dataset).is_dir():
        return []
    runs = [run for run in papers.grid(paper, edition, (dataset,)) if run.model == model and run.method in UNCOMPRESSED]
    return [record for record in records.fresh(runs, edition).values() if record["status"] == "done"]


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


# Made again ----------------------------------------------------------------------------------------------------------


def table_remade() -> Table:
    """Records that were chosen at random and made again, and whether they are the same."""
    told = benchmark_page.record("remade")
    rows = [{"record": row["name"], "the same": row["equal"]} for row in told.get("records", [])]
    return listing(rows, "Records chosen at random, and made again from nothing.", said_of(told))


def said_of(told: dict[str, Any]) -> str:
    """On what records were made again, and out of how many they were chosen."""
    if not told:
        return benchmark_page.unmeasured("remade")
    made, own = told["made"], told["settings"]
    return (
        f"Chosen from {own['chosen_from']:,} of the edition {own['edition']}; {made['device']}, {made['precision']}, "
        f"PyTorch {made['torch']}, {made['time'][:10]}."
    )


# What it cost --------------------------------------------------------------------------------------------------------


def table_cost() -> Table:
    """Networks, time and energy of every paper in every edition that has records, by kind of device."""
    kept: dict[tuple[str, str, str], list[records.Record]] = {}
    for edition in [*editions.EDITIONS, *searched()]:
        for record in found(edition):
            key = (named_edition(edition), record["run"]["paper"], record["made"]["device"])
            kept.setdefault(key, []).append(record)
    rows = [dict(zip(("edition", "paper", "device"), key, strict=True)) | cost(own) for key, own in kept.items()]
    totals = {"networks": sum(row["networks"] for row in rows), "kWh": sum(row["kWh"] for row in rows)}
    rows += [{"edition": "all", "paper": "", "device": ""} | totals] if rows else []
    return listing(rows, "What the records cost.", energy_said(), digits=3)


def named_edition(edition: str) -> str:
    """An edition in a cell: all searches for its settings are one, and so is all that was changed by hand."""
    base, changes = editions.parse(edition)
    if not changes:
        return base
    return f"{base}, the search" if changes.get("judged_on") == "validation" else f"{base}, changed"


def cost(own: list[records.Record]) -> dict[str, Any]:
    """Networks, hours and energy of records from one device."""
    seconds = sum(record["made"].get("seconds", 0.0) for record in own)
    return {"networks": len(own), "time": Whole(duration(seconds)), "kWh": sum(energy(record) for record in own)}


def energy(record: records.Record) -> float:
    """Estimated kilowatt hours of a run."""
    made = record["made"]
    if made["kind"] == "cpu":
        watts = WATTS_PER_CORE * made["threads"]
    else:
        watts = next((w for name, w in WATTS_OF_GPUS.items() if name in made["device"]), WATTS_OF_GPU)
    return float(watts * made.get("seconds", 0.0) / 3.6e6)


def energy_said() -> str:
    """What the energies assume, as a sentence."""
    gpus = ", ".join(f"{name} {watts:g}" for name, watts in WATTS_OF_GPUS.items())
    return (
        f"Energy is estimated, not measured: {WATTS_PER_CORE:g} W for a busy processor core with its share of the "
        f"machine, rated power for a GPU ({gpus}, others {WATTS_OF_GPU:g} W)."
    )


def total_energy() -> float:
    """Estimated kilowatt hours of all records."""
    return sum(energy(record) for edition in [*editions.EDITIONS, *searched()] for record in found(edition))
