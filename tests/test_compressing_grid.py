"""The grid of the third paper and its stages, against the papers' own numbers and counts by hand."""

from fnmatch import fnmatchcase

import pytest

from netpress import papers
from netpress.papers.compressing import distillation, pruning

SWEPT = 1 + 1 + (2 * 7 - 1) + 2 * 9  # teacher, alone, T (1 squared is 1), alpha (0.9 is among those of T)
BRIEF = 1 + 1 + 2
MATCHED = 1 + 3 + 3 + 1 + 1
# later seeds do what claims are about: Table I, temperatures, parents and 5x (large: 10x, 20x, narrow), schedules
LATER = 1 + 1 + 2 * 7 - 1, 4 + 4 + 2 + 3, 1 + 3 + 3
CONFIRMED = 2 * BRIEF + 6 * LATER[0] + 6 * LATER[1] + 4 * LATER[2]
# fresh ones also 10x and 20x of the small network
FRESH = 6 * LATER[0] + 6 * (LATER[1] + 2) + 4 * LATER[2]


def two_networks(ratios: int, bits: int) -> int:
    """Both networks: parent, control, pruned (two scopes, retrained or not, and gradual), with shared weights (two
    kinds, tuned or not). Narrow VGG16s of all sizes but that of 2x, taught or not."""
    return 2 * (1 + 1 + 5 * ratios + 2 * 2 * bits) + 2 * (ratios - 1)


@pytest.mark.parametrize(
    ("edition", "networks"),
    [
        ("demo", SWEPT + two_networks(3, 3) + MATCHED),
        ("small", 3 * BRIEF + 3 * SWEPT + 3 * (two_networks(4, 6) + MATCHED) + CONFIRMED + FRESH),
        ("large", 6 * BRIEF + 3 * SWEPT + 3 * BRIEF + 6 * (two_networks(4, 6) + MATCHED)),
        ("paper", 5 * 2 * SWEPT + 2 * BRIEF + 6 * (two_networks(4, 6) + MATCHED)),
    ],
)
def test_networks(edition: str, networks: int) -> None:
    runs = papers.grid("compressing", edition)
    assert len({run.name for run in runs}) == len({run.fingerprint for run in runs}) == len(runs) == networks


@pytest.mark.parametrize("edition", ["demo", "small", "paper"])
def test_every_need_comes_before_and_has_the_same_seed_and_data(edition: str) -> None:
    seen = set()
    for run in papers.grid("compressing", edition):
        assert all(need in seen and (need.seed, need.dataset) == (run.seed, run.dataset) for _, need in run.needs)
        seen.add(run)


@pytest.mark.parametrize("edition", ["small", "large", "paper"])
def test_table_1_is_as_printed_in_every_edition_with_real_data(edition: str) -> None:
    for run in papers.grid("compressing", edition):
        if run.model in (distillation.TEACHER, distillation.STUDENT):
            (stage,) = run.stages
            assert stage.epochs == {"mnist": 25, "cifar10": 10}[run.dataset]
            assert (run.images, run.width, run.px) == (None, 1.0, {"mnist": 28, "cifar10": 32}[run.dataset])
            assert (stage.optimiser, stage.lr, stage.schedule, stage.batch_size) == ("adam", 3e-4, "constant", 64)


def test_table_2_is_as_printed_in_the_edition_paper() -> None:
    runs = {run.label: run for run in papers.grid("compressing", "paper", ("flowers102",), (0,))}
    student = runs["bit-r50x1-matched-10x-s0"]
    assert student.stages[0].epochs == 1000 and student.px == 224
    assert student.needs[0][1].model == "bit-r101x3"
    assert type(student.needs[0][1].steps[0]).__name__ == "Pretrained"


def test_sweeps_hold_every_temperature_and_weight_in_both_forms() -> None:
    stages = [r.stages[0] for r in papers.grid("compressing", "small", ("cifar10",), (0,)) if "distilled-t" in r.method]
    for scaled in (False, True):
        found = {(s.temperature, s.alpha) for s in stages if s.scaled == scaled}
        hot = {(float(t), 0.9) for t in (1, 2, 4, 8, 10, 16, 32) if t > 1 or not scaled}
        assert found == hot | {(10.0, round(0.1 * a, 1)) for a in range(1, 11)}


def test_pruned_networks_train_equally_long() -> None:
    chosen = settings()
    for run in papers.grid("compressing", "small", ("cifar10",), (0,)):
        if fnmatchcase(run.method, "pruned-*-retrained"):
            assert run.epochs == chosen.retrain_epochs
        elif run.method.startswith("narrow"):
            assert run.epochs == chosen.parent_epochs + chosen.retrain_epochs
            assert run.stages[0].lr == chosen.parent_rate
    gradual = pruning.pruning(settings(), "cifar10")[pruning.pruned(20, "gradual", "retrained")]
    assert len({s.name for s in gradual[2::2]}) == 3


def test_soft_targets_times_their_temperature_squared_pull_as_hard_as_labels() -> None:
    """Why taught and untaught narrow networks share one rate. A new student, a teacher sure of the right answers."""
    import torch

    from netpress.training import losses

    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 10
    teacher = torch.randn(200, 10, generator=draw) + 8.0 * torch.eye(10)[labels]
    new = torch.randn(200, 10, generator=draw) / 4
    sizes = []
    for alpha in (0.0, pruning.ALPHA):
        logits = new.clone().requires_grad_()
        losses.distillation(logits, teacher, labels, pruning.TEMPERATURE, alpha, scaled=True).backward()
        sizes.append(float(logits.grad.norm()))
    assert 1 / 2 < sizes[1] / sizes[0] < 2


def settings():
    from netpress import editions

    return editions.settings("small", "compressing")


def test_the_last_gradual_step_prunes_to_the_ratio() -> None:
    methods = pruning.pruning(settings(), "cifar10")
    for ratio in (2, 5, 10, 20):
        cuts = [step.ratio for step in methods[pruning.pruned(ratio, "gradual", "retrained")] if hasattr(step, "ratio")]
        assert len(cuts) == 3 and cuts == sorted(cuts) and cuts[-1] == ratio


def test_only_the_fixed_teacher_has_a_view_of_its_own() -> None:
    for run in papers.grid("compressing", "small", ("flowers102",), (0,)):
        (stage,) = run.stages
        if run.method.startswith(("matched", "consistent")):
            assert stage.teacher_view is None and stage.loss == "function-matching"
        elif run.method.startswith("fixed"):
            assert (stage.view, stage.teacher_view) == ("inception", "plain")
        else:
            assert stage.loss == "cross-entropy" and stage.teacher is None
