"""Pruning and quantisation of a small and of a large network, and narrow networks taught by the large one.

Per seed, for the network of six layers and for VGG16: the parent; pruned at several ratios, all layers ranked together
or each alone, at once or in steps, retrained or not; with shared weights at several numbers of bits, from the parent
and from the network pruned 5x, tuned or not. For VGG16 also narrow networks of the size that a pruned one takes on
disk, taught by the parent or alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from math import sqrt
from typing import TYPE_CHECKING

from netpress.compress.edits import Inherit, Prune, ShareWeights, gradual
from netpress.data.registry import DATASETS
from netpress.editions import FRESH, Settings, confirms, of
from netpress.papers.paper import Kind, facts_of, meets
from netpress.runs.measures import Agreement, Integers, StoredSize
from netpress.runs.run import Edit, Run
from netpress.training.stage import Stage

if TYPE_CHECKING:
    import pandas as pd

# PAPER ---------------------------------------------------------------------------------------------------------------

SMALL, LARGE = "six-layer", "vgg16"
NETWORKS = {SMALL: "Six layers", LARGE: "VGG16"}
PRINTED = 5  # "5x sparsity"
SCOPES = ("global", "layer")
STEPS = 3  # of gradual pruning
PARENT: Kind = {"role": "parent"}
CONTROL: Kind = {"role": "pruned", "ratio": 1}  # nothing is pruned: the parent retrained for as long as the others
AT_PRINTED: Kind = {"role": "pruned", "ratio": PRINTED, "how": "global", "finish": "retrained"}
# what networks are compared with
AGAINST: dict[str, Kind] = {"parent": PARENT, "control": CONTROL, "pruned": AT_PRINTED}
DENSE, CUT = "dense", f"{PRINTED}x"  # what weights are shared of
MATCHED = (5, 10, 20)  # ratios for which a narrow network of the same stored size is trained, where they are pruned

# A weight that is left takes 32 bits, the gap before it 8, or 5 in linear layers: of n weights about 1.2 n / ratio are
# stored. Parameters grow with the square of the width.
POSITIONS = 1.2

# Hinton's loss with the usual settings for VGG on CIFAR (ours): T = 4, alpha = 0.9, soft part times T^2, with which its
# gradients are about as large as those of labels alone. So the rate is that of every other network.
TEMPERATURE, ALPHA = 4.0, 0.9


# GRID ----------------------------------------------------------------------------------------------------------------


def runs(chosen: Settings, seeds: tuple[int, ...]) -> tuple[Run, ...]:
    """All runs of this part, needs first."""
    return tuple(
        run
        for dataset in chosen.pruned_on
        for seed in seeds
        for model in NETWORKS
        for parent in [run_of(chosen, (dataset, seed), model, Method("parent", "parent"), (train(chosen, dataset),))]
        for run in (parent, *compressed(chosen, parent), *(narrow(chosen, parent) if model == LARGE else ()))
        if not confirms(chosen, seed) or claimed(run)
    )


def claimed(run: Run) -> bool:
    """Whether a claim is about a run: with fresh seeds these alone are done."""
    factors = dict(run.factors)
    pruned = factors["role"] == "pruned" and factors["how"] == "global"
    both = run.seed >= FRESH or run.model == LARGE  # before, claims were about 5x alone for the small network
    matched = both and factors["finish"] == "retrained" and factors["ratio"] in MATCHED
    needed = pruned and (factors["ratio"] in (1, PRINTED) or matched)
    return needed or factors["role"] == "parent" or factors["finish"] == "distilled"


def compressed(chosen: Settings, parent: Run) -> Iterator[Run]:
    """The parent pruned by every method, and with shared weights."""
    place = (parent.dataset, parent.seed)
    tune = Stage(
        "tune", epochs=chosen.tune_epochs, batch_size=chosen.batch, optimiser="adam", lr=chosen.tune_rate,
        schedule="cosine", weight_decay=0.0, view=DATASETS[parent.dataset].view,
    )  # fmt: skip
    pruned = [
        run_of(chosen, place, parent.model, method, steps, parent)
        for method, steps in pruning(chosen, parent.dataset).items()
    ]
    yield from pruned
    (cut,) = (run for run in pruned if meets(facts_of(run), AT_PRINTED))
    for name, before, against in ((DENSE, parent, "parent"), (CUT, cut, "pruned")):
        for bits in chosen.bits:
            share = (Inherit(), ShareWeights(bits))  # as k-means leaves them, and with their centroids tuned
            for finish, steps in (("untuned", share), ("tuned", (*share, tune))):
                method = Method(
                    f"shared-{bits}b-{name}-{finish}", "shared", bits=bits, base=name, finish=finish,
                    against=against,
                )  # fmt: skip
                yield run_of(chosen, place, parent.model, method, steps, before)


def narrow(chosen: Settings, parent: Run) -> Iterator[Run]:
    """Narrow networks, each as large on disk as the parent is when pruned, trained as long as both together: taught by
    the parent, or by the labels alone."""
    alone = replace(train(chosen, parent.dataset), epochs=chosen.parent_epochs + chosen.retrain_epochs)
    distilled = replace(
        alone, loss="distillation", teacher="parent", temperature=TEMPERATURE, alpha=ALPHA, scaled=True,
    )  # fmt: skip
    for ratio in sorted(set(MATCHED) & set(chosen.ratios)):
        for finish, stage in (("distilled", distilled), ("alone", alone)):
            method = Method(f"narrow-{ratio}x-{finish}", "narrow", ratio=ratio, finish=finish)
            yield run_of(
                chosen, (parent.dataset, parent.seed), parent.model, method, (stage,), parent, sqrt(POSITIONS / ratio)
            )


def run_of(
    chosen: Settings, place: tuple[str, int], model: str, method: "Method", steps: tuple[Stage | Edit, ...],
    parent: Run | None = None, narrowed: float = 1.0,
) -> Run:  # fmt: skip
    """A run at a place: data set and seed."""
    dataset, seed = place
    width = chosen.width if model == LARGE else chosen.six_layer_width
    images = min(count for count in (chosen.images, chosen.pruned_images, 10**9) if count)
    return Run(
        paper="compressing", dataset=dataset, model=model, method=method.name, seed=seed, px=of(chosen.px, dataset),
        width=width * narrowed, images=None if images == 10**9 else images, steps=steps,
        needs=(("parent", parent),) if parent else (), judged_on=chosen.judged_on, measures=measures(method),
        factors=method.factors,
    )  # fmt: skip


@dataclass(frozen=True)
class Method:
    """How a network is made smaller: its name, and what it varies. Ratio and bits are 0 where there are none.

    `against`: the network that it is compared with, a key of AGAINST: one that was trained for as long without being
    pruned or, where there is none, the one that it began from.
    """

    name: str
    role: str  # parent, pruned, shared or narrow
    ratio: int = 0
    how: str = ""  # global, layer or gradual
    bits: int = 0
    base: str = ""  # dense, or 5x
    finish: str = ""  # retrained, untouched, tuned, untuned, distilled or alone
    against: str = "parent"

    @property
    def factors(self) -> tuple[tuple[str, object], ...]:
        """As a run carries them."""
        own = ((field.name, getattr(self, field.name)) for field in fields(self) if field.name != "name")
        return (("part", "pruning"), *own)


def measures(method: Method) -> tuple:
    """What is measured on the finished network: its size as written, and on some its accuracy in 8-bit integers."""
    forms = {"parent": ("dense32",), "pruned": ("dense32", "sparse32"), "shared": ("shared", "shared+huffman")}
    facts = dict(method.factors)
    integers = (Integers(),) if meets(facts, PARENT) or meets(facts, AT_PRINTED) else ()
    others = (Agreement("parent"),) if method.role == "narrow" else ()
    return (StoredSize(forms.get(method.role, ("dense32",))), *integers, *others)


# STAGES --------------------------------------------------------------------------------------------------------------


def train(chosen: Settings, dataset: str) -> Stage:
    """How parents are trained."""
    return Stage(
        "train", epochs=chosen.parent_epochs, lr=chosen.parent_rate, schedule=chosen.parent_schedule,
        batch_size=chosen.batch, view=DATASETS[dataset].view,
    )  # fmt: skip


def retrain(chosen: Settings, dataset: str, epochs: int, name: str = "retrain") -> Stage:
    """Retraining with the zeros held."""
    return Stage(name, epochs=epochs, lr=chosen.retrain_rate, batch_size=chosen.batch, view=DATASETS[dataset].view)


def pruned(ratio: int, how: str, finish: str) -> Method:
    """The method of a pruned network."""
    against = "control" if finish == "retrained" else "parent"
    return Method(f"pruned-{ratio}x-{how}-{finish}", "pruned", ratio=ratio, how=how, finish=finish, against=against)


def pruning(chosen: Settings, dataset: str) -> dict[Method, tuple[Stage | Edit, ...]]:
    """Every method of pruning, and its control.

    Gradual pruning ranks all layers together; its steps share the epochs of retraining.
    """
    after, epochs = retrain(chosen, dataset, chosen.retrain_epochs), chosen.retrain_epochs
    methods: dict[Method, tuple[Stage | Edit, ...]] = {pruned(1, "global", "retrained"): (Inherit(), Prune(1.0), after)}
    for ratio in chosen.ratios:
        for scope in SCOPES:
            cut = (Inherit(), Prune(float(ratio), scope))
            methods |= {pruned(ratio, scope, "untouched"): cut, pruned(ratio, scope, "retrained"): (*cut, after)}
        stepwise: list[Stage | Edit] = [Inherit()]
        for step, part in enumerate(gradual(float(ratio), STEPS), start=1):
            share = epochs * step // STEPS - epochs * (step - 1) // STEPS
            stepwise += [Prune(part), *([retrain(chosen, dataset, share, f"retrain-{step}")] if share else [])]
        methods[pruned(ratio, "gradual", "retrained")] = tuple(stepwise)
    return methods


# RECORDS -------------------------------------------------------------------------------------------------------------

COLUMNS = ("part", "ratio", "how", "bits", "base", "finish", "against")


def change(runs: "pd.DataFrame") -> "pd.Series":
    """Accuracy after the last epoch less that of the network it is to be compared with, of the same seed; missing where
    there is nothing to compare with."""
    from netpress.report.frames import rows_where

    keys = ["dataset", "model", "seed"]
    last = runs["last"].astype("float64")
    found = last * float("nan")
    for name, where in AGAINST.items():
        theirs = rows_where(runs, where).set_index(keys)["last"].astype("float64").rename("theirs")
        own = runs["against"] == name
        found[own] = last[own] - runs[own].join(theirs, on=keys)["theirs"]
    return found
