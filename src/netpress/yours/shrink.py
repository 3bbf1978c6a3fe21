"""Shrink a network: run what the next decision needs until there is nothing more to decide, then look at the test
images once, measure times, and write files."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from netpress import data, sweep
from netpress.atomic import write_atomic
from netpress.data.views import Normalise, normalise_of
from netpress.nets.slicing import SlicedNetwork
from netpress.runs import records, timing
from netpress.runs.run import Run
from netpress.runs.workspace import new_workspace
from netpress.training import compute
from netpress.training.evaluate import accuracy
from netpress.yours import grid
from netpress.yours.decide import Decision, decide
from netpress.yours.prepare import Prepared

IMAGES = {64: 10}  # timed per pass, by the largest side; FEW for larger images
FEW = 3

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Shrunk:
    """A task that is done: what was decided, accuracies on test images, and times."""

    prepared: Prepared
    decision: Decision
    tests: dict[str, list[float]]  # "parent", "retrained", "whole", "best": accuracy on all test images, one a seed
    times: dict[str, float]  # label of a network -> milliseconds for one image
    timed_on: str

    @property
    def model(self) -> str:
        """The parent's label."""
        return self.prepared.task.model

    @cached_property
    def network(self) -> SlicedNetwork:
        """The network that was chosen, on the CPU."""
        return network_of(self.decision.chosen)

    @cached_property
    def normalise(self) -> Normalise:
        """How its images are normalised."""
        return normalise_of(self.images("fit"))

    def images(self, split: str) -> data.Images:
        """Its images: fit, validation or test."""
        task = self.prepared.task
        limit = task.settings.images if split == "fit" else None
        return data.load(task.dataset, split, images=limit, px=task.px)


def shrink(
    prepared: Prepared, results: Path | None = None, workers: int | None = None, tell: Tell = lambda _: None
) -> tuple[Shrunk, list[str]]:
    """Do all of it, or what is missing of it. Returns what came out, and a line for each run that did not end well."""
    task = prepared.task
    failures: dict[str, None] = {}
    while (decision := decide(task, results)).pending:
        tell(stage_text(decision))
        summary = sweep.ensure(decision.pending, task.edition, results, workers)
        failures |= dict.fromkeys(outcome.line for outcome in summary.failures)
    restore(decision, results, workers)
    tests, times = final_test(decision, results), latencies(decision, results)
    return Shrunk(prepared, decision, tests, *times), list(failures)


def read(prepared: Prepared, results: Path | None = None) -> Shrunk | None:
    """What `shrink` has done before; None where something of it is missing."""
    decision = decide(prepared.task, results)
    if decision.pending or not noted(decision, "test", results) or not noted(decision, "times", results):
        return None
    return Shrunk(prepared, decision, final_test(decision, results), *latencies(decision, results))


def stage_text(decision: Decision) -> str:
    """What is done next, as a sentence."""
    first = decision.pending[0]
    methods = {run.method for run in decision.pending}
    if not decision.tried and methods <= {*grid.METHODS, grid.PARENT, grid.CONTROL}:
        return f"Triage: {len(decision.pending)} networks."
    so_far = f"{len(decision.removed)} of {len(decision.task.blocks)} blocks replaced so far"
    return f"Next: {first.label.removesuffix(f'-s{first.seed}')} ({so_far})."


def restore(decision: Decision, results: Path | None, workers: int | None) -> None:
    """Weights can be deleted while records stay: what is needed at the end is made again."""
    store = new_workspace().store
    wanted = dict.fromkeys(run for runs in final_runs(decision).values() for run in runs)
    gone = [run for run in wanted if not store.has(run.fingerprint)]
    if gone:
        probes = tuple(grid.integer_run(decision.task, run) for run in gone)
        remake(probes, decision.task.edition, results, workers)


def remake(probes: tuple[Run, ...], edition: str, results: Path | None, workers: int | None) -> None:
    """Have the weights remade that runs need, by doing those runs anew."""
    for probe in probes:
        records.path_of(probe, edition, results).unlink(missing_ok=True)
    sweep.ensure(probes, edition, results, workers)


def final_runs(decision: Decision) -> dict[str, tuple[Run, ...]]:
    """The networks that are judged on test images."""
    return {
        "parent": decision.parents,
        "retrained": decision.controls,
        "whole": decision.whole,
        "best": decision.best,
    }


def network_of(run: Run) -> Any:
    """A finished run's network, on the CPU in eval mode."""
    workspace = new_workspace()
    workspace.config = compute.plain()
    return workspace.finished(run)


# What is noted beside the records -------------------------------------------------------------------------------------


def place_of(decision: Decision, kind: str, results: Path | None) -> Path:
    """Where a measurement of a task lies."""
    task = decision.task
    key = hashlib.sha256(json.dumps(asdict(task), sort_keys=True).encode()).hexdigest()[:8]
    folder = records.path_of(decision.parents[0], task.edition, results).parent
    return folder / f"{task.model}-{key}.{kind}.json"


def noted(decision: Decision, kind: str, results: Path | None) -> dict[str, Any] | None:
    """A measurement that was made of these very networks before."""
    record = records.read(place_of(decision, kind, results))
    return record if record and record.get("of") == subjects(decision, kind) else None


def subjects(decision: Decision, kind: str) -> list[str]:
    """What a measurement is of: fingerprints of networks, or labels of those that are timed."""
    if kind == "times":
        return list(labels(decision))
    return [run.fingerprint for runs in final_runs(decision).values() for run in runs]


def final_test(decision: Decision, results: Path | None) -> dict[str, list[float]]:
    """Accuracies on the test images: computed once, when all is decided, and read from then on."""
    if found := noted(decision, "test", results):
        return found["accuracies"]
    task, workspace = decision.task, new_workspace()
    normalise = normalise_of(data.load(task.dataset, "fit", images=task.settings.images, px=task.px))
    test = workspace.there(data.load(task.dataset, "test", px=task.px))
    with compute.one_thread():
        done: dict[Run, float] = {}
        for run in {run for runs in final_runs(decision).values() for run in runs}:
            done[run] = accuracy(workspace.finished(run), test, normalise, workspace.config)
    found = {name: [done[run] for run in runs] for name, runs in final_runs(decision).items()}
    record = {"name": "test", "status": "done", "of": subjects(decision, "test"), "images": len(test)}
    record["accuracies"] = found
    write_atomic(place_of(decision, "test", results), records.encode(record))
    return found


def labels(decision: Decision) -> dict[str, None]:
    """The networks that are timed: the parent, each block replaced, and what was accepted step by step."""
    task, found = decision.task, {decision.task.model: None}
    for block in task.blocks:
        found[f"{task.model}+{block}"] = None
    for tried in decision.tried:
        if tried.accepted and tried.kind == "replaced":
            found[tried.runs[0].model] = None
    return found


def latencies(decision: Decision, results: Path | None) -> tuple[dict[str, float], str]:
    """Milliseconds for one image on one core, float32, median over passes in turns; and where that was."""
    found = noted(decision, "times", results) or measured(decision, results)
    times = {row["model"]: 1000 * median(row["seconds"]) for row in found["networks"]}
    made = found["made"]
    return times, f"{made['device']}, one core, {made['precision']}, torch {made['torch']}"


def measured(decision: Decision, results: Path | None) -> dict[str, Any]:
    """Time the networks, one image after the other."""
    task, config = decision.task, compute.plain()
    classes = data.classes(task.dataset)
    count = next((n for side, n in IMAGES.items() if task.px <= side), FEW)
    image = torch.zeros(1, 3, task.px, task.px)
    with compute.one_thread():
        work = {
            label: partial(timing.classify, timing.blank(label, task.px, 1.0, classes, config), [image] * count, config)
            for label in labels(decision)
        }
        times = timing.in_turns(work, config)
        networks = [{"model": label, "seconds": [s / count for s in times[label]]} for label in work]
        record = {"name": "times", "of": subjects(decision, "times"), "images": count, "networks": networks}
        timing.write(place_of(decision, "times", results), record, config)
    found = noted(decision, "times", results)
    assert found
    return found
