"""The whole triage grid of one data set: 31 networks in both arms.

512 images, 4 epochs for the parent, 2 to retrain and 1 to imitate, where the edition small has 10,000 images and 24, 4
and 3 epochs; as many test as training images, as there. What a network costs beside its epochs, the filling of caches
above all, so counts more than in the edition itself: the ratio is not flattered.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import torch

from netpress import papers
from netpress.benchmarks import results
from netpress.benchmarks.arms import Arms, arms, source
from netpress.benchmarks.work import Work, of_stage
from netpress.nets.network import Network
from netpress.runs.perform import perform
from netpress.runs.run import Run, fingerprint
from netpress.runs.weights import WeightStore
from netpress.runs.workspace import Workspace
from netpress.training.compute import choose
from netpress.training.feed import TrainTestData
from netpress.training.stage import Stage

ROUNDS = 3
IMAGES = {"cpu": 512, "cuda": 10_000, "mps": 1_000}
LEAST = {"cpu": {1 / 4: 3.5}, "cpu-fp32": {1 / 4: 2.2}, "cuda": {1 / 4: 20.0, 1.0: 8.0}}  # where, width: bar
TRIED = 64, 1 / 16  # images and width of three networks, to see whether it works


def measure(width: float = 1 / 4, name: str = "triage-grid", quick: bool = False) -> dict[str, Any]:
    """The record: per round the cost of all networks in both arms; per network its costs and accuracies.

    `quick`: one round of three networks that are next to nothing, and nothing judged.
    """
    config = choose()
    images, least = IMAGES[config.kind], LEAST.get(results.place(config.kind, config.precision), {}).get(width)
    if quick:
        (images, width), least = TRIED, None
    with arms("plain.py", images, width) as both:
        runs = grid(images, width)
        runs = (runs[0], *papers.matching(runs, "*block5-mean*")) if quick else runs
        rounds = results.rounds(lambda: one_round(both, runs), 1 if quick else ROUNDS, config)
    ratios = [sum(row["plain"] for row in rows) / sum(row["ours"] for row in rows) for rows in rounds]
    bars = [results.bar(name, f"{len(runs)} networks, width {width:g}, plain / ours", ratios, least=least)]
    bars += [part(name, rounds, what, width) for what in ("thawed", "frozen")]
    reason = why(rounds, bars[0])
    shown = {"width": width, "rounds": totals(rounds), "networks": table(rounds), "why": reason}
    settings = {"dataset": source(), "images": images, "batch": 64, "epochs": [4, 2, 1]}
    return results.content(name, config, bars, settings, widths=[shown], why=reason)


def grid(images: int, width: float) -> tuple[Run, ...]:
    """The 31 networks, without the measures that a record takes beside its accuracy."""
    edition = "small" if source() == "cifar10" else "demo"
    changes = f"+epochs=2+imitation_epochs=1+parent_epochs=4+parent_schedule=one-cycle+images={images}+width={width}"
    return tuple(replace(run, measures=()) for run in papers.grid("triage", edition + changes, (source(),), (0,)))


class Prepared(Workspace):
    """A workspace with the images at hand, so that both arms see the same."""

    def __init__(self, both: Arms, folder: Path):
        super().__init__(both.config, WeightStore(folder))
        self.given = both.train_test

    def train_test(self, run: Run) -> TrainTestData:
        return self.given


def one_round(both: Arms, runs: tuple[Run, ...]) -> list[dict[str, Any]]:
    """Every network once in each arm, in turns."""
    with TemporaryDirectory() as name:
        workspace, seen = Prepared(both, Path(name)), set[str]()
        return [row_of(both, workspace, run, seen) for run in runs]


def row_of(both: Arms, workspace: Workspace, run: Run, seen: set[str]) -> dict[str, Any]:
    """One network: ours as a sweep does it, then its stages in the plain loop from the same weights."""
    record: dict[str, Any] = {}
    ours = both.timed(lambda: record.update(perform(run, workspace)))
    plain, last, work = 0.0, {}, Work()
    for key, stage, network in beginnings(run, workspace):
        if key not in seen:  # a beginning that two networks share is trained once, in both arms
            teacher = workspace.finished(dict(run.needs)[stage.teacher]) if stage.teacher else None
            work += of_stage(stage, network, run.px, teacher) * stage.epochs
            answer = theirs(both, run, stage, network, workspace)
            plain, last = plain + answer["cost"], answer["history"][-1]
        seen.add(key)
    return {
        "name": run.label, "regime": dict(run.factors).get("regime", ""), "plain": plain, "ours": ours,
        "plain_accuracy": last["test_accuracy"], "ours_accuracy": record["last"],
        "plain_work": work.plain, "ours_work": work.ours,
    }  # fmt: skip


def beginnings(run: Run, workspace: Workspace) -> Iterator[tuple[str, Stage, Network]]:
    """Each stage of a run with the weights it begins from. The run itself has been done."""
    needs = {role: workspace.finished(need) for role, need in run.needs}
    network = workspace.blank(run)
    for position, step in enumerate(run.steps):
        torch.manual_seed(run.seed_of("step", position))
        if not isinstance(step, Stage):
            network = workspace.config.place(step.apply(network, needs))
            continue
        key = fingerprint(run, position + 1)
        yield key + ("" if step.shared else run.method), step, network
        if step.shared:
            network.load_state_dict(workspace.store.load(key)[0])


def theirs(both: Arms, run: Run, stage: Stage, network: Network, workspace: Workspace) -> dict[str, Any]:
    """One stage in the plain loop."""
    if not stage.teacher:
        return both.theirs("train", run.model, stage, network)
    teacher = dict(run.needs)[stage.teacher]
    return both.theirs("imitate", run.model, stage, network, teacher=teacher.model, taught=workspace.finished(teacher))


def part(name: str, rounds: list[list[dict]], what: str, width: float) -> dict[str, Any]:
    """The ratio over the frozen or the thawed networks alone."""
    chosen = [[row for row in rows if row["regime"] == what] for rows in rounds]
    ratios = [sum(row["plain"] for row in rows) / sum(row["ours"] for row in rows) for rows in chosen]
    return results.bar(name, f"its {len(chosen[0])} {what} networks, width {width:g}, plain / ours", ratios)


def totals(rounds: list[list[dict]]) -> list[dict[str, float]]:
    """Seconds per round and arm."""
    return [{arm: round(sum(row[arm] for row in rows), 3) for arm in ("plain", "ours")} for rows in rounds]


def table(rounds: list[list[dict]]) -> list[dict[str, Any]]:
    """Per network: the mean cost in both arms, and the accuracies of the last round."""
    return [
        rows[-1] | {arm: round(mean(row[arm] for row in rows), 4) for arm in ("plain", "ours")}
        for rows in zip(*rounds, strict=True)
    ]


def why(rounds: list[list[dict]], bar: dict[str, Any]) -> str | None:
    """What keeps the ratio down, where the bar is missed."""
    if bar["met"] is not False:
        return None
    rows = table(rounds)
    thawed = sum(row["ours"] for row in rows if row["regime"] != "frozen")
    share = thawed / sum(row["ours"] for row in rows)
    work = Work(sum(row["plain_work"] for row in rows), sum(row["ours_work"] for row in rows))
    return (
        f"{share:.0%} of what is left is spent on networks that train whole, where nothing can be cached and the gain "
        "is that of the precision and the layout alone. Of the plain loop's multiply-adds "
        f"{work.ours / work.plain:.0%} remain, so the caches alone give {work.ratio:.2f} times at most; the rest is "
        "what a multiply-add costs."
    )
