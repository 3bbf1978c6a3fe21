"""What a run will cost, in seconds of one core (or of the GPU): multiply-adds of what is computed in each stage, at the
rate that records show."""

from collections.abc import Sequence
from functools import cache
from statistics import median

from netpress import data
from netpress.sweep import records
from netpress.sweep.run import Run, fingerprint
from netpress.training.stage import Stage

NOMINAL = 6e10  # multiply-adds per second, where nothing was measured yet: one AVX-512 core in bf16
FIXED = "plain"  # the view in which frozen prefixes and teachers are cached


@cache
def sizes(model: str, px: int, classes: int, width: float) -> dict[str, int]:
    """Multiply-adds of one forward pass, by block and head, in order."""
    import torch

    from netpress import nets
    from netpress.nets.describe import describe

    with torch.device("meta"):
        network = nets.build(model, px, classes, width)
        rows = describe(network, px).layers
    return {
        name: sum(row.multiply_adds for row in rows if row.name == name or row.name.startswith(f"{name}."))
        for name in network.names
    }


def sizes_of(run: Run) -> dict[str, int]:
    """Those of a run's network."""
    return sizes(run.model, run.px, data.classes(run.dataset), run.width)


def stage_work(run: Run, stage: Stage) -> int:
    """Multiply-adds of one stage: what is frozen before the first block that trains is passed once where the view is
    fixed, and so is the teacher; then forwards, back to that block, and the weights of what trains, in every epoch,
    each with an evaluation."""
    from netpress.training.objectives import OBJECTIVES

    split, judged = ("train", "test") if run.judged_on == "test" else ("fit", "validation")
    train, test = data.count(run.dataset, split, run.images), data.count(run.dataset, judged)
    parts = sizes_of(run)
    names = tuple(parts)
    first = min(names.index(name) for name in stage.trains or names)
    stop = names.index(stage.at) + 1 if stage.at else len(names)
    forward = sum(parts[name] for name in names[first:stop])
    weights = sum(parts[name] for name in names[first:stop] if name in (stage.trains or names))
    epoch = train * (2 * forward - parts[names[first]] + weights)
    if OBJECTIVES[stage.loss].sees_logits:
        epoch += test * sum(parts[name] for name in names[first:])
    fixed = stage.view == FIXED
    prefix = sum(parts[name] for name in names[:first]) * ((train + test) if fixed else train * stage.epochs)
    return stage.epochs * epoch + prefix + teacher_work(run, stage, train)


def teacher_work(run: Run, stage: Stage, train: int) -> int:
    """Multiply-adds of the teacher's answers: once, or in every epoch where what it sees changes."""
    if not stage.teacher:
        return 0
    once = (stage.teacher_view or stage.view) == FIXED
    return sum(sizes_of(dict(run.needs)[stage.teacher]).values()) * train * (1 if once else stage.epochs)


def work(run: Run) -> int:
    """Multiply-adds of all stages."""
    return sum(stage_work(run, stage) for stage in run.stages)


def rates(runs: Sequence[Run], edition: str) -> dict[str, float]:
    """Multiply-adds per second of every network of which there are records, the median over them, and under "" the
    median over all networks: a small one spends its time beside the multiply-adds."""
    found: dict[str, list[float]] = {}
    for run, record in records.fresh(runs, edition).items():
        if seconds := sum(stage["seconds"] for stage in record.get("stages", [])):
            found.setdefault(run.model, []).append(work(run) / seconds)
    known = {model: median(values) for model, values in found.items()}
    return {"": median(known.values()) if known else NOMINAL} | known


def estimates(runs: Sequence[Run], edition: str) -> dict[Run, float]:
    """Seconds per run. A beginning that runs share is counted for the first of them."""
    known = rates(runs, edition)
    seen: set[str] = set()
    found = {}
    for run in runs:
        steps = enumerate(run.steps, 1)
        shared = {fingerprint(run, n): step for n, step in steps if isinstance(step, Stage) and step.shared}
        twice = sum(stage_work(run, stage) for key, stage in shared.items() if key in seen)
        seen |= shared.keys()
        found[run] = (work(run) - twice) / known.get(run.model, known[""])
    return found


def basis(runs: Sequence[Run], edition: str) -> str:
    """What the estimates rest on, as a sentence."""
    known = rates(runs, edition)
    networks = len(known) - 1
    source = f"from records of {networks} kinds of networks" if networks else "nominal, nothing was measured yet"
    return f"(at {known[''] / 1e9:.0f} billion multiply-adds a second: {source})"


def spoken(seconds: float) -> str:
    """Minutes or hours."""
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
