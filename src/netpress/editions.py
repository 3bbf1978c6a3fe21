"""The editions: at which scale every paper's grid is run. One row per setting, one column per edition.

An edition may carry changes, as in "small+epochs=2": those are runs of their own, kept beside the edition's in a folder
of that name. A row called "triage.epochs" is the setting `epochs` of the paper triage.
"""

import difflib
from types import MappingProxyType
from typing import Any

from netpress.errors import UserError

FRESH = 3  # the first fresh seed: rules and numbers of seeds were chosen on those before it, the pilot's
LONGEST = 200  # bytes of an edition's name, which is a folder's: with what is put behind it 255
MOST = {"seeds": 100, "fresh": 100, "px": 4096, "width": 16, "epochs": 100_000, "rate": 1000.0}  # by ending
EDITIONS = ("demo", "small", "large", "paper")
PAPERS = ("triage", "pyramid", "compressing")

MEANT_FOR = {
    "demo": "any laptop, minutes, no network",
    "small": "two CPU cores, hours",
    "large": "one GPU, under an hour",
    "paper": "days of GPU",
}

DIGITS = ("digits",)
FOUR = ("mnist", "cifar10", "cifar100", "dogs")
TWO = ("cifar10", "cifar100")  # CIFAR-10 in the place of STL10, which is not at hand
THREE = ("mnist", "cifar10", "flowers102")
LOW = {"digits": 32, "mnist": 32, "cifar10": 32, "cifar100": 32, "stl10": 32, "dogs": 64, "flowers102": 64}
AS_THEY_ARE = LOW | {"mnist": 28}
# Fresh seeds on each data set, chosen on the pilot for a power of 0.8 where hours allow it: `netpress bench rules`
TRIAGE_SEEDS = {"mnist": 4, "cifar10": 4, "cifar100": 6, "dogs": 4}
THIRD_SEEDS = {"mnist": 2, "cifar10": 6, "flowers102": 4}
SOME_BLOCKS = ("block1", "block3", "block5")
SETTLED = ("cifar10", "cifar100", "mnist")  # where networks are retrained until they settle
BOTH = ("mnist", "cifar10")
FLOWERS = ("flowers102",)
AS_PRINTED = {"mnist": 25, "cifar10": 10}  # epochs of Table I
SWEPT = {"mnist": 0, "cifar10": 3}  # on MNIST a student alone is as accurate as its teacher
EVERY_RATIO = (2, 5, 10, 20)
EVERY_BIT = (8, 6, 5, 4, 3, 2)
CYCLE, THREE_PHASE = "one-cycle", "three-phase"  # schedules of the parents' learning rate
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
    "triage.fresh":                 (0,          TRIAGE_SEEDS,   3,              5),      # fresh seeds, from 3
    "triage.settled_on":            ((),         SETTLED,        SETTLED,        SETTLED),  # by fresh seeds
    "triage.settled_seeds":         (0,          4,              3,              5),
    "triage.settled_blocks":        ((),         SOME_BLOCKS,    SOME_BLOCKS,    SOME_BLOCKS),  # fewer, for the hours
    "triage.settling_epochs":       (6,          16,             40,             40),
    "triage.settling_rate":         (0.01,       0.01,           0.01,           0.001),
    "triage.parent_epochs":         (12,         24,             60,             30),
    "triage.epochs":                (6,          4,              10,             20),
    "triage.imitation_epochs":      (3,          3,              4,              10),
    "triage.parent_rate":           (0.1,        0.05,           0.05,           0.01),
    "triage.parent_schedule":       (CYCLE,      THREE_PHASE,    THREE_PHASE,    THREE_PHASE),
    "triage.rate":                  (0.05,       0.05,           0.05,           0.01),
    "triage.imitation_rate":        (1e-3,       1e-3,           1e-3,           1e-3),

    "pyramid.datasets":             (DIGITS,     TWO,            TWO,            ("stl10", "cifar100")),
    "pyramid.fresh":                (0,          6,              3,              5),
    "pyramid.enlarged":             (0,          2,              2,              2),      # fresh seeds that see them
    "pyramid.enlarged_px":          (64,         64,             64,             96),
    "pyramid.px":                   (LOW,        LOW,            LOW,            {"stl10": 96, "cifar100": 96}),
    "pyramid.parent_epochs":        (18,         32,             60,             30),
    "pyramid.epochs":               (6,          4,              10,             20),
    "pyramid.imitation_epochs":     (3,          3,              4,              10),
    "pyramid.parent_rate":          (0.05,       0.02,           0.05,           0.01),
    "pyramid.parent_schedule":      (CYCLE,      THREE_PHASE,    THREE_PHASE,    THREE_PHASE),
    "pyramid.rate":                 (0.05,       0.02,           0.05,           0.01),
    "pyramid.imitation_rate":       (1e-3,       1e-3,           1e-3,           1e-3),
    "pyramid.timed_images":         (8,          64,             13_000,         13_000),  # per pass, scaled to 13,000
    "pyramid.timed_batch":          (8,          32,             500,            500),

    "compressing.datasets":         (DIGITS,     THREE,          THREE,          THREE),
    "compressing.fresh":            (0,          THIRD_SEEDS,    3,              5),
    "compressing.px":               (LOW,        AS_THEY_ARE,    AS_THEY_ARE,    AS_THEY_ARE),
    "compressing.images":           (None,       None,           None,           None),   # of Tables I and II
    "compressing.distilled_on":     (DIGITS,     BOTH,           BOTH,           BOTH),
    "compressing.distilled_width":  (1 / 4,      1.0,            1.0,            1.0),
    "compressing.distilled_epochs": (10,         AS_PRINTED,     AS_PRINTED,     AS_PRINTED),
    "compressing.distilled_batch":  (64,         64,             64,             64),
    "compressing.distilled_rate":   (1e-3,       3e-4,           3e-4,           3e-4),
    "compressing.swept_seeds":      (1,          SWEPT,          SWEPT,          5),      # that sweep T and alpha
    "compressing.pruned_on":        (DIGITS,     ("cifar10",),   ("cifar10",),   ("cifar10",)),
    "compressing.pruned_images":    (None,       10_000,         None,           None),
    "compressing.six_layer_width":  (1 / 4,      1.0,            1.0,            1.0),
    "compressing.parent_epochs":    (10,         24,             60,             60),
    "compressing.parent_rate":      (0.1,        0.05,           0.05,           0.05),
    "compressing.parent_schedule":  (CYCLE,      THREE_PHASE,    THREE_PHASE,    THREE_PHASE),
    "compressing.retrain_epochs":   (4,          4,              15,             15),
    "compressing.retrain_rate":     (0.05,       0.05,           0.05,           0.05),
    "compressing.ratios":           ((2, 5, 20), EVERY_RATIO,    EVERY_RATIO,    EVERY_RATIO),
    "compressing.bits":             ((8, 4, 2),  EVERY_BIT,      EVERY_BIT,      EVERY_BIT),
    "compressing.tune_epochs":      (2,          2,              5,              5),
    "compressing.tune_rate":        (1e-3,       1e-3,           1e-3,           1e-3),
    "compressing.matched_on":       (DIGITS,     FLOWERS,        FLOWERS,        FLOWERS),
    "compressing.matched_px":       (16,         64,             64,             224),
    "compressing.matched_teacher":  (("bit-r14x1", 1 / 4), ("bit-r26x1", 1 / 4), ("bit-r26x1", 1), ("bit-r101x3", 1)),
    "compressing.matched_student":  (TINY_BIT,   TINY_BIT,       ("bit-r26x1", 1 / 4), ("bit-r50x1", 1)),
    "compressing.teacher_epochs":   (10,         60,             200,            100),
    "compressing.teacher_rate":     (3e-3,       3e-3,           3e-3,           1e-4),
    "compressing.matched_epochs":   (1,          8,              30,             100),    # of the shortest schedule
    "compressing.matched_rate":     (3e-3,       3e-3,           3e-3,           3e-3),
}
# fmt: on


def settings(edition: str, paper: str) -> Any:
    """The settings of an edition for a paper, as attributes: `settings("small", "triage").epochs`.

    Raises UserError for an unknown edition, paper or change, naming the nearest right one.
    """
    base, changes = parse(edition)
    known(paper, PAPERS, "paper")
    column = EDITIONS.index(base)
    chosen = {name: row[column] for name, row in ROWS.items() if "." not in name}
    chosen |= {n.removeprefix(f"{paper}."): row[column] for n, row in ROWS.items() if n.startswith(f"{paper}.")}
    changed = chosen | {name: value for name, value in changes.items() if name in chosen}
    if changes and changed["seeds"]:  # an exploration: what is decided is decided in an edition as it stands
        changed["fresh"] = 0
    return Settings(changed)


def seeds(edition: str, paper: str, dataset: str) -> tuple[int, ...]:
    """The seeds of a data set: the pilot's from 0, fresh ones from FRESH."""
    chosen = settings(edition, paper)
    return (*range(chosen.seeds), *range(FRESH, FRESH + of(chosen.fresh, dataset)))


def of(value: Any, dataset: str) -> Any:
    """A setting's value for a data set, where it may differ between data sets."""
    return value[dataset] if isinstance(value, dict) else value


class Settings:
    """Read-only attributes."""

    def __init__(self, values: dict[str, Any]):
        self.__dict__["values"] = MappingProxyType(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("the settings of an edition are read-only")


def parse(edition: str) -> tuple[str, dict[str, Any]]:
    """ "small+epochs=2" -> ("small", {"epochs": 2})."""
    base, *changes = edition.split("+")
    known(base, EDITIONS, "edition")
    if len(edition.encode()) > LONGEST:
        raise UserError(
            f"An edition with {len(changes)} changes has a name of {len(edition.encode())} bytes, and folders may have "
            f"{LONGEST}: change fewer settings at a time."
        )
    return base, dict(change(text) for text in changes)


def with_changes(edition: str, changes: list[str]) -> str:
    """The edition's name with changes such as "epochs=2" added, checked and in a fixed order."""
    base, before = parse(edition)
    merged = before | dict(change(text) for text in changes)
    name = "+".join([base, *(f"{name}={shown(value)}" for name, value in sorted(merged.items()))])
    parse(name)  # it may have become too long
    return name


def shown(value: Any) -> str:
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
        raise UserError(f"The setting {name} cannot be changed here: choose data sets with --dataset instead.")
    try:
        number = kind(value)
    except ValueError:
        raise UserError(f"{name}={value} is no {kind.__name__}: a number such as {name}={example}?") from None
    most = next((most for ending, most in MOST.items() if name.endswith(ending)), 10**9)
    if kind is not str and not 0 < number <= most:
        raise UserError(f"{name}={value} is out of range: a positive number is expected, at most {most:,}.")
    return checked_word(name, str(number)) if kind is str else number


def checked_word(name: str, value: str) -> str:
    """A word that the setting knows."""
    words = {
        "weights": ("scratch", "pretrained"), "judged_on": ("test", "validation"),
        "parent_schedule": (CYCLE, THREE_PHASE),
    }  # fmt: skip
    known(value, words[name], f"value of {name}")
    return value


def known(word: str, words: tuple[str, ...] | list[str], what: str) -> None:
    """Raise UserError unless `word` is one of `words`."""
    if word in words:
        return
    near = difflib.get_close_matches(word, words, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(words)}."
    raise UserError(f"Unknown {what} {word!r}: {hint}")
