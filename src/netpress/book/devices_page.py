"""What the page on speed says of GPUs: what was trained on one, and whether it came out as on processors."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from netpress import papers
from netpress.benchmarks import MEASUREMENTS, results
from netpress.book.made_with import duration, spells
from netpress.data.registry import titles
from netpress.report.estimates import interval, unpaired
from netpress.report.frames import finished
from netpress.report.tables import Table, listing
from netpress.runs.spent import most_at_once, on_the_clock

EDITION = "small"  # that was trained on both
CPU, GPU = "cpu", "cuda"


def on_a_gpu() -> str:
    """What was trained and what was measured on a GPU, in sentences."""
    measured = sorted({each["made"]["device"] for name in MEASUREMENTS if (each := results.read(GPU, name))})
    rows = pd.concat([every(paper) for paper in papers.PAPERS])
    rows = rows[rows["kind"] == GPU]
    if not measured and rows.empty:
        return "Nothing was done on a GPU yet: what is said here has been written and not yet run on one."
    trained = ""
    if len(rows):
        own, names = spells(rows), " and ".join(sorted(rows["device"].unique()))
        pace = f"up to {most_at_once(own)} at once and in {duration(on_the_clock(own))} on the clock"
        trained = f"{len(rows):,} networks of the edition {EDITION} were trained on {names}, {pace}. "
    if not measured:
        return f"{trained}None of the measurements above was made on one yet."
    return f'{trained}What was measured on {" and ".join(measured)} and has an aim stands in the lines "CUDA" above.'


def table_devices() -> Table:
    """The same methods with other seeds on a processor and on a GPU: accuracy, and the difference."""
    rows = [row for paper in papers.PAPERS for row in compared(every(paper))]
    caption = (
        "Accuracy after the last epoch, in %, averaged over the methods that were trained on both, with seeds of their "
        "own; differences in points."
    )
    note = "Welch's 95 % interval, a seed counted once. On a GPU the same code takes other ways: graphs."
    return listing(rows, caption, note)


def every(paper: str) -> pd.DataFrame:
    """All finished runs of a paper, those of fresh seeds too that are not all there yet."""
    return finished(papers.frame(papers.grid(paper, EDITION), EDITION))


def compared(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row a data set of finished runs: what both kinds of device have made of the methods that both have."""
    for dataset, own in runs.groupby("dataset", sort=False):
        table = (100 * own["last"]).groupby([own["kind"], own["seed"], own["name"].map(method_of)]).first().unstack()
        kinds = [table.loc[kind] if kind in table.index else pd.DataFrame() for kind in (CPU, GPU)]
        both = [name for name in table if all(name in kind and kind[name].notna().any() for kind in kinds)]
        if not both:
            continue
        cpu, gpu = (kind[both].dropna().mean(axis=1) for kind in kinds)
        yield {
            "paper": own["paper"].iloc[0], "data set": titles()[dataset], "methods": len(both),
            "processor": interval(cpu), "GPU": interval(gpu), "GPU less processor": unpaired(gpu, cpu),
        }  # fmt: skip


def method_of(name: str) -> str:
    """What a run's name says before its seed."""
    return name.rpartition("-s")[0]
