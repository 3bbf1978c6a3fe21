"""What runs cost: multiply-adds of their stages, seconds by the rate that records show, and seconds that were spent.

Seconds are those of one core, or of the device that `NETPRESS_DEVICE` names.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from netpress import data, env, nets
from netpress.runs import records
from netpress.runs.records import Record
from netpress.runs.run import Run, fingerprint
from netpress.training.stage import Stage

NOMINAL = 6e10  # multiply-adds per second, where nothing was measured yet: one AVX-512 core in bf16
FIXED = "plain"  # the view in which frozen prefixes and teachers are cached


# --- multiply-adds


@cache
def blocks(model: str, px: int, classes: int, width: float) -> dict[str, tuple[int, int]]:
    """Block or head -> multiply-adds of one forward pass and parameters, in order."""
    from netpress.nets.describe import describe

    network = nets.outline(model, px, classes, width)
    size = describe(network, px)
    counts = {name: sum(parameter.numel() for parameter in network[name].parameters()) for name in network.names}
    return {name: (size.of_block(name), count) for name, count in counts.items()}


def parameters(model: str, px: int, classes: int, width: float) -> int:
    """How many parameters a network has."""
    return sum(count for _, count in blocks(model, px, classes, width).values())


def sizes_of(run: Run) -> dict[str, int]:
    """Block or head of a run's network -> multiply-adds of one forward pass, in order."""
    classes, _, _ = counts(run.dataset, run.judged_on, run.images, os.environ.get("NETPRESS_DATA"))
    return {name: work for name, (work, _) in blocks(run.model, run.px, classes, run.width).items()}


def images_of(run: Run) -> tuple[int, int]:
    """How many images a run is trained on, and judged on."""
    return counts(run.dataset, run.judged_on, run.images, os.environ.get("NETPRESS_DATA"))[1:]


@cache
def counts(dataset: str, judged_on: str, images: int | None, folder: str | None) -> tuple[int, int, int]:
    """How many classes a data set has, and images that are trained on, and judged on; once for each data folder."""
    split, judged = ("train", "test") if judged_on == "test" else ("fit", "validation")
    return data.classes(dataset), data.count(dataset, split, images), data.count(dataset, judged)


def stage_work(run: Run, stage: Stage) -> int:
    """Multiply-adds of one stage.

    Once, if the view is fixed: the frozen blocks before the first one that trains, and the teacher. In every epoch: a
    forward pass from that block, a backward pass down to it, the gradients of the weights that train, an evaluation.
    """
    train, test = images_of(run)
    parts = sizes_of(run)
    names = tuple(parts)
    first = min(names.index(name) for name in stage.trains or names)
    stop = names.index(stage.at) + 1 if stage.at else len(names)
    forward = sum(parts[name] for name in names[first:stop])
    weights = sum(parts[name] for name in names[first:stop] if name in (stage.trains or names))
    epoch = train * (2 * forward - parts[names[first]] + weights)
    if stage.sees_logits:
        epoch += test * sum(parts[name] for name in names[first:])
    fixed = stage.view == FIXED
    prefix = sum(parts[name] for name in names[:first]) * ((train + test) if fixed else train * stage.epochs)
    return stage.epochs * epoch + prefix + teacher_work(run, stage)


def teacher_work(run: Run, stage: Stage) -> int:
    """Multiply-adds of the teacher's answers: once, or in every epoch where what it sees changes."""
    if not stage.teacher:
        return 0
    times = 1 if (stage.teacher_view or stage.view) == FIXED else stage.epochs
    return sum(sizes_of(dict(run.needs)[stage.teacher]).values()) * images_of(run)[0] * times


def work(run: Run) -> int:
    """Multiply-adds of all stages."""
    return sum(stage_work(run, stage) for stage in run.stages)


def works(runs: Sequence[Run]) -> dict[Run, int]:
    """Multiply-adds of each run; a beginning that runs share is counted for the first of them."""
    seen, found = set[str](), dict.fromkeys(runs, 0)
    for run in runs:
        for n, step in enumerate(run.steps, 1):
            key = fingerprint(run, n) if isinstance(step, Stage) and step.shared else ""
            if isinstance(step, Stage) and key not in seen:
                found[run] += stage_work(run, step)
            seen |= {key} - {""}
    return found


# --- seconds that runs will take


def rates(runs: Sequence[Run], edition: str, results: Path | None = None) -> dict[str, float]:
    """Network -> multiply-adds per second, the median over its records; "" -> the median over all networks.

    Networks differ, since a small one spends much of its time on other work. Records of other devices are not counted.
    """
    found: dict[str, list[float]] = {}
    kind = (env.get("NETPRESS_DEVICE") or "cpu").split(":")[0]
    fresh = records.fresh(runs, edition, results)
    done = {run: record for run, record in fresh.items() if record["made"]["kind"] == kind}
    for run, worked in works(tuple(done)).items():
        if seconds := sum(stage["seconds"] for stage in done[run].get("stages", [])):
            found.setdefault(run.model, []).append(worked / seconds)
    known = {model: median(values) for model, values in found.items()}
    return {"": median(known.values()) if known else NOMINAL} | known


def estimates(runs: Sequence[Run], known: dict[str, float]) -> dict[Run, float]:
    """Seconds per run at these rates. What runs share is counted for the first of them."""
    return {run: worked / known.get(run.model, known[""]) for run, worked in works(runs).items()}


def basis(known: dict[str, float]) -> str:
    """What the estimates rest on, as a sentence."""
    networks = len(known) - 1
    source = f"from records of {networks} kinds of networks" if networks else "nominal, nothing was measured yet"
    return f"(at {known[''] / 1e9:.0f} billion multiply-adds a second: {source})"


def spoken(seconds: float) -> str:
    """Minutes or hours."""
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


# --- seconds that were spent: cores work on one network each, but networks share a GPU, whose time counts once


class Spell(NamedTuple):
    """What did a run, until when (ISO 8601), and for how many seconds."""

    kind: str  # of device: cpu, cuda, mps
    device: str
    end: str
    seconds: float


def spell_of(record: Record) -> Spell:
    """What a record says of it."""
    made = record["made"]
    return Spell(made["kind"], made["device"], made["time"], made.get("seconds", 0.0))


def spent(spells: Iterable[Spell]) -> dict[tuple[str, str], float]:
    """Seconds by kind and name of device: of its cores together on a processor, on the clock on all others."""
    kept: dict[tuple[str, str], list[Spell]] = {}
    for spell in spells:
        kept.setdefault((spell.kind, spell.device), []).append(spell)
    return {key: sum(s.seconds for s in own) if key[0] == "cpu" else on_the_clock(own) for key, own in kept.items()}


def on_the_clock(spells: Iterable[Spell]) -> float:
    """Seconds in which at least one of the runs was under way."""
    total, until = 0.0, float("-inf")
    ends = [(datetime.fromisoformat(spell.end).timestamp(), spell.seconds) for spell in spells]
    for begin, end in sorted((end - seconds, end) for end, seconds in ends):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total
