"""What is run for a network of the user's own, in the stops of a paper: TASK, GRID, STAGES.

    netpress shrink torchvision:resnet18 --data photos/ --plan

Triage: each block that one convolution can replace is replaced, begun at random or by imitation, retrained frozen and
thawed, and judged beside the parent and beside the parent retrained for as long. Then steps: block after block, each
network taught by the one before it, nothing frozen (the pyramid, backward). All are judged on validation images.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from netpress import data, editions
from netpress.compress.edits import Given, Inherit, Prune, Random, ShareWeights
from netpress.runs.measures import Integers, StoredSize
from netpress.runs.run import Edit, Run
from netpress.training.stage import Stage

# TASK ----------------------------------------------------------------------------------------------------------------

PAPER = editions.YOURS
BEGINNINGS = ("random", "imitated")
REGIMES = ("frozen", "thawed")
METHODS = {f"{beginning}-{regime}": (beginning, regime) for beginning in BEGINNINGS for regime in REGIMES}
STEP = "imitated-thawed"  # how a block is replaced for good
PARENT, CONTROL = "parent", "retrained"
BATCHES = 8  # at least so many in an epoch, where images are few
NO_MIRRORS = ("digits", "mnist")  # a mirrored digit is another one


@dataclass(frozen=True)
class Task:
    """What the user asks for. `model` as runs carry it; `blocks`: those that may be replaced, in the network's order.

    `weights`: SHA-256 of weights of the user's own; "": the parent is trained here. `most`: points that may be lost.
    """

    model: str
    dataset: str
    px: int
    blocks: tuple[str, ...]
    edition: str = "small"
    seeds: tuple[int, ...] = (0,)
    weights: str = ""
    most: float = 1.0

    @cached_property
    def settings(self) -> editions.Yours:
        """What the edition sets."""
        return editions.settings(self.edition, PAPER)

    @property
    def lr(self) -> float:
        """Of retraining."""
        return self.settings.given_rate if self.weights else self.settings.rate

    @property
    def batch_size(self) -> int:
        """The edition's, or less where there are few images."""
        images = data.count(self.dataset, "fit", self.settings.images)
        size = self.settings.batch
        while size > 2 and images < BATCHES * size:
            size //= 2
        return size


# GRID ----------------------------------------------------------------------------------------------------------------


def triage(task: Task, seed: int) -> tuple[Run, ...]:
    """The parent, the parent retrained, and every block replaced by four methods."""
    parent = parent_run(task, seed)
    return (
        parent,
        control_run(task, seed),
        *(replaced_run(task, parent, block, method) for block in task.blocks for method in METHODS),
    )


def parent_run(task: Task, seed: int) -> Run:
    """The user's network, with the weights that were given, or trained here."""
    chosen = task.settings
    train = Stage(
        "train", epochs=chosen.parent_epochs, lr=chosen.parent_rate, batch_size=task.batch_size,
        view="crop" if task.dataset in NO_MIRRORS else "crop-flip",
    )  # fmt: skip
    return run_of(task, seed, task.model, PARENT, (Given(task.weights),) if task.weights else (train,))


def control_run(task: Task, seed: int) -> Run:
    """The parent trained on for as long as the others are retrained: it shows what that alone brings."""
    parent = parent_run(task, seed)
    return run_of(task, seed, task.model, CONTROL, (Inherit(), retrain(task, ())), parent)


def replaced_run(task: Task, before: Run, block: str, method: str = STEP) -> Run:
    """The network of the run `before`, which teaches, with one more block replaced."""
    beginning, regime = METHODS[method]
    begin = (Random(block), imitate(task, block)) if beginning == "imitated" else (Random(block),)
    steps = (Inherit(), *begin, retrain(task, (block,) if regime == "frozen" else ()))
    run = run_of(task, before.seed, f"{before.model}+{block}", method, steps, before)
    return replace(run, factors=(("block", block), ("beginning", beginning), ("regime", regime)))


def pruned_run(task: Task, before: Run, ratio: float) -> Run:
    """The same network with one weight of `ratio` left."""
    steps = (Inherit(), Prune(float(ratio)), retrain(task, ()))
    run = run_of(task, before.seed, before.model, f"{stem(before)}pruned{ratio:g}", steps, before)
    return replace(run, measures=(StoredSize(("dense32", "sparse32")),))


def shared_run(task: Task, before: Run, bits: int) -> Run:
    """The same network with at most 2^bits values in each layer; zeros stay zeros."""
    chosen = task.settings
    tune = Stage(
        "tune", epochs=chosen.tune_epochs, optimiser="adam", lr=chosen.tune_rate, weight_decay=0.0,
        batch_size=task.batch_size,
    )  # fmt: skip
    steps = (Inherit(), ShareWeights(bits), tune)
    run = run_of(task, before.seed, before.model, f"{stem(before)}shared{bits}", steps, before)
    return replace(run, measures=(StoredSize(("dense32", "shared+huffman")),))


def integer_run(task: Task, before: Run) -> Run:
    """The same network, measured in 8-bit integers."""
    run = run_of(task, before.seed, before.model, f"{stem(before)}int8", (Inherit(),), before)
    return replace(run, measures=(*run.measures, Integers()))


def stem(before: Run) -> str:
    """What was done to a network beside replacing blocks, as the beginning of a name."""
    return "" if before.method in (PARENT, CONTROL, *METHODS) else f"{before.method}-"


def run_of(
    task: Task, seed: int, model: str, method: str, steps: tuple[Stage | Edit, ...], before: Run | None = None
) -> Run:  # fmt: skip
    """A run of the task; `before` is the run whose network it begins from and is taught by."""
    return Run(
        paper=PAPER, dataset=task.dataset, model=model, method=method, seed=seed, px=task.px, width=1.0,
        images=task.settings.images, steps=steps, needs=(("parent", before),) if before else (),
        judged_on="validation", measures=(StoredSize(("dense32",)),),
    )  # fmt: skip


# STAGES --------------------------------------------------------------------------------------------------------------


def imitate(task: Task, block: str) -> Stage:
    """The replacement learns to give what the block gave, from its cached input and output."""
    return Stage(
        "imitate", loss="block-l2", at=block, trains=(block,), teacher="parent", epochs=task.settings.imitation_epochs,
        optimiser="adam", lr=task.settings.imitation_rate, weight_decay=0.0, batch_size=task.batch_size, shared=True,
    )  # fmt: skip


def retrain(task: Task, trains: tuple[str, ...]) -> Stage:
    """Frozen: the replacement alone trains. Thawed: everything does."""
    return Stage("retrain", trains=trains, epochs=task.settings.epochs, lr=task.lr, batch_size=task.batch_size)
