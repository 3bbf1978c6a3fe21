"""Tables of the pages that are about no paper alone: data, settings, cost, and how far records can be trusted."""

import json
from typing import Any

import pandas as pd

from netpress import data, editions, env, papers
from netpress.book.made_with import took
from netpress.data.registry import DATASETS, titles
from netpress.papers.paper import UNCOMPRESSED
from netpress.report.estimates import interval, unpaired
from netpress.report.frames import finished
from netpress.report.tables import Table, Whole, listing
from netpress.runs import records
from netpress.runs.cost import spell_of

SCALES = ("width", "seeds", "images", "px", "weights", "judged_on", "batch")
CPU, GPU = "cpu", "cuda"
TRAINED_ON_BOTH = "small"  # the edition of which a part was trained on a GPU


def table_sources() -> Table:
    """Every data set: where it is read from, how many images it has, and on what terms it may be used."""
    rows = [
        {
            "data set": titles()[name], "source": source.title, "classes": dataset.classes,
            "training": source.counts["train"] + source.counts.get("validation", 0), "test": source.counts["test"],
            "what it is": source.fidelity, "terms": source.terms,
        }
        for name, dataset in DATASETS.items()
        for source in dataset.sources
    ]  # fmt: skip
    note = "Of several sources the first that is found is used; the last is the one that may be downloaded."
    return listing(rows, "The data sets, with all sources that can be read.", note)


def table_used() -> Table:
    """Which paper uses which data set at which size, by edition."""
    rows = [
        {
            "paper": paper, "edition": edition, "data set": titles()[dataset],
            "px": editions.of(chosen.px, dataset), "training images": data.count(dataset, "train", chosen.images),
        }
        for paper in papers.PAPERS
        for edition in editions.EDITIONS
        for chosen in [editions.settings(edition, paper)]
        for dataset in chosen.datasets
    ]  # fmt: skip
    note = "Parts of a paper may use fewer images: the settings that end in `_images` say so."
    return listing(rows, "What each edition uses.", note)


def table_scales() -> Table:
    """What differs between the editions, for all papers."""
    rows: list[dict[str, Any]] = [{"setting": "meant for"} | dict(editions.MEANT_FOR)]
    return listing([*rows, *(setting(name, name) for name in SCALES)], "The editions.")


def table_settings(paper: str) -> Table:
    """Every setting of `paper`, by edition."""
    names = [name for name in editions.ROWS if name.startswith(f"{paper}.")]
    return listing([setting(name, name.partition(".")[2]) for name in names], f"The settings of {paper}.")


def setting(key: str, name: str) -> dict[str, Any]:
    """A row of `editions.ROWS` as a row of a table."""
    values = dict(zip(editions.EDITIONS, editions.ROWS[key], strict=True))
    return {"setting": Whole(name)} | {edition: setting_text(value) for edition, value in values.items()}


def setting_text(value: object) -> str:
    """A setting in a cell; of one that differs between data sets the commonest first: "32; dogs, flowers102 64"."""
    if isinstance(value, tuple):
        return ", ".join(setting_text(one) for one in value)
    if not isinstance(value, dict):
        return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    names: dict[Any, list[str]] = {}
    for dataset, one in value.items():
        names.setdefault(one, []).append(dataset)
    (common, _), *others = sorted(names.items(), key=lambda item: -len(item[1]))
    return "; ".join([setting_text(common), *(f"{', '.join(sets)} {setting_text(one)}" for one, sets in others)])


def table_search() -> Table:
    """The search for settings: uncompressed networks that were judged on validation images, one row each."""
    rows = []
    for edition in records.changed_editions():
        for paper in papers.PAPERS:
            runs = papers.grid(paper, edition) if (env.results_dir() / edition / paper).is_dir() else ()
            for run, record in records.fresh(runs, edition).items():
                teaches = dict(run.factors).get("role") == "teacher"
                if run.judged_on == "validation" and (teaches or papers.get(paper).approach(run) == UNCOMPRESSED):
                    rows.append({
                        "paper": paper, "network": run.model, "data set": titles()[run.dataset],
                        "peak rate": f"{run.stages[-1].lr:g}", "epochs": run.stages[-1].epochs,
                        "schedule": Whole(run.stages[-1].schedule), "validation, %": 100 * record["last"],
                    })  # fmt: skip
    note = "A tenth of the training images, set apart; on Flowers-102 its official validation images."
    caption = "How the settings of the uncompressed networks were chosen."
    return listing(sorted(rows, key=lambda row: [str(value) for value in row.values()]), caption, note)


def table_cost() -> Table:
    """Networks and time of every paper in every edition that has records, by kind of device."""
    kept: dict[tuple[str, str, str], list[records.Record]] = {}
    for edition in (*editions.EDITIONS, *records.changed_editions()):
        base, changes = editions.parse(edition)
        shown = f"{base}, changed" if changes else base
        for record in records.every(edition):
            kept.setdefault((shown, record["run"]["paper"], record["made"]["device"]), []).append(record)
    rows = [
        dict(zip(("edition", "paper", "device"), key, strict=True))
        | {"networks": len(own), "time": Whole(took([spell_of(record) for record in own]))}
        for key, own in kept.items()
    ]
    note = "Time is that of a processor's cores together; on a GPU, which many networks share, it is time on the clock."
    return listing(rows, "What the records cost.", note)


def table_devices() -> Table:
    """The same methods with other seeds on a processor and on a GPU: accuracy, and the difference."""
    rows = []
    for paper in papers.PAPERS:
        every = finished(papers.frame(papers.grid(paper, TRAINED_ON_BOTH), TRAINED_ON_BOTH))
        for dataset, own in every.groupby("dataset", sort=False):
            method = own["name"].str.rpartition("-s")[0]
            table = (100 * own["last"]).groupby([own["kind"], own["seed"], method]).first().unstack()
            kinds = [table.loc[kind] if kind in table.index else pd.DataFrame() for kind in (CPU, GPU)]
            both = [name for name in table if all(name in kind and kind[name].notna().any() for kind in kinds)]
            if both:
                cpu, gpu = (kind[both].dropna().mean(axis=1) for kind in kinds)
                rows.append({
                    "paper": papers.get(paper).title, "data set": titles()[str(dataset)], "methods": len(both),
                    "processor, %": interval(cpu), "GPU, %": interval(gpu), "difference": unpaired(gpu, cpu),
                })  # fmt: skip
    caption = "Accuracy after the last epoch, over the methods that were trained on both."
    return listing(rows, caption, "Differences in points, with Welch's 95 % interval; a seed counts once.")


def remade() -> dict[str, Any]:
    """Records chosen at random and made again: how many were the `same`, `of` how many, and a `table` of them."""
    file = env.results_dir() / "bench" / "cpu" / "remade.json"
    made = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"records": []}
    rows = [{"record": row["name"], "the same": "yes" if row["equal"] else "no"} for row in made["records"]]
    where = made.get("made", {})
    note = f"On {where['device']}, {where['precision']}, PyTorch {where['torch']}." if where else "Not made again yet."
    table = listing(rows, "Records chosen by chance and made again in an empty folder, bit for bit.", note)
    return {"same": sum(row["equal"] for row in made["records"]), "of": len(rows), "table": table}


def table_power() -> Table:
    """Error and power of every claim whose pilot could be drawn from: what `netpress bench rules` found."""
    files = sorted((env.results_dir() / "bench").glob("*/rules.json"))  # drawn numbers are alike on all machines
    found = json.loads(files[0].read_text(encoding="utf-8"))["claims"] if files else []
    rows = [
        {
            "claim": row["claim"], "seeds": seeds_text(row["seeds"]),
            "wrongly supported, %": 100 * row["error_if_false"], "wrongly contradicted, %": 100 * row["error_if_true"],
            "decided, %": 100 * row["power"],
        }
        for row in found
    ]  # fmt: skip
    caption = "How often each claim would be decided, were it as the pilot suggests, and how often wrongly."
    return listing(rows, caption, "Not simulated yet." if not rows else "")


def seeds_text(seeds: object) -> str:
    """Numbers of seeds by data set in a cell: "4 to 6"."""
    counts = sorted(seeds.values()) if isinstance(seeds, dict) else [seeds]
    return f"{counts[0]} to {counts[-1]}" if counts[0] != counts[-1] else str(counts[0])


def table_earlier(shown: dict[str, str]) -> Table:
    """The verdicts of earlier versions of the rules beside those in force; `shown`: paper -> edition."""
    columns: dict[str, dict[str, str]] = {}
    for paper, edition in shown.items():
        for version, name in (("version 1", "pilot.json"), ("version 2", "version-2.json")):
            file = env.results_dir() / edition / "claims" / name
            said = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
            for row in said if isinstance(said, list) else said.get("verdicts", []):
                for claim in row.get("claims", [row["id"]]) if row["paper"] == paper else ():
                    columns.setdefault(version, {})[claim] = row["verdict"]
        for verdict in papers.verdicts(paper, edition):
            columns.setdefault("version 3", {})[verdict.claim.id] = verdict.verdict
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = [{"claim": name} | {version: column.get(name, "–") for version, column in columns.items()} for name in names]
    return listing(rows, "What each version of the rules said of each claim.", "Ids changed where a claim was split.")
