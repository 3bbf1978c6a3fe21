"""What follows from the records: which runs are needed next, and which changes stay within the budget.

A decision is a function of the records alone. So a shrink that was interrupted goes on by deciding again, and ends
with the same networks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import inf
from pathlib import Path

from netpress.errors import UserError
from netpress.report.estimates import Estimate, interval
from netpress.runs import records
from netpress.runs.records import Record
from netpress.runs.run import Run
from netpress.yours import grid
from netpress.yours.grid import Task

ROUNDING = 1e-9  # points


@dataclass(frozen=True)
class Tried:
    """One change that was tried: what, its runs (one a seed), the points lost on validation images, and what became."""

    what: str
    kind: str  # "replaced", "pruned", "shared" or "int8"
    runs: tuple[Run, ...]
    lost: Estimate
    accepted: bool
    reason: str = ""


@dataclass
class Decision:
    """How far a task is. `pending`: the runs that are needed next; empty at the end."""

    task: Task
    found: dict[Run, Record]
    pending: tuple[Run, ...] = ()
    tried: list[Tried] = field(default_factory=list)

    @cached_property
    def parents(self) -> tuple[Run, ...]:
        """The user's network, one run a seed."""
        return tuple(grid.parent_run(self.task, seed) for seed in self.task.seeds)

    @cached_property
    def controls(self) -> tuple[Run, ...]:
        """The user's network retrained for as long as the others."""
        return tuple(grid.control_run(self.task, seed) for seed in self.task.seeds)

    @property
    def reference(self) -> tuple[Run, ...]:
        """What points are lost against: the better of the parent and the parent retrained."""
        return max(self.controls, self.parents, key=self.mean)

    @property
    def order(self) -> list[str]:
        """The blocks, the least critical first."""
        runs = {block: self.replaced(block, grid.STEP) for block in self.task.blocks}
        return sorted(self.task.blocks, key=lambda block: (self.lost(runs[block]).mean, self.task.blocks.index(block)))

    def replaced(self, block: str, method: str) -> tuple[Run, ...]:
        """The triage's runs of one block by one method."""
        return tuple(grid.replaced_run(self.task, parent, block, method) for parent in self.parents)

    def accuracy(self, run: Run) -> float | None:
        """On validation images after the last epoch, 0 to 1; None where the run did not end well."""
        record = self.found[run]
        return record["last"] if record["status"] == "done" else None

    def mean(self, runs: Sequence[Run]) -> float:
        """The mean accuracy over seeds; minus infinity where one did not end well."""
        values = [self.accuracy(run) for run in runs]
        return -inf if None in values else sum(values) / len(values)  # type: ignore[arg-type]

    def lost(self, runs: Sequence[Run], against: Sequence[Run] | None = None) -> Estimate:
        """Points lost against the reference, seed by seed; infinite where a run did not end well."""
        return self.points([self.accuracy(run) for run in runs], against)

    def points(self, accuracies: Sequence[float | None], against: Sequence[Run] | None = None) -> Estimate:
        """The same of accuracies that are given."""
        beside = [self.accuracy(run) for run in against or self.reference]
        pairs = list(zip(beside, accuracies, strict=True))
        if any(a is None or b is None for a, b in pairs):
            return Estimate(inf, None, None, 0)
        return interval([100 * (a - b) for a, b in pairs])  # type: ignore[operator]

    @property
    def best(self) -> tuple[Run, ...]:
        """The runs of the last change that was accepted; the parents where none was."""
        return next((t.runs for t in reversed(self.tried) if t.accepted and t.kind != "int8"), self.parents)

    @property
    def whole(self) -> tuple[Run, ...]:
        """The same without pruning and sharing: the network with its blocks replaced."""
        return next((t.runs for t in reversed(self.tried) if t.accepted and t.kind == "replaced"), self.parents)

    @property
    def removed(self) -> tuple[str, ...]:
        """The blocks that one layer has taken the place of, in that order."""
        return tuple(t.what for t in self.tried if t.accepted and t.kind == "replaced")

    @property
    def chosen(self) -> Run:
        """Of the best runs, the one that is most often right on validation images; the first seed where they tie."""
        return max(self.best, key=lambda run: (self.accuracy(run) or 0.0, -run.seed))


def decide(task: Task, results: Path | None = None) -> Decision:
    """Read the records and decide as far as they go. UserError where the parent did not end well."""
    decision = Decision(task, {})
    for stage in stages(decision):
        for runs in stage:
            found = records.fresh(runs, task.edition, results)
            decision.found |= found
            decision.pending += tuple(run for run in runs if run not in found)
            if not decision.pending and runs[0].method in (grid.PARENT, grid.CONTROL):
                check_parents(decision, runs)
        if decision.pending:
            return decision
    return decision


Runs = tuple[Run, ...]


def stages(decision: Decision) -> Iterator[Iterator[Runs]]:
    """What is needed, stage after stage; each is looked at when the records of the stage before are there."""
    task = decision.task
    yield iter([run for seed in task.seeds for run in [grid.triage(task, seed)]])
    for block in decision.order:
        yield from trial(decision, block, "replaced", partial(grid.replaced_run, task, block=block))
    whole = decision.whole
    for ratio in task.settings.ratios:
        prune = partial(grid.pruned_run, task, ratio=ratio)
        yield from trial(decision, f"one weight of {ratio:g} left", "pruned", prune, whole)
        if not decision.tried[-1].accepted:
            break
    before_sharing = decision.best
    for bits in task.settings.bits:
        share = partial(grid.shared_run, task, bits=bits)
        yield from trial(decision, f"{2**bits} values a layer", "shared", share, before_sharing)
        if not decision.tried[-1].accepted:
            break
    yield from trial(decision, "8-bit integers", "int8", partial(grid.integer_run, task), before_sharing)


def trial(
    decision: Decision, what: str, kind: str, change: Callable[[Run], Run], begin: Runs | None = None
) -> Iterator[Iterator[Runs]]:
    """Try a change of the best network, or of `begin`: ask for its runs, and note what became of them."""
    runs = tuple(change(run) for run in begin or decision.best)
    yield iter([runs])
    lost, reason = judged(decision, runs, kind)
    accepted = lost.mean <= decision.task.most + ROUNDING
    decision.tried.append(Tried(what, kind, runs, lost, accepted, reason))


def judged(decision: Decision, runs: Runs, kind: str) -> tuple[Estimate, str]:
    """The points that a change costs, and why it could not be judged, where it could not."""
    if kind != "int8":
        reasons = (str(decision.found[run].get("reason", "")).strip().splitlines() for run in runs)
        return decision.lost(runs), next((lines[-1] for lines in reasons if lines), "")
    measures = [decision.found[run].get("measures", {}) for run in runs]
    reason = next((m["int8_reason"] for m in measures if m.get("int8_reason")), "")
    return decision.points([m.get("int8_accuracy") for m in measures]), reason


def check_parents(decision: Decision, runs: Runs) -> None:
    """UserError where a parent did not end well: nothing can be judged then."""
    for run in runs:
        record = decision.found[run]
        if record["status"] != "done" and run.method in (grid.PARENT, grid.CONTROL):
            why = (record.get("reason", "").strip().splitlines() or ["no reason is known"])[-1]
            raise UserError(f"{run.name} ended as {record['status']} ({why}): nothing can be judged beside it.")
