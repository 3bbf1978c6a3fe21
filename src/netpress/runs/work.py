"""What a run computes: multiply-adds of its network and of its stages."""

from functools import cache

from netpress import data, surroundings
from netpress.runs.run import Run
from netpress.runs.sizes import sizes
from netpress.training.stage import Stage

FIXED = "plain"  # the view in which frozen prefixes and teachers are cached


def sizes_of(run: Run) -> dict[str, int]:
    """Those of a run's network."""
    return sizes(run.model, run.px, classes(run.dataset, surroundings.value("NETPRESS_DATA")), run.width)


def images_of(run: Run) -> tuple[int, int]:
    """How many images a run is trained on, and judged on."""
    return counts(run.dataset, run.judged_on, run.images, surroundings.value("NETPRESS_DATA"))


@cache
def classes(dataset: str, folder: str) -> int:
    """How many classes a data set has, one and the same throughout a process."""
    return data.classes(dataset)


@cache
def counts(dataset: str, judged_on: str, images: int | None, folder: str) -> tuple[int, int]:
    """How many images of a data set are trained on, and judged on."""
    split, judged = ("train", "test") if judged_on == "test" else ("fit", "validation")
    return data.count(dataset, split, images), data.count(dataset, judged)


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
