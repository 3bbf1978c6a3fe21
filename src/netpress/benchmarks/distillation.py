"""A step of distillation: three losses over the five forward students of the pyramid, taught by VGG19, against the
shape in which RepDistiller and mdistiller write it (baselines/peers.py)."""

from typing import Any

from netpress.benchmarks import results
from netpress.benchmarks.arms import Arms, arms, source
from netpress.nets import levels
from netpress.nets.network import Network
from netpress.papers.pyramid import upto
from netpress.training.stage import Stage

LEAST = {"cpu": 3.0, "cuda": 10.0}
IMAGES = {"cpu": 256, "cuda": 10_000, "mps": 1_000}
EPOCHS = 4
ROUNDS = 3
WIDTH = 1 / 4
STUDENTS = tuple(f"{level}-forward" for level in levels.LEVELS)
LOSSES = {"distillation": "soft targets", "set-l2": "L2", "all-grams": "Gram"}


def measure() -> dict[str, Any]:
    """The record: the cost per step of each student and loss in both arms, the teacher's cache filled within ours."""
    from netpress.training.compute import choose

    kind = choose().device.split(":")[0]
    with arms("peers.py", IMAGES[kind], WIDTH) as both:
        teacher = both.network(levels.TOP).requires_grad_(False).eval()
        rounds = [every(both, teacher) for _ in range(ROUNDS)]
        bars = [total(rounds, "all losses and students", tuple(LOSSES), LEAST.get(kind))]
        bars += [total(rounds, title, (loss,), None) for loss, title in LOSSES.items()]
        steps = EPOCHS * (len(both.train_test.train.y) // 64)
        table = [
            {"student": student, "loss": loss} | {arm: round(costs[arm] / steps, 5) for arm in costs}
            for (student, loss), costs in rounds[-1].items()
        ]
        settings = {"dataset": source(), "images": IMAGES[kind], "width": WIDTH, "batch": 64, "epochs": EPOCHS}
        return results.content("distillation", both.config, bars, settings, steps=table)


def every(both: Arms, teacher: Network) -> dict[tuple[str, str], dict[str, float]]:
    """Every student with every loss, in turns."""
    return {(student, loss): one(both, student, loss, teacher) for student in STUDENTS for loss in LOSSES}


def stage_of(student: str, loss: str) -> Stage:
    """L2 compares the outputs of the set that the level compresses; Gram those of all sets; soft targets the logits."""
    at = levels.module_of(levels.compressed(student)[-1]) if loss == "set-l2" else None
    trains = {"distillation": (), "set-l2": upto(at or "head"), "all-grams": upto("C4")}[loss]
    return Stage(
        "imitate", loss=loss, at=at, trains=trains, teacher="teacher", epochs=EPOCHS, optimiser="adam", lr=1e-3,
        weight_decay=0.0, temperature=4.0, alpha=0.9,
    )  # fmt: skip


def one(both: Arms, student: str, loss: str, teacher: Network) -> dict[str, float]:
    """One student with one loss in both arms."""
    stage = stage_of(student, loss)
    ours = both.ours(stage, both.network(student, teacher), teacher)
    answer = both.theirs("distil", student, stage, both.network(student, teacher), teacher=levels.TOP, taught=teacher)
    return {"ours": ours, "plain": answer["cost"]}


def total(rounds: list[dict], what: str, losses: tuple[str, ...], least: float | None) -> dict[str, Any]:
    """plain / ours over some losses and all students."""
    chosen = [[costs for (_, loss), costs in r.items() if loss in losses] for r in rounds]
    ratios = [sum(c["plain"] for c in costs) / sum(c["ours"] for c in costs) for costs in chosen]
    return results.bar("distillation", f"{what}, peer-shaped / ours", ratios, least=least)
