"""The editions: at which scale every paper's grid is run. One row per setting, one column per edition.

An edition's name may carry changes, as in "small+epochs=2". Such runs are others than the edition's, and their records
lie in a folder of that name. A row called "triage.epochs" is the setting `epochs` of the paper triage.
"""

from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from netpress.data.registry import DATASETS
from netpress.errors import UserError, known
from netpress.words import once

PerDataset = int | dict[str, int]  # one number for all, or one for each data set

CONFIRMED = 3  # the first seed of those that decided by the rules of version 2: the runs that claims are about
FRESH = 9  # the first seed of those that decide: the rules of version 3 were stated knowing all before it, the pilot
LONGEST = 200  # bytes of an edition's name, which is a folder's: with what is put behind it 255
MOST_SEEDS = 100  # on a data set
MOST_WIDTH = 4  # times the published channels
MOST = {  # by ending
    "seeds": MOST_SEEDS, "confirmed": MOST_SEEDS, "fresh": MOST_SEEDS,
    "px": 4096, "width": MOST_WIDTH, "epochs": 100_000, "rate": 1000.0,
}  # fmt: skip
EDITIONS = ("demo", "small", "large", "paper")
COMMITTED = EDITIONS[1:]  # those with records in git; the demo's are the reader's own
YOURS = "yours"  # a network of the user's own: no paper, but an edition sets its scale too

MEANT_FOR = {
    "demo": "any laptop, minutes, no network",
    "small": "two CPU cores, hours",
    "large": "one GPU",
    "paper": "days of GPU",
}

DIGITS = ("digits",)
FOUR = ("mnist", "cifar10", "cifar100", "dogs")
TWO = ("cifar10", "cifar100")  # CIFAR-10 in the place of STL10, which is not at hand
THREE = ("mnist", "cifar10", "flowers102")
LOW = {name: dataset.px for name, dataset in DATASETS.items()}
AS_THEY_ARE = LOW | {"mnist": DATASETS["mnist"].native}
# Seeds on each data set that decided by the rules of version 2
TRIAGE_SEEDS = {"mnist": 4, "cifar10": 4, "cifar100": 6, "dogs": 4}
THIRD_SEEDS = {"mnist": 2, "cifar10": 6, "flowers102": 4}
# Fresh seeds, by the simulation of the rules of version 3 (`netpress bench rules`), within 30 hours of a core
FRESH_SEEDS = {"mnist": 8, "cifar10": 5, "cifar100": 7, "dogs": 4}
VIEWED = {"mnist": 0, "cifar10": 1, "cifar100": 1, "dogs": 0}
PYRAMID_FRESH = {"cifar10": 4, "cifar100": 3}
THIRD_FRESH = {"mnist": 0, "cifar10": 6, "flowers102": 4}  # on MNIST the teacher is below its student
PLAIN, AUGMENTED = VIEWS = ("plain", "augmented")  # what retraining sees: images as they are; as the parent saw them
SOME_BLOCKS = ("block1", "block3", "block5")
ENDS = ("block1", "block5")
SETTLED = ("cifar10", "cifar100", "mnist")  # where networks are retrained until they settle
BOTH = ("mnist", "cifar10")
FLOWERS = ("flowers102",)
AS_PRINTED = {"mnist": 25, "cifar10": 10}  # epochs of Table I
SWEPT = {"mnist": 0, "cifar10": 3}  # on MNIST a student alone is as accurate as its teacher
EVERY_RATIO = (2, 5, 10, 20)
EVERY_BIT = (8, 6, 5, 4, 3, 2)
CYCLE, THREE_PHASE = "one-cycle", "three-phase"  # schedules of the parents' learning rate
WORDS = {
    "weights": ("scratch", "pretrained"), "judged_on": ("test", "validation"), "parent_schedule": (CYCLE, THREE_PHASE),
}  # fmt: skip
TINY_BIT = ("bit-r14x1", 1 / 8)  # network and width

# fmt: off
ROWS: dict[str, tuple[Any, Any, Any, Any]] = {
    # setting                        demo        small           large           paper
    "width":                        (1 / 8,      1 / 4,          1.0,            1.0),
    "seeds":                        (1,          3,              0,              0),      # the pilot's, from 0
    "images":                       (None,       10_000,         None,           None),   # training images; None = all
    "px":                           (LOW,        LOW,            LOW,            224),
    "weights":                      ("scratch",  "scratch",      "scratch",      "pretrained"),
    "judged_on":                    ("test",     "test",         "test",         "test"),  # or "validation"
    "batch":                        (64,         64,             128,            64),

    "triage.datasets":              (DIGITS,     FOUR,           FOUR,           FOUR),
    "triage.confirmed":             (0,          TRIAGE_SEEDS,   0,              0),      # seeds from 3
    "triage.fresh":                 (0,          FRESH_SEEDS,    6,              6),      # seeds from 9, which decide
    "triage.views":                 ((PLAIN,),   VIEWS,          VIEWS,          VIEWS),  # of retraining
    "triage.viewed":                (0,          VIEWED,         6,              6),      # fresh seeds in all views
    "triage.settled_on":            ((),         SETTLED,        SETTLED,        SETTLED),  # not by the first seeds
    "triage.settled_seeds":         (0,          4,              6,              6),      # of those that confirmed
    "triage.settled_blocks":        ((),         SOME_BLOCKS,    SOME_BLOCKS,    SOME_BLOCKS),  # fewer, for the hours
    "triage.settled_fresh":         (0,          5,              6,              6),
    "triage.settled_fresh_blocks":  ((),         ENDS,           SOME_BLOCKS,    SOME_BLOCKS),
    "triage.settling_epochs":       (6,          14,             40,             40),     # flat, not overfitted yet
    "triage.settling_rate":         (0.01,       0.003,          0.01,           0.001),  # 0.01 still jumps
    "triage.parent_epochs":         (10,         24,             60,             30),
    "triage.epochs":                (3,          4,              10,             20),
    "triage.imitation_epochs":      (2,          3,              4,              10),
    "triage.parent_rate":           (0.1,        0.05,           0.05,           0.01),
    "triage.parent_schedule":       (CYCLE,      THREE_PHASE,    THREE_PHASE,    THREE_PHASE),
    "triage.rate":                  (0.05,       0.05,           0.05,           0.01),
    "triage.imitation_rate":        (1e-3,       1e-3,           1e-3,           1e-3),

    "pyramid.datasets":             (DIGITS,     TWO,            TWO,            ("stl10", "cifar100")),
    "pyramid.confirmed":            (0,          6,              0,              0),
    "pyramid.fresh":                (0,          PYRAMID_FRESH,  6,              6),
    "pyramid.fresh_taught":         (DIGITS,     ("cifar10",),   TWO,            ("stl10", "cifar100")),  # can teach
    "pyramid.views":                ((PLAIN,),   VIEWS,          VIEWS,          VIEWS),
    "pyramid.enlarged":             (0,          2,              2,              2),      # seeds that see them
    "pyramid.fresh_enlarged":       (0,          0,              2,              2),      # on processors 2 hours a seed
    "pyramid.enlarged_px":          (64,         64,             64,             96),
    "pyramid.px":                   (LOW,        LOW,            LOW,            {"stl10": 96, "cifar100": 96}),
    "pyramid.parent_epochs":        (11,         32,             60,             30),
    "pyramid.epochs":               (2,          4,              10,             20),
    "pyramid.imitation_epochs":     (1,          3,              4,              10),
    "pyramid.parent_rate":          (0.05,       0.02,           0.05,           0.01),
    "pyramid.parent_schedule":      (CYCLE,      THREE_PHASE,    THREE_PHASE,    THREE_PHASE),
    "pyramid.rate":                 (0.05,       0.02,           0.05,           0.01),
    "pyramid.imitation_rate":       (1e-3,       1e-3,           1e-3,           1e-3),
    "pyramid.timed_images":         (8,          64,             13_000,         13_000),  # per pass, scaled to 13,000
    "pyramid.timed_batch":          (8,          32,             500,            500),

    "compressing.datasets":         (DIGITS,     THREE,          THREE,          THREE),
    "compressing.confirmed":        (0,          THIRD_SEEDS,    0,              0),
    "compressing.fresh":            (0,          THIRD_FRESH,    6,              6),
    "compressing.px":               (LOW,        AS_THEY_ARE,    AS_THEY_ARE,    AS_THEY_ARE),
    "compressing.images":           (None,       None,           None,           None),   # of Tables I and II
    "compressing.distilled_on":     (DIGITS,     BOTH,           BOTH,           BOTH),
    "compressing.distilled_width":  (1 / 4,      1.0,            1.0,            1.0),
    "compressing.distilled_epochs": (5,          AS_PRINTED,     AS_PRINTED,     AS_PRINTED),
    "compressing.distilled_batch":  (64,         64,             64,             64),
    "compressing.distilled_rate":   (1e-3,       3e-4,           3e-4,           3e-4),
    "compressing.swept_seeds":      (1,          SWEPT,          SWEPT,          5),      # that sweep T and alpha
    "compressing.pruned_on":        (DIGITS,     ("cifar10",),   ("cifar10",),   ("cifar10",)),
    "compressing.pruned_images":    (None,       10_000,         None,           None),
    "compressing.six_layer_width":  (1 / 4,      1.0,            1.0,            1.0),
    "compressing.parent_epochs":    (8,         24,             60,             60),
    "compressing.parent_rate":      (0.1,        0.05,           0.05,           0.05),
    "compressing.parent_schedule":  (CYCLE,      THREE_PHASE,    THREE_PHASE,    THREE_PHASE),
    "compressing.retrain_epochs":   (2,          4,              15,             15),
    "compressing.retrain_rate":     (0.05,       0.05,           0.05,           0.05),
    "compressing.ratios":           ((2, 5, 20), EVERY_RATIO,    EVERY_RATIO,    EVERY_RATIO),
    "compressing.bits":             ((8, 4, 2),  EVERY_BIT,      EVERY_BIT,      EVERY_BIT),
    "compressing.tune_epochs":      (1,          2,              5,              5),
    "compressing.tune_rate":        (1e-3,       1e-3,           1e-3,           1e-3),
    "compressing.matched_on":       (DIGITS,     FLOWERS,        FLOWERS,        FLOWERS),
    "compressing.matched_px":       (16,         64,             64,             224),
    "compressing.matched_teacher":  (("bit-r14x1", 1 / 4), ("bit-r26x1", 1 / 4), ("bit-r26x1", 1), ("bit-r101x3", 1)),
    "compressing.matched_student":  (TINY_BIT,   TINY_BIT,       ("bit-r26x1", 1 / 4), ("bit-r50x1", 1)),
    "compressing.teacher_epochs":   (8,         60,             200,            100),
    "compressing.teacher_rate":     (3e-3,       3e-3,           3e-3,           1e-4),
    "compressing.matched_epochs":   (1,          8,              30,             100),    # of the shortest schedule
    "compressing.matched_rate":     (3e-3,       3e-3,           3e-3,           3e-3),

}
# fmt: on


class Settings(SimpleNamespace):
    """What an edition sets for a paper, an attribute for each of its rows: those here, and the paper's own."""

    width: float
    seeds: int
    images: int | None
    px: PerDataset
    weights: str
    judged_on: str
    batch: int
    datasets: tuple[str, ...]
    fresh: PerDataset = 0  # a paper without these two rows has none
    confirmed: PerDataset = 0

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def papers() -> tuple[str, ...]:
    """The papers in the table."""
    return tuple(dict.fromkeys(name.split(".")[0] for name in ROWS if "." in name))


def settings(edition: str, paper: str) -> Settings:
    """The settings of an edition for a paper: `settings("small", "triage").epochs`.

    Raises UserError for an unknown edition, paper or change, naming the nearest right one.
    """
    base, changes = parse(edition)
    known(paper, papers(), "paper")
    column = EDITIONS.index(base)
    chosen = {name: row[column] for name, row in ROWS.items() if "." not in name}
    chosen |= {n.removeprefix(f"{paper}."): row[column] for n, row in ROWS.items() if n.startswith(f"{paper}.")}
    changed = chosen | {name: value for name, value in changes.items() if name in chosen}
    # With changes it is an exploration: what is decided is decided in an edition as it stands.
    if changes and changed["seeds"] and "fresh" in changed:
        changed["fresh"] = changed["confirmed"] = 0
    return Settings(**changed)


def seeds(edition: str, paper: str, dataset: str) -> tuple[int, ...]:
    """The seeds of a data set: the first from 0, those that confirmed from CONFIRMED, fresh ones from FRESH."""
    chosen = settings(edition, paper)
    parts = ((0, chosen.seeds), (CONFIRMED, chosen.confirmed), (FRESH, chosen.fresh))
    return tuple(seed for first, count in parts for seed in range(first, first + of(count, dataset)))


def confirms(chosen: Settings, seed: int) -> bool:
    """Whether a seed does only the runs that claims are about, as seeds did before it that did all."""
    return chosen.seeds > 0 and seed >= CONFIRMED


def controlled(chosen: Settings, dataset: str, seed: int) -> bool:
    """Whether a seed has controls, the parent retrained for as long: fresh ones, and all where none are planned."""
    return seed >= FRESH or not of(chosen.fresh, dataset)


def of(value: PerDataset, dataset: str) -> int:
    """A setting's value for a data set, where it may differ between data sets."""
    return value[dataset] if isinstance(value, dict) else value


def parse(edition: str) -> tuple[str, dict[str, Any]]:
    """ "small+epochs=2" -> ("small", {"epochs": 2})."""
    base, *changes = edition.split("+")
    known(base, EDITIONS, "edition")
    if len(edition.encode()) > LONGEST:
        raise UserError(
            f"An edition with {len(changes)} changes has a name of {len(edition.encode())} bytes, and folders may have "
            f"{LONGEST}: change fewer settings at a time."
        )
    return base, once(map(change, changes), "setting")


def with_changes(edition: str, changes: list[str]) -> str:
    """The edition's name with changes such as "epochs=2" added, checked, in a fixed order and spelling."""
    base, before = parse(edition)
    merged = once([*before.items(), *map(change, changes)], "setting")
    name = "+".join([base, *(f"{name}={shown(value)}" for name, value in sorted(merged.items()))])
    parse(name)  # it may have become too long
    return name


@cache
def proper(edition: str) -> str:
    """The one name of an edition, and of its folder: "demo+width=2e-2+epochs=1" -> "demo+epochs=1+width=0.02"."""
    return with_changes(edition, [])


def other(name: str, value: Any) -> Any:
    """Another value of the setting, by which it is seen whether the setting matters."""
    if name in WORDS:
        return next(word for word in WORDS[name] if word != value)
    if value is None:
        return 1
    return value + 1 if isinstance(value, int) else value / 2


def shown(value: object) -> str:
    """A value as `change` reads it."""
    return "all" if value is None else str(value)


def change(text: str) -> tuple[str, Any]:
    """ "epochs=2" -> ("epochs", 2), of the type that the setting has."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{text!r} changes nothing: write SETTING=VALUE, for example epochs=2.")
    names = sorted({row.split(".")[-1] for row in ROWS})
    known(name, names, "setting")
    example = next(row[1] for key, row in ROWS.items() if key.split(".")[-1] == name)
    return name, converted(name, value, example)


def converted(name: str, value: str, example: Any) -> Any:
    """The value in the type of `example`; positive where it is a number."""
    if name == "images" and value == "all":
        return None
    if isinstance(example, dict):  # one value for all data sets
        example = next(iter(example.values()))
    kind = int if name in ("images", "px") or isinstance(example, int) else type(example)
    if kind not in (int, float, str):
        hint = "choose data sets with --dataset" if name == "datasets" else "it is one of a table in editions.py"
        raise UserError(f"The setting {name} is a list, which --set cannot change: {hint}.")
    try:
        number = kind(value)
    except ValueError:
        what = "whole number" if kind is int else "number"
        raise UserError(f"{name}={value} is no {what}: write for example {name}={example}.") from None
    most = next((most for ending, most in MOST.items() if name.endswith(ending)), 10**9)
    if kind is not str and not 0 < number <= most:
        raise UserError(f"{name}={value} is out of range: a positive number is expected, at most {int(most):,}.")
    return checked_word(name, str(number)) if kind is str else number


def checked_word(name: str, value: str) -> str:
    """A word that the setting knows."""
    return known(value, WORDS[name], f"value of {name}")
