"""The Pyramid (Ravindran & Fita Sanmartin 2018): VGG19 shrunk level by level, each level taught by the one above.

Five sets of layers are compressed into one layer each, from the head to the image (forward) or from the image to the
head (backward), and compared with three ways of going straight from VGG19:
2 data sets x (VGG19 + 2 directions x 5 levels x 5 methods - 4 cells that are not defined) = 2 x 47 networks per seed.
On the last data set 8 more with everything thawed in stage 2, and 5 or 6 from random weights at 32 px.

    netpress run pyramid --edition small         321 networks (3 seeds), hours on two CPU cores
    netpress run pyramid --edition demo           60 networks (digits), minutes on two CPU cores
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from netpress import editions
from netpress.compress.edits import Inherit, Pretrained
from netpress.nets import levels
from netpress.nets.levels import LEVELS, ORDERS, TOP
from netpress.runs.run import Edit, Run
from netpress.training.stage import Stage

if TYPE_CHECKING:
    import pandas as pd

# PAPER ---------------------------------------------------------------------------------------------------------------

DIRECTIONS = tuple(ORDERS)

# method: its column in Tables 1-4
NAMES = {
    "scratch": "Scratch",
    "two-stages": "Pyramid 2-stages",
    "gram": "Pyramid Gram Normal",
    "fitnet": "Fitnet",
    "gram-direct": "Gram Direct",
}
PYRAMID = ("two-stages", "gram")  # taught by the level above; the others go straight from VGG19
THAWED = "-thawed"  # ending of the variant in which nothing is frozen in stage 2
NATIVE = "native"  # random weights at 32 px: the paper's motive for enlarging CIFAR-100 (section 5)
NATIVE_PX = 32
ENLARGED = "enlarged"  # the same with the images enlarged
SHALLOWER = (TOP, *(f"{level}-forward" for level in LEVELS))

# Cells that the paper leaves out, as no Gram matrix is defined for fully connected layers (section 5)
UNDEFINED = frozenset(
    (model, method) for model in ("svgg17-forward", "svgg5-backward") for method in ("gram", "gram-direct")
)
# Where the level above is missing in a method, that method goes on from this one (section 5)
INSTEAD = "two-stages"

# FitNet (Romero et al. 2014): the hint is the output of VGG19's middle convolution, the eighth of sixteen. The
# temperature is 3; the weight of the soft targets falls there from 4 to 1 times that of the labels, here it stays at
# the mean of both.
HINT = "C2"
TEMPERATURE = 3.0
SOFT = 2.5

# Augmentation of VGG19, as is usual for the data set. Compressed networks see no augmentation.
PARENT_VIEW = {"digits": "crop", "cifar10": "crop-flip", "cifar100": "crop-flip", "stl10": "crop-flip"}


# GRID ----------------------------------------------------------------------------------------------------------------


def grid(edition: str, seeds: tuple[int, ...]) -> tuple[Run, ...]:
    """All runs, needs first: per data set and seed VGG19, 46 networks and forward once more with nothing frozen; on the
    last data set also the networks from random weights."""
    chosen = editions.settings(edition, "pyramid")
    return tuple(
        run
        for dataset in chosen.datasets
        for seed in seeds
        for top in [top_run(chosen, dataset, seed)]
        for more in [from_scratch(chosen, top) if dataset == chosen.datasets[-1] else ()]
        for run in (top, *compressed_runs(chosen, top), *thawed_runs(chosen, top), *more)
    )


def from_scratch(chosen: editions.Settings, top: Run) -> tuple[Run, ...]:
    """Networks from random weights: at 32 px, and on some fresh seeds with the images enlarged."""
    enlarged = editions.FRESH <= top.seed < editions.FRESH + chosen.enlarged
    return (*native_runs(chosen, top), *(enlarged_runs(chosen, top) if enlarged else ()))


def top_run(chosen: editions.Settings, dataset: str, seed: int) -> Run:
    """VGG19."""
    begin: tuple[Edit, ...] = (Pretrained(TOP),) if chosen.weights == "pretrained" else ()
    px = editions.of(chosen.px, dataset)
    return run_of(chosen, TOP, "parent", (*begin, whole(chosen, dataset)), (), (dataset, seed, px))


def compressed_runs(chosen: editions.Settings, top: Run) -> Iterator[Run]:
    """Both directions, five levels, five methods, without the cells that are not defined: 46 runs."""
    for direction in DIRECTIONS:
        above = dict.fromkeys(NAMES, top)
        for level in LEVELS:
            model = f"{level}-{direction}"
            defined = [method for method in NAMES if (model, method) not in UNDEFINED]
            runs = {method: level_run(chosen, model, method, above[method]) for method in defined}
            yield from runs.values()
            above |= {method: runs.get(method, runs[INSTEAD]) for method in PYRAMID}


def thawed_runs(chosen: editions.Settings, top: Run) -> Iterator[Run]:
    """The variant of forward in which earlier compressed layers train in stage 2 (section 4 has no frozen layers).

    Its first level is the grid's own, where nothing was compressed before: 4 levels x 2 methods.
    """
    first, *rest = (f"{level}-forward" for level in LEVELS)
    begin = level_run(chosen, first, INSTEAD, top)
    for method in PYRAMID:
        above = begin
        for model in rest:
            above = level_run(chosen, model, method + THAWED, above)
            yield above


def native_runs(chosen: editions.Settings, top: Run) -> Iterator[Run]:
    """VGG19 and the forward levels from random weights at 32 px, each trained as VGG19 is.

    VGG19 is left out where the grid's own is that very network.
    """
    step = whole(chosen, top.dataset)
    for model in SHALLOWER:
        if model != TOP or (top.px, top.steps) != (NATIVE_PX, (step,)):
            yield run_of(chosen, model, NATIVE, (step,), (), (top.dataset, top.seed, NATIVE_PX))


def enlarged_runs(chosen: editions.Settings, top: Run) -> Iterator[Run]:
    """The same with the images enlarged, which the paper says removes the anomaly (section 5)."""
    for model in SHALLOWER:
        place = (top.dataset, top.seed, chosen.enlarged_px)
        yield run_of(chosen, model, ENLARGED, (whole(chosen, top.dataset),), (), place)


def level_run(chosen: editions.Settings, model: str, method: str, above: Run) -> Run:
    """One level in one method; `above` is the network that it inherits from and, unless trained alone, is taught by."""
    place = (above.dataset, above.seed, above.px)
    return run_of(chosen, model, method, steps(chosen, model)[method], (("teacher", above),), place)


def run_of(
    chosen: editions.Settings, model: str, method: str, steps: tuple[Stage | Edit, ...],
    needs: tuple[tuple[str, Run], ...], place: tuple[str, int, int],
) -> Run:  # fmt: skip
    """A run at a place: data set, seed and size of the images."""
    dataset, seed, px = place
    return Run(
        paper="pyramid", dataset=dataset, model=model, method=method, seed=seed, px=px, width=chosen.width,
        images=chosen.images, steps=steps, needs=needs, judged_on=chosen.judged_on, factors=factors(model, method),
    )  # fmt: skip


def factors(model: str, method: str) -> tuple[tuple[str, str], ...]:
    """What a run varies: level, direction ("" for VGG19), approach, and for the pyramid what stage 2 trains."""
    level, _, direction = model.partition("-")
    approach = method.removesuffix(THAWED)
    frozen = approach in PYRAMID and direction == "forward" and approach == method
    regime = ("frozen" if frozen else "thawed") if approach in PYRAMID else ""
    return (("level", level), ("direction", direction), ("approach", approach), ("regime", regime))


# STAGES --------------------------------------------------------------------------------------------------------------


def whole(chosen: editions.Settings, dataset: str) -> Stage:
    """How VGG19 is trained."""
    return Stage(
        "train", epochs=chosen.parent_epochs, lr=chosen.parent_rate, schedule=chosen.parent_schedule,
        batch_size=chosen.batch, view=PARENT_VIEW[dataset],
    )  # fmt: skip


def steps(chosen: editions.Settings, model: str) -> dict[str, tuple[Stage | Edit, ...]]:
    """What each method does at a level of the pyramid.

    Each first inherits every layer of unchanged structure (section 4). Stage 1 trains everything up to the newly
    compressed set. Forward keeps what lies behind it, compressed earlier, frozen in both stages (section 3.1);
    backward and the variant train everything in stage 2.
    """
    at = levels.module_of(levels.compressed(model)[-1])
    trains = upto(at)
    kept = trains if model.endswith("forward") else ()
    l2 = imitate(chosen, "set-l2", at, trains)
    gram = imitate(chosen, "gram", at, trains)
    hint = imitate(chosen, "hint", HINT, upto(HINT))
    grams = imitate(chosen, "all-grams", None, upto("C4"))
    labels = retrain(chosen, ())
    return {
        "scratch": (Inherit("teacher"), labels),
        "two-stages": (Inherit("teacher"), l2, retrain(chosen, kept)),
        "gram": (Inherit("teacher"), gram, retrain(chosen, kept)),
        "fitnet": (Inherit("teacher"), hint, distil(chosen)),
        "gram-direct": (Inherit("teacher"), grams, labels),
        "two-stages" + THAWED: (Inherit("teacher"), l2, labels),
        "gram" + THAWED: (Inherit("teacher"), gram, labels),
    }


def upto(name: str) -> tuple[str, ...]:
    """The slices of a network up to and including `name`."""
    names = tuple(levels.module_of(each) for each in levels.SETS)
    return names[: names.index(name) + 1]


def imitate(chosen: editions.Settings, loss: str, at: str | None, trains: tuple[str, ...]) -> Stage:
    """Stage 1: be like the teacher inside. The same settings for every method."""
    return Stage(
        "imitate", loss=loss, at=at, trains=trains, teacher="teacher", epochs=chosen.imitation_epochs,
        optimiser="adam", lr=chosen.imitation_rate, weight_decay=0.0, batch_size=chosen.batch,
    )  # fmt: skip


def retrain(chosen: editions.Settings, trains: tuple[str, ...]) -> Stage:
    """Stage 2: cross-entropy with the labels."""
    return Stage("retrain", trains=trains, epochs=chosen.epochs, lr=chosen.rate, batch_size=chosen.batch)


def distil(chosen: editions.Settings) -> Stage:
    """FitNet's stage 2: soft targets and labels."""
    return Stage(
        "retrain", loss="labels-and-soft-targets", teacher="teacher", epochs=chosen.epochs, lr=chosen.rate,
        batch_size=chosen.batch, temperature=TEMPERATURE, alpha=SOFT,
    )  # fmt: skip


# RECORDS -------------------------------------------------------------------------------------------------------------


def tidy(runs: "pd.DataFrame", results: Path | None = None) -> "pd.DataFrame":
    """The frame of runs with further columns.

    level ("vgg19", "svgg17", ...), direction ("" for VGG19), approach, regime; over_scratch: best accuracy less that of
    Scratch on the same data set, level, direction and seed, a fraction; seconds_13000, passes_13000 and latency of the
    network at the paper's size, missing where nothing was measured (speed.frame).
    """
    from netpress.papers.pyramid import speed

    rows = runs.reindex(columns=list(dict.fromkeys([*runs.columns, "level", "direction", "approach", "regime"])))
    keys = ["dataset", "model", "seed"]
    scratch = rows[rows["method"] == "scratch"].set_index(keys)["best"]
    plain = rows[keys].join(scratch, on=keys)["best"] if len(scratch) else float("nan")
    rows = rows.assign(over_scratch=rows["best"] - plain)
    timed = speed.frame(rows["edition"].iloc[0], results) if len(rows) else rows
    measured = ["seconds_13000", "passes_13000", "latency"]
    if timed.empty:
        return rows.assign(**dict.fromkeys(measured, float("nan")))
    return rows.join(timed.set_index("model")[measured], on="model")


def from_random(runs: "pd.DataFrame") -> "pd.DataFrame":
    """Those trained from random weights at 32 px; VGG19 is the grid's own where it was trained in that very way."""
    native = runs["approach"] == NATIVE
    datasets, models = (set(runs.loc[native, column]) for column in ("dataset", "model"))
    top = (runs["method"] == "parent") & runs["dataset"].isin(datasets) & (TOP not in models)
    return runs[native | top]
