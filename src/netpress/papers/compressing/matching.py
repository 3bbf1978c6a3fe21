"""Table II: function matching (Beyer et al. 2022). A student is to be the same function as its teacher, on images cut
and mixed at random that both see alike, without any label.

Per seed a teacher; students matched over schedules of several lengths; the same with a teacher whose answers are fixed,
each network with a view of its own; on the longest schedule also without mixing, and without a teacher.
"""

from collections.abc import Iterator

from netpress.compress.edits import Pretrained
from netpress.data.registry import DATASETS
from netpress.editions import Settings, confirms
from netpress.papers.paper import Kind
from netpress.runs.measures import Agreement
from netpress.runs.run import Edit, Run
from netpress.training.stage import Stage

# PAPER ---------------------------------------------------------------------------------------------------------------

LENGTHS = (1, 3, 10)  # times the epochs of the shortest schedule
LONGEST = LENGTHS[-1]

# factor way: (what the student sees, what the teacher sees; None: the very same pixels)
MATCHED = {
    "matched": ("inception-mixup", None),
    "consistent": ("inception", None),
    "fixed": ("inception", "plain"),
}
WAYS = (*MATCHED, "alone")
TEACHES: Kind = {"part": "matching", "role": "teacher"}
# row in Table II, or row that the table lacks: its networks
ROWS: dict[str, Kind] = {
    "BiT ResNet-101x3 (teacher)": TEACHES,
    "BiT ResNet-50x1 (student), 1000 epochs": {"way": "matched", "length": LONGEST},
    "the student, nothing mixed": {"way": "consistent", "length": LONGEST},
    "the student, fixed teacher": {"way": "fixed", "length": LONGEST},
    "the student alone": {"way": "alone", "length": LONGEST},
}
ALWAYS = ("matched", "fixed")  # at every length; the others at the longest; with fresh seeds all
JUDGED = ("matched", "alone")  # what claims are about: with fresh seeds these alone


# GRID ----------------------------------------------------------------------------------------------------------------


def runs(chosen: Settings, seeds: tuple[int, ...]) -> Iterator[Run]:
    """All runs of this part, needs first: per data set and seed the large BiT network, trained here or tuned from
    published weights, and the small one taught in each way. The one trained alone has a teacher too, to be compared
    with."""
    (large, width), (small, narrow) = chosen.matched_teacher, chosen.matched_student
    begin: tuple[Edit, ...] = (Pretrained(large),) if chosen.weights == "pretrained" else ()
    scale = {"px": chosen.matched_px, "images": chosen.images, "judged_on": chosen.judged_on}
    for dataset in chosen.matched_on:
        learn = stage(chosen.teacher_epochs, chosen.teacher_rate, chosen.batch, {"view": DATASETS[dataset].view})
        for seed in seeds:
            place = {"paper": "compressing", "dataset": dataset, "seed": seed, **scale}
            factors: tuple[tuple[str, object], ...] = (("part", "matching"), ("role", "teacher"))
            teacher = Run(model=large, method="teacher", width=width, steps=(*begin, learn), factors=factors, **place)
            yield teacher
            deciding = confirms(chosen, seed)
            for way in JUDGED if deciding else WAYS:
                for length in LENGTHS if way in ALWAYS or deciding else (LONGEST,):
                    epochs = chosen.matched_epochs * length
                    yield Run(
                        model=small, method=f"{way}-{length}x", width=narrow, needs=(("teacher", teacher),),
                        steps=(stage(epochs, chosen.matched_rate, chosen.batch, told(way, dataset)),),
                        measures=(Agreement(),), **place,
                        factors=(("part", "matching"), ("role", "student"), ("way", way), ("length", length)),
                    )  # fmt: skip


# STAGES --------------------------------------------------------------------------------------------------------------


def stage(epochs: int, rate: float, batch: int, told: dict) -> Stage:
    """The one stage of every run: Adam, its rate on a cosine to zero (Beyer et al. 2022, section 3)."""
    return Stage(
        "train", epochs=epochs, batch_size=batch, optimiser="adam", lr=rate, schedule="cosine", weight_decay=0.0, **told
    )


def told(way: str, dataset: str) -> dict:
    """What a method of teaching sets in the stage."""
    if way not in MATCHED:
        return {"view": DATASETS[dataset].view}
    view, teacher_view = MATCHED[way]
    return {"loss": "function-matching", "teacher": "teacher", "view": view, "teacher_view": teacher_view}


# RECORDS -------------------------------------------------------------------------------------------------------------

COLUMNS = ("part", "way", "length")
