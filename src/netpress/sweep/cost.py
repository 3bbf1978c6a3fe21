"""What a run will cost, in seconds of one core (or of the GPU): multiply-adds of what is computed in each stage, at the
rate that records show."""

from collections.abc import Iterator, Sequence
from functools import cache
from statistics import median

from netpress import data
from netpress.runs import records
from netpress.runs.run import Run, fingerprint
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


def images_of(run: Run) -> tuple[int, int]:
    """How many images a run is trained on, and judged on."""
    split, judged = ("train", "test") if run.judged_on == "test" else ("fit", "validation")
    return data.count(run.dataset, split, run.images), data.count(run.dataset, judged)


def stage_work(run: Run, stage: Stage) -> int:
    """Multiply-adds of one stage.

    Once, if the view is fixed: the frozen blocks before the first one that trains, and the teacher. In every epoch: a
    forward pass from that block, a backward pass down to it, the gradients of the weights that train, an evaluation.
    """
    from netpress.training.objectives import OBJECTIVES

    train, test = images_of(run)
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
    times = 1 if answers_once(stage) else stage.epochs
    return sum(sizes_of(dict(run.needs)[stage.teacher]).values()) * train * times


def answers_once(stage: Stage) -> bool:
    """Whether a teacher answers only once, as its images look the same in every epoch."""
    return (stage.teacher_view or stage.view) == FIXED


def work(run: Run) -> int:
    """Multiply-adds of all stages."""
    return sum(stage_work(run, stage) for stage in run.stages)


def works(runs: Sequence[Run]) -> dict[Run, int]:
    """Multiply-adds of each run, less what an earlier one leaves for it: a shared beginning, or a teacher's answers."""
    seen: set[str] = set()
    found = {}
    for run in runs:
        left = dict(left_behind(run))
        found[run] = work(run) - sum(done for key, done in left.items() if key in seen)
        seen |= left.keys()
    return found


def left_behind(run: Run) -> Iterator[tuple[str, int]]:
    """What later runs need not compute again: (key, multiply-adds) each."""
    for n, step in enumerate(run.steps, 1):
        if not isinstance(step, Stage):
            continue
        if step.shared:
            yield fingerprint(run, n), stage_work(run, step)
        elif step.teacher and answers_once(step):
            teacher = dict(run.needs)[step.teacher]
            yield f"{teacher.fingerprint} {step.loss} {step.at}", teacher_work(run, step, images_of(run)[0])


def rates(runs: Sequence[Run], edition: str) -> dict[str, float]:
    """Network -> multiply-adds per second, the median over its records; "" -> the median over all networks.

    Networks differ, since a small one spends much of its time on other work.
    """
    found: dict[str, list[float]] = {}
    done = records.fresh(runs, edition)
    for run, worked in works(tuple(done)).items():
        if seconds := sum(stage["seconds"] for stage in done[run].get("stages", [])):
            found.setdefault(run.model, []).append(worked / seconds)
    known = {model: median(values) for model, values in found.items()}
    return {"": median(known.values()) if known else NOMINAL} | known


def estimates(runs: Sequence[Run], edition: str) -> dict[Run, float]:
    """Seconds per run. What runs share is counted for the first of them."""
    known = rates(runs, edition)
    return {run: worked / known.get(run.model, known[""]) for run, worked in works(runs).items()}


def basis(runs: Sequence[Run], edition: str) -> str:
    """What the estimates rest on, as a sentence."""
    known = rates(runs, edition)
    networks = len(known) - 1
    source = f"from records of {networks} kinds of networks" if networks else "nominal, nothing was measured yet"
    return f"(at {known[''] / 1e9:.0f} billion multiply-adds a second: {source})"


def spoken(seconds: float) -> str:
    """Minutes or hours."""
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
