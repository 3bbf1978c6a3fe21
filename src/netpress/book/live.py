"""Change it: a run of the demo, trained live on digits in seconds, beside the same run with a stage changed.

run = page.live.run("vgg16-block3-mean-thawed")
page.live.stages(run)                                    # the method, as the values that are run
page.live.compare(run, run.with_stage("retrain", epochs=8, lr=0.02))
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netpress import editions
from netpress.book.glue import Html
from netpress.book.parameters import DEMO
from netpress.errors import UserError, known
from netpress.report.tables import Table, Whole, listing
from netpress.runs import records
from netpress.training.stage import Stage

if TYPE_CHECKING:
    from netpress.report.figures import Figure
    from netpress.runs.perform import Workspace
    from netpress.runs.run import Run

MOST_EPOCHS = 400  # in one comparison: what a laptop does in a few minutes
SHOWN = ("loss", "trains", "teacher", "epochs", "lr", "schedule")


class Live:
    """What a page trains while its reader looks on."""

    def __init__(self, shown: Mapping[str, str], trains: bool):
        """`shown`: paper -> the page's edition; `trains`: False while the book is built, which only reads records."""
        self.editions, self.trains = shown, trains
        self.found: dict[str, records.Record] = {}  # by fingerprint, in this kernel

    @property
    def demo(self) -> str:
        """The edition that lends its runs and their parents: the page's own, where that is a demo."""
        return next((e for e in self.editions.values() if editions.parse(e)[0] == DEMO), DEMO)

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The demo's runs of the page's paper, by "model-method"."""
        from netpress import papers

        ((paper, _),) = self.editions.items()
        found: dict[str, Run] = {}
        for run in papers.grid(paper, self.demo):
            found.setdefault(f"{run.model}-{run.method}", run)
        return found

    def run(self, label: str) -> Run:
        """The demo's run with this label ("model-method"). Raises UserError for one that the paper does not have."""
        return replace(self.runs[known(label, sorted(self.runs), "run of this paper")], measures=())

    def stages(self, run: Run) -> Table:
        """What a run does, step by step: its edits, and of each `Stage` the fields that one may want to change."""
        rows = [fields_of(step) for step in run.steps]
        return listing(
            rows, f"What {run.model}-{run.method} does, in order. Fields that are not shown have their default."
        )

    def compare(self, run: Run, *others: Run, seeds: Sequence[int] = ()) -> Figure | Html:
        """Draw the test accuracy of a run and of what was made of it, by epoch of the last stage, with each of `seeds`.

        What has no record in the demo is trained in this cell, in seconds, with a bar; while the book is built it is
        left out. `seeds`: the run's own where none is given. Raises UserError for too many epochs, and where a run
        fails.
        """
        names = {each: changes_of(run, each) for each in (run, *others)}
        wanted = {replace(each, seed=seed): name for each, name in names.items() for seed in seeds or (run.seed,)}
        if sum(each.epochs for each in wanted) > MOST_EPOCHS:
            raise UserError(f"More than {MOST_EPOCHS} epochs: take fewer for a look, or `netpress run` for a study.")
        self.find(wanted)
        shown = [
            (name, self.found[each.fingerprint]) for each, name in wanted.items() if each.fingerprint in self.found
        ]
        if {name for name, _ in shown} != set(names.values()):
            text = (
                f"Not run here: open this notebook and run this cell. It trains {', '.join(names.values())} in seconds."
            )
            return Html(f'<p class="np-note">{text}</p>', text)
        return learning(
            shown, "" if len(names) > len(others) else " Nothing was changed: two of them are the same run."
        )

    def find(self, wanted: Mapping[Run, str]) -> None:
        """Read the records of the `wanted` runs, in the demo under whatever name, and train those that have none."""
        from tqdm import tqdm

        from netpress.runs.run import with_needs

        same = {(each.model, each.steps, each.needs, each.seed): each for each in self.runs.values()}
        for run in wanted:
            at = same.get((run.model, run.steps, run.needs, run.seed), run)
            record = records.read(records.path_of(at, self.demo))
            if record and record["fingerprint"] == at.fingerprint:
                self.found.setdefault(run.fingerprint, record)
        todo = [run for run in wanted if run.fingerprint not in self.found] if self.trains else []
        store = self.workspace.store if todo else None
        parents = [need for need in with_needs(todo) if store and store.find(need.fingerprint) is None]
        todo = list(dict.fromkeys([*parents, *todo]))
        with tqdm(total=sum(run.epochs for run in todo), unit="epoch", file=sys.stderr, disable=not todo) as bar:
            for run in todo:
                bar.set_description(f"{run.model}-{run.method}"[:40])
                self.found[run.fingerprint] = self.trained(run, bar)

    def trained(self, run: Run, bar: Any) -> records.Record:
        """Train one run. Raises UserError where it did not end well."""
        from netpress.runs.perform import perform

        before = bar.n
        record = perform(run, self.workspace, lambda progress: bar.update(before + progress.done - bar.n))
        if record["status"] != "done":
            reason = record.get("reason", "").strip().splitlines() or ["no reason was given"]
            raise UserError(f"{run.model}-{run.method} {record['status']}: {reason[-1]}")
        return record

    @cached_property
    def workspace(self) -> Workspace:
        """One for this kernel, so that data and parents are loaded once. No checkpoints: it is a matter of seconds."""
        from netpress.runs.perform import Workspace
        from netpress.runs.store import WeightStore
        from netpress.training.compute import choose

        return Workspace(choose(), WeightStore())


def fields_of(step: object) -> dict[str, Any]:
    """A step of a run as a row of a table."""
    if not isinstance(step, Stage):
        return {"step": repr(step)} | dict.fromkeys((*SHOWN, "more"), "–")
    cells = {
        "loss": Whole(step.loss + (f" at {step.at}" if step.at else "")),
        "trains": ", ".join(step.trains) or "all",
        "lr": Whole(f"{step.lr:g}"),
    }
    shown = {name: cells[name] if name in cells else getattr(step, name) or "–" for name in SHOWN}
    others = {f.name: (getattr(step, f.name), f.default) for f in fields(step) if f.name not in ("name", "at", *SHOWN)}
    more = ", ".join(f"{name}={value!r}" for name, (value, default) in others.items() if value != default)
    return {"step": step.name} | shown | {"more": more or "–"}


def changes_of(run: Run, other: Run) -> str:
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


def learning(found: Sequence[tuple[str, records.Record]], note: str = "") -> Figure:
    """Test accuracy by epoch of the last stage of (name, record) pairs, of one name with several seeds; `note` ends the
    caption."""
    import pandas as pd

    from netpress.report.figures import Encoding, Words, curves

    rows = []
    for number, (name, record) in enumerate(found):
        last = [row for row in record["history"] if row["stage"] == record["history"][-1]["stage"]]
        rows += [
            {"run": name, "epoch": epoch, "accuracy": row["test_accuracy"], "seed": number}
            for epoch, row in enumerate(last, start=1)
            if row.get("test_accuracy") is not None
        ]
    of_name: dict[str, list[str]] = {}
    for name, record in found:
        of_name.setdefault(name, []).append(f"{100 * record['last']:.1f}")
    ends = "; ".join(f"{name}: {', '.join(values)} %" for name, values in of_name.items())
    words = Words(
        f"Test accuracy by epoch of {len(found)} networks.",
        f"Trained on digits. After the last epoch: {ends}.{note}",
        "epoch of the last stage", "accuracy, %",
    )  # fmt: skip
    frame = pd.DataFrame(rows, columns=["run", "epoch", "accuracy", "seed"])
    return curves(frame, Encoding(x="epoch", y="accuracy", series="run", scale=100.0), words)
