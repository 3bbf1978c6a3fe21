"""What the page on the engine shows: the measurements of `netpress bench`."""

from typing import Any

import pandas as pd

from netpress import papers
from netpress.benchmarks import results
from netpress.report.estimates import Estimate, interval
from netpress.report.figures import Encoding, Figure, dumbbells
from netpress.report.tables import Table, listing
from netpress.report.theme import Words

WITH_BARS = (
    "triage-grid", "triage-grid-full", "frozen-ratio", "student-teacher", "distillation", "step-overhead", "host-work",
    "rebuild", "step-512", "whole-grid", "shrink-cost", "shrink",
)  # fmt: skip
ARMS = {"plain": "plain loop", "ours": "netpress"}


def record(name: str) -> dict[str, Any]:
    """A measurement, of a CPU where there is one; empty where nothing was measured."""
    return results.first(name) or {}


def table_bars() -> Table:
    """What was aimed at and what was measured, in every place that has records."""
    rows = [
        line(bar) | {"on": title}
        for where, title in results.PLACES.items()
        for name in WITH_BARS
        for bar in (results.read(where, name) or {"bars": []})["bars"]
        if bar["bar"]
    ]
    return listing(rows, "What was aimed at, and what was measured.", NOTE, digits=3)


MISSING = "So nothing can be said yet."
NOTE = "Measured is the median of the rounds; lowest and highest are rounds too."


def table_of(name: str, caption: str) -> Table:
    """All lines of one measurement, and beside them what a CPU gave in fp32."""
    measured, other = record(name), results.read("cpu-fp32", name) or {"bars": []}
    fp32 = {bar["what"]: bar["measured"] for bar in other["bars"]} if measured != other else {}
    rows = [line(bar) | ({"in fp32": fp32.get(bar["what"])} if fp32 else {}) for bar in measured.get("bars", [])]
    note = f"{NOTE} In fp32: {made_by(other)}." if fp32 else NOTE
    return listing(rows, caption, note, digits=3)


def line(bar: dict[str, Any]) -> dict[str, Any]:
    """One line of a table."""
    met = {True: "yes", False: "no", None: None}[bar["met"]]
    return {
        "what": bar["what"], "measured": bar["measured"], "lowest": bar["low"], "highest": bar["high"],
        "aim": bar["bar"], "reached": met,
    }  # fmt: skip


def value(name: str, what: str, key: str = "measured") -> float | None:
    """The number of the first line of a measurement whose text begins with `what`."""
    return next((bar[key] for bar in record(name).get("bars", []) if bar["what"].startswith(what)), None)


def why(name: str) -> str:
    """What explains an aim that was missed, as a sentence."""
    measured = record(name)
    if not measured:
        return MISSING
    reason = measured.get("why") or "what was aimed at is reached"
    return f"{reason[0].upper()}{reason[1:].rstrip('.')}."


def conditions(name: str) -> str:
    """On what it was measured, as a sentence."""
    measured = record(name)
    if not measured:
        return unmeasured(name)
    made, own = measured["made"], measured["settings"]
    images = ""
    if "dataset" in own:
        images = f"with {own['images']:,} training images of {own['dataset']} and as many to test, "
    unit = "seconds of the processor with one thread" if made["kind"] == "cpu" else "seconds on the clock"
    return f"Measured {images}in {unit}: {made_by(measured)}."


def made_by(measured: dict[str, Any]) -> str:
    """Device, precision and version of torch of a measurement."""
    made = measured["made"]
    return f"{made['device']}, {made['precision']}, PyTorch {made['torch']}"


def unmeasured(name: str) -> str:
    """What is said in the place of a measurement that is not there."""
    return f"Nothing was measured on this machine yet: `netpress bench {name}` does it."


def figure_grid() -> Figure:
    """What the 31 networks cost in both arms, by block and regime; the three initialisations added up."""
    varied = {run.label: dict(run.factors) for run in papers.grid("triage", "demo")}  # of the same names
    rows = [
        {"block": block[-1], "regime": varied[row["name"]]["regime"], "arm": title, "seconds": row[arm]}
        for each in record("triage-grid").get("widths", [])[:1]
        for row in each["networks"]
        for block in [varied[row["name"]].get("block")] if block
        for arm, title in ARMS.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["block", "regime", "arm", "seconds"])
    table = table.groupby(["regime", "arm", "block"], as_index=False, sort=False)["seconds"].sum()
    alt = "Seconds per block in the plain loop and in netpress, one panel for frozen and one for thawed networks."
    caption = (
        "What the networks of the triage cost in both arms, by the block that is replaced. With netpress frozen "
        "networks get cheaper the later the block; in the plain loop they hardly do. Thawed ones cost about the same."
    )
    encoding = Encoding(x="block", y="seconds", series="arm", panel="regime")
    return dumbbells(table, encoding, Words(alt, caption, "seconds", "seconds"))


def table_shrunk() -> Table:
    """What `netpress shrink` picks of some networks: accuracy on the test images, and how many times smaller it is."""
    measured = record("shrink")
    factors = {bar["what"]: bar["measured"] for bar in measured.get("bars", [])}
    rows = [
        {
            "network": row["model"], **{title: percent(row["tests"][key]) for key, title in SHRUNK.items()},
            **{f"{what}, ÷": factors[f"{row['model']}, times fewer {what}"] for what in SMALLER},
        }
        for row in measured.get("networks", [])
    ]  # fmt: skip
    caption = "Networks shrunk within one point of validation accuracy: accuracy on the test images in %, and size."
    own = measured.get("settings")
    note = (
        "As long: trained for as long as the smaller one. Replaced: single layers in the place of blocks. In the end: "
        "pruned and stored in few bits too. ÷: by how much it is divided."
    )
    if own:
        images = f"{own['images']:,}" if own["images"] else "All"
        note += f" {images} training images of {own['dataset']}, edition {own['edition']}."
    return listing(rows, caption, note, digits=1)


SHRUNK = {"parent": "as it was", "retrained": "as long", "whole": "replaced", "best": "in the end"}
SMALLER = ("multiply-adds", "bytes")


def percent(shares: list[float]) -> Estimate:
    """The mean of accuracies, one a seed, in %."""
    return interval(shares).times(100)


def table_remade() -> Table:
    """Records that were chosen at random and made again, and whether they are the same."""
    measured = record("remade")
    rows = [{"record": row["name"], "the same": row["equal"]} for row in measured.get("records", [])]
    return listing(rows, "Records chosen at random, and made again from nothing.", remade_from(measured))


def remade_from(measured: dict[str, Any]) -> str:
    """On what records were made again, and out of how many they were chosen."""
    if not measured:
        return unmeasured("remade")
    made, own = measured["made"], measured["settings"]
    return (
        f"Chosen from {own['chosen_from']:,} of the edition {own['edition']}; {made['device']}, {made['precision']}, "
        f"PyTorch {made['torch']}, {made['time'][:10]}."
    )
