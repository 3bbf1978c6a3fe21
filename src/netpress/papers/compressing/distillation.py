"""Table I: a small CNN taught by a large one, at many temperatures and weights of the soft targets.

Per data set and seed a teacher, the student alone and the student as the paper distils it; on as many seeds as the
edition sweeps also every temperature and every weight, with and without the factor T^2.
"""

from typing import TYPE_CHECKING

from netpress.editions import Settings, of
from netpress.runs.measures import Agreement
from netpress.runs.run import Run
from netpress.training.stage import Stage

if TYPE_CHECKING:
    import pandas as pd

# PAPER ---------------------------------------------------------------------------------------------------------------

TEACHER, STUDENT = "cnn-256-512", "cnn-16-32"
TEMPERATURES = (1, 2, 4, 8, 10, 16, 32)
ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # weight of the soft targets; 0 is the student alone

# The paper gives neither. These are those of the Keras example that its networks come from: T = 10, and 0.1 for the
# labels, which in the paper's formula is alpha = 0.9.
TEMPERATURE, ALPHA = 10, 0.9
SQUARED = "-squared"  # ending of the methods in which the soft part is multiplied by T^2 (Hinton et al. 2015)


def named(temperature: int, alpha: float, scaled: bool) -> str:
    """The method's name: distilled-t10-a0.9, distilled-t10-a0.9-squared."""
    return f"distilled-t{temperature}-a{alpha}{SQUARED if scaled else ''}"


AS_PRINTED, AS_HINTON = (named(TEMPERATURE, ALPHA, scaled) for scaled in (False, True))
# method: its row in Table I, or the row that the table lacks
ROWS = {
    "teacher": "Teacher (256, 512)",
    AS_PRINTED: "Student (16, 32)",
    AS_HINTON: "the student, soft part times T²",
    "alone": "the student alone",
}


# GRID ----------------------------------------------------------------------------------------------------------------


def runs(chosen: Settings, seeds: tuple[int, ...]) -> tuple[Run, ...]:
    """All runs of this part, needs first."""
    return tuple(
        run
        for dataset in chosen.distilled_on
        for seed in seeds
        for teacher in [run_of(chosen, (dataset, seed), TEACHER, "teacher", None)]
        for run in (
            teacher,
            *(
                run_of(chosen, (dataset, seed), STUDENT, method, teacher)
                for method in methods(swept=seed < of(chosen.swept_seeds, dataset))
            ),
        )
    )


def methods(swept: bool) -> dict[str, dict]:
    """What each method of the student sets in its stage."""
    points = {(TEMPERATURE, ALPHA): None}
    if swept:
        points |= {(t, ALPHA): None for t in TEMPERATURES} | {(TEMPERATURE, a): None for a in ALPHAS}
    distilled = {
        named(t, a, scaled): {"temperature": float(t), "alpha": a, "scaled": scaled}
        for t, a in points
        for scaled in ((False, True) if t > 1 else (False,))  # 1^2 is 1
    }
    taught = {"loss": "distillation", "teacher": "teacher"}
    return {"alone": {}} | {method: taught | told for method, told in distilled.items()}


def run_of(chosen: Settings, place: tuple[str, int], model: str, method: str, teacher: Run | None) -> Run:
    """The teacher, or a student; the student alone has a teacher too, to be compared with."""
    dataset, seed = place
    told = methods(swept=True).get(method, {})
    return Run(
        paper="compressing", dataset=dataset, model=model, method=method, seed=seed, px=of(chosen.px, dataset),
        width=chosen.distilled_width, images=chosen.images, steps=(stage(chosen, dataset, told),),
        needs=(("teacher", teacher),) if teacher else (), judged_on=chosen.judged_on,
        measures=(Agreement(),) if teacher else (),
    )  # fmt: skip


# STAGES --------------------------------------------------------------------------------------------------------------


def stage(chosen: Settings, dataset: str, told: dict) -> Stage:
    """The one stage of every run: Adam at a constant rate, as in the Keras example, without augmentation."""
    return Stage(
        "train", epochs=of(chosen.distilled_epochs, dataset), batch_size=chosen.distilled_batch, optimiser="adam",
        lr=chosen.distilled_rate, schedule="constant", weight_decay=0.0, **told,
    )  # fmt: skip


# RECORDS -------------------------------------------------------------------------------------------------------------


def columns(runs: "pd.DataFrame") -> "dict[str, pd.Series]":
    """temperature, alpha and squared of the distilled students; alpha 0 for the student alone."""
    found = runs["method"].str.extract(r"^distilled-t(\d+)-a([\d.]+)(-squared)?$")
    alone = (runs["method"] == "alone") & (runs["model"] == STUDENT)
    return {
        "temperature": found[0].astype("float64"),
        "alpha": found[1].astype("float64").mask(alone, 0.0),
        "squared": found[2].notna(),
    }
