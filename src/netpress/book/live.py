"""Change it: a run of the page, trained live on digits in seconds, beside the same run with a stage changed.

run = page.live.run("vgg16-block3-mean-thawed")
page.live.stages(run)                                    # the method, as the values that are run
page.live.compare(run, run.with_stage("retrain", epochs=8, lr=0.02))
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netpress import editions, paths
from netpress.atomic import write_atomic
from netpress.book.html import Html
from netpress.errors import UserError, known
from netpress.report.tables import Table, Whole, listing
from netpress.runs import records
from netpress.training.stage import Stage

if TYPE_CHECKING:
    from netpress.report.figures import Figure
    from netpress.runs.run import Run
    from netpress.runs.workspace import Workspace

DEMO = "demo"  # the edition whose data, width and trained parents are small enough
MOST_EPOCHS = 400  # in one comparison: what a laptop does in a few minutes
SHOWN = ("loss", "trains", "teacher", "epochs", "lr", "schedule")


class Live:
    """What a page trains while its reader looks on."""

    def __init__(self, shown: Mapping[str, str], waits: bool):
        """`shown`: paper -> the page's edition; `waits`: whether somebody waits for parents that are trained first."""
        self.editions, self.waits = shown, waits
        self.trained: dict[str, records.Record] = {}  # by fingerprint, in this kernel

    @property
    def demo(self) -> str:
        """The edition that lends its size and its trained parents: the page's own, where that is a demo."""
        return next((e for e in self.editions.values() if editions.parse(e)[0] == DEMO), DEMO)

    def run(self, label: str) -> Run:
        """The run of the page's edition with this label ("model-method"), made small: on digits, as wide as the demo's.

        Its stages are those of the page's edition; the networks that it begins from are the demo's. Raises UserError
        for a label that the page's paper does not have.
        """
        from netpress import papers

        ((paper, edition),) = self.editions.items()
        own, small = (labelled(papers.grid(paper, name)) for name in (edition, self.demo))
        known(label, sorted(own.keys() & small.keys()), f"run of {paper}")
        at = small[label]
        return replace(
            own[label], dataset=at.dataset, px=at.px, width=at.width, images=at.images, seed=at.seed, needs=at.needs,
            measures=(),
        )  # fmt: skip

    def stages(self, run: Run) -> Table:
        """What a run does, step by step: its edits, and of each `Stage` the fields that one may want to change."""
        rows = [row_of(step) for step in run.steps]
        return listing(
            rows, f"What {run.model}-{run.method} does, in order. Fields that are not shown have their default."
        )

    def compare(self, run: Run, *others: Run) -> Figure | Html:
        """Train a run and what was made of it, and draw their test accuracy by epoch of the last stage.

        Seconds for each, with a bar. What was trained in this kernel is not trained again, and a run that the demo has
        a record of is read. In a build of the book nothing is trained whose parents are not there: then it says so.
        Raises UserError where one of them failed.
        """
        runs = list(dict.fromkeys((run, *others)))
        if sum(each.epochs for each in runs) > MOST_EPOCHS:
            raise UserError(f"More than {MOST_EPOCHS} epochs: take fewer for a look, or `netpress run` for a study.")
        if not self.train(runs):
            return absent(run)
        same = "" if len(runs) > len(others) else " Nothing was changed: another that was named is the same run."
        return drawn({spoken(run, each): self.trained[each.fingerprint] for each in runs}, same)

    def train(self, runs: list[Run]) -> bool:
        """Train what is missing, parents first; False where a parent would have to be, and nobody waits for it."""
        from tqdm import tqdm

        from netpress.runs.run import with_needs

        for run in runs:
            if record := self.trained.get(run.fingerprint) or self.kept(run):
                self.trained[run.fingerprint] = record
        todo = [run for run in runs if run.fingerprint not in self.trained]
        store = self.workspace.store
        parents = [need for need in with_needs(todo) if need not in todo and store.find(need.fingerprint) is None]
        if parents and not self.waits:
            return False
        todo = [*parents, *todo]
        with tqdm(total=sum(run.epochs for run in todo), unit="epoch", file=sys.stderr, disable=not todo) as bar:
            for run in todo:
                bar.set_description(f"{run.model}-{run.method}"[:40])
                self.one(run, bar)
        return True

    def one(self, run: Run, bar: Any) -> None:
        """Train one run; raises UserError where it did not end well."""
        from netpress.runs.perform import perform

        before = bar.n
        record = perform(run, self.workspace, lambda progress: bar.update(before + progress.done - bar.n))
        if record["status"] != "done":
            reason = record.get("reason", "").strip().splitlines() or ["no reason was given"]
            raise UserError(f"{run.model}-{run.method} {record['status']}: {reason[-1]}")
        self.trained[run.fingerprint] = record
        if not self.waits:  # a build, which may have to show the same page again
            head = {"name": run.name, "fingerprint": run.fingerprint, "edition": self.demo}
            write_atomic(place(run), records.encode(head | record))

    def kept(self, run: Run) -> records.Record | None:
        """The demo's record of this very run; in a build also that of an earlier build."""
        places = [records.path_of(run, self.demo)] + ([] if self.waits else [place(run)])
        found = (records.read(path) for path in places)
        return next((record for record in found if record and record["fingerprint"] == run.fingerprint), None)

    @cached_property
    def workspace(self) -> Workspace:
        """One for this kernel, so that data and parents are loaded once. No checkpoints: it is a matter of seconds."""
        from netpress.runs.weights import WeightStore
        from netpress.runs.workspace import Workspace
        from netpress.training.compute import choose

        return Workspace(choose(), WeightStore())


def place(run: Run) -> Path:
    """Where a build keeps what it trained live."""
    return paths.weights_dir().parent / "live" / f"{run.fingerprint}.json"


def row_of(step: object) -> dict[str, Any]:
    """A step of a run as a row."""
    if not isinstance(step, Stage):
        return {"step": repr(step)} | dict.fromkeys((*SHOWN, "more"), "–")
    others = {f.name: (getattr(step, f.name), f.default) for f in fields(step) if f.name not in ("name", "at", *SHOWN)}
    more = ", ".join(f"{name}={value!r}" for name, (value, default) in others.items() if value != default)
    return {"step": step.name} | {name: cell(step, name) for name in SHOWN} | {"more": more or "–"}


def labelled(runs: tuple[Run, ...]) -> dict[str, Run]:
    """ "model-method" -> the first run that is called so."""
    found: dict[str, Run] = {}
    for run in runs:
        found.setdefault(f"{run.model}-{run.method}", run)
    return found


def cell(stage: Stage, name: str) -> Any:
    """A field of a stage as it is written in code."""
    value = getattr(stage, name)
    if name == "loss":
        return Whole(stage.loss + (f" at {stage.at}" if stage.at else ""))
    if name == "trains":
        return ", ".join(value) or "all"
    if name == "lr":
        return Whole(f"{value:g}")
    return value or "–"


def absent(run: Run) -> Html:
    """What a page shows where nothing could be trained."""
    text = (
        f"Not run here: open this notebook and run this cell. It trains {run.model}-{run.method} on digits in seconds."
    )
    return Html(f'<p class="np-note">{text}</p>', text)


def spoken(run: Run, other: Run) -> str:
    """What was changed in a run, as it is written: "as it is", "retrain: epochs=8, lr=0.02"."""
    if run == other:
        return "as it is"
    changes = []
    for old, new in zip(run.stages, other.stages, strict=False):
        changed = [
            f"{f.name}={getattr(new, f.name)!r}" for f in fields(new) if getattr(new, f.name) != getattr(old, f.name)
        ]
        changes += [f"{new.name}: {', '.join(changed)}"] if changed else []
    return "; ".join(changes) or f"{other.model}-{other.method}"


def drawn(found: dict[str, dict[str, Any]], note: str = "") -> Figure:
    """Test accuracy by epoch of the last stage of each record; `note` ends the caption."""
    import pandas as pd

    from netpress.report.figures import Encoding, Words, curves

    rows = [
        {"run": name, "epoch": epoch, "accuracy": row["test_accuracy"], "seed": 0}
        for name, record in found.items()
        for epoch, row in enumerate(last_stage(record["history"]), start=1)
        if row.get("test_accuracy") is not None
    ]
    ends = "; ".join(f"{name}: {100 * record['last']:.1f} %" for name, record in found.items())
    words = Words(
        f"Test accuracy by epoch of {len(found)} networks that were trained in this cell.",
        f"Trained in this cell, on digits. After the last epoch: {ends}.{note}",
        "epoch of the last stage", "accuracy, %",
    )  # fmt: skip
    frame = pd.DataFrame(rows, columns=["run", "epoch", "accuracy", "seed"])
    return curves(frame, Encoding(x="epoch", y="accuracy", series="run", scale=100.0), words)


def last_stage(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The epochs of the stage that ends a run."""
    return [row for row in history if row["stage"] == history[-1]["stage"]] if history else []
