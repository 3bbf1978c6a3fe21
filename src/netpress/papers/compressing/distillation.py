"""Table I: a small CNN taught by a large one, at many temperatures and weights of the soft targets.

Per data set and seed a teacher, the student alone and the student as the paper distils it; on as many seeds as the
edition sweeps also every temperature and every weight, with and without the factor T^2.
"""

from collections.abc import Iterator

from netpress.editions import FRESH, Settings, confirms, of
from netpress.papers.paper import Kind
from netpress.runs.measures import Agreement
from netpress.runs.run import Run
from netpress.training.stage import Stage

# PAPER ---------------------------------------------------------------------------------------------------------------

TEACHER, STUDENT = "cnn-256-512", "cnn-16-32"
TEMPERATURES = (1, 2, 4, 8, 10, 16, 32)
ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # weight of the soft targets; 0 is the student alone

# The paper gives neither. These are those of the Keras example that its networks come from: T = 10, and 0.1 for the
# labels, which in the paper's formula is alpha = 0.9.
TEMPERATURE, ALPHA = 10, 0.9
TEACHES: Kind = {"part": "distillation", "role": "teacher"}
ALONE: Kind = {"part": "distillation", "role": "alone"}
# squared: the soft part is multiplied by T^2 (Hinton et al. 2015)
AS_PRINTED: Kind
AS_HINTON: Kind
AS_PRINTED, AS_HINTON = (
    {"role": "distilled", "temperature": TEMPERATURE, "alpha": ALPHA, "squared": squared} for squared in (False, True)
)
# row in Table I, or row that the table lacks: its networks
ROWS: dict[str, Kind] = {
    "Teacher (256, 512)": TEACHES,
    "Student (16, 32)": AS_PRINTED,
    "the student, soft part times T²": AS_HINTON,
    "the student alone": ALONE,
}


# GRID ----------------------------------------------------------------------------------------------------------------


def runs(chosen: Settings, seeds: tuple[int, ...]) -> Iterator[Run]:
    """All runs of this part, needs first. With fresh seeds, what claims are about."""
    for dataset in chosen.distilled_on:
        count = of(chosen.swept_seeds, dataset)
        for seed in seeds:
            early = seed < count + (0 if chosen.seeds else FRESH)
            swept: tuple[str, ...] = ("temperature", "alpha") if early else ()
            if confirms(chosen, seed):
                swept = ("temperature",) if count else ()
            teacher = run_of(chosen, (dataset, seed), TEACHER, "teacher", None)
            yield teacher
            for method in methods(swept):
                yield run_of(chosen, (dataset, seed), STUDENT, method, teacher)


def methods(swept: tuple[str, ...]) -> dict[str, dict]:
    """What each method of the student sets in its stage."""
    points = {(TEMPERATURE, ALPHA): None}
    if "temperature" in swept:
        points |= {(t, ALPHA): None for t in TEMPERATURES}
    if "alpha" in swept:
        points |= {(TEMPERATURE, a): None for a in ALPHAS}
    distilled = {
        f"distilled-t{t}-a{a}{'-squared' if scaled else ''}": {"temperature": float(t), "alpha": a, "scaled": scaled}
        for t, a in points
        for scaled in ((False, True) if t > 1 else (False,))  # 1^2 is 1
    }
    taught = {"loss": "distillation", "teacher": "teacher"}
    return {"alone": {}} | {method: taught | told for method, told in distilled.items()}


def run_of(chosen: Settings, place: tuple[str, int], model: str, method: str, teacher: Run | None) -> Run:
    """The teacher, or a student; the student alone has a teacher too, to be compared with."""
    dataset, seed = place
    told = methods(("temperature", "alpha")).get(method, {})
    return Run(
        paper="compressing", dataset=dataset, model=model, method=method, seed=seed, px=of(chosen.px, dataset),
        width=chosen.distilled_width, images=chosen.images, steps=(stage(chosen, dataset, told),),
        needs=(("teacher", teacher),) if teacher else (), judged_on=chosen.judged_on,
        measures=(Agreement(),) if teacher else (), factors=factors(method, told),
    )  # fmt: skip


# STAGES --------------------------------------------------------------------------------------------------------------


def stage(chosen: Settings, dataset: str, told: dict) -> Stage:
    """The one stage of every run: Adam at a constant rate, as in the Keras example, without augmentation."""
    return Stage(
        "train", epochs=of(chosen.distilled_epochs, dataset), batch_size=chosen.distilled_batch, optimiser="adam",
        lr=chosen.distilled_rate, schedule="constant", weight_decay=0.0, **told,
    )  # fmt: skip


# RECORDS -------------------------------------------------------------------------------------------------------------

COLUMNS = ("part", "temperature", "alpha", "squared", "form")


def factors(method: str, told: dict) -> tuple[tuple[str, object], ...]:
    """Part and role of a run; temperature, alpha, squared and form of the distilled students (form: of the loss,
    printed or squared; either where T = 1); alpha 0 for the student alone."""
    part = ("part", "distillation")
    if "alpha" not in told:
        return (part, ("role", method), *((("alpha", 0.0),) if method == "alone" else ()))
    form = "either" if told["temperature"] == 1 else "squared" if told["scaled"] else "printed"
    values = {"temperature": told["temperature"], "alpha": told["alpha"], "squared": told["scaled"], "form": form}
    return (part, ("role", "distilled"), *values.items())
