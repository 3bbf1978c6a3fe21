"""The Pyramid's grid and its training rules."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from pyramids import BACKWARD, DEMO, FORWARD, REPLACED, SLICES, run_named, trained

from netpress import editions, papers
from netpress.nets import levels
from netpress.papers import pyramid
from netpress.papers.pyramid import NAMES, tables
from netpress.runs.run import Run
from netpress.training.stage import Stage


def kind(run: Run) -> str:
    """What part of the grid a run belongs to."""
    if run.method in ("native", "enlarged", "soft-targets"):
        return run.method
    if run.method.startswith("control"):
        return "control"
    return "variant" if run.method.endswith("thawed") else "grid"


@pytest.mark.parametrize(
    ("edition", "expected"),
    [
        ("demo", {("digits", "grid"): 47, ("digits", "variant"): 8, ("digits", "native"): 5, ("digits", "control"): 1}),
        (
            "small",
            {
                # three fresh seeds of CIFAR-100 have VGG19 and the networks from random weights
                ("cifar10", "grid"): 13 * 47, ("cifar100", "grid"): 9 * 47 + 3, ("cifar10", "variant"): 13 * 8,
                ("cifar100", "variant"): 9 * 8, ("cifar100", "native"): 12 * 5, ("cifar100", "enlarged"): 2 * 6,
                ("cifar10", "control"): 4 * 2,  # fresh seeds, in two views
                ("cifar10", "soft-targets"): 4 * 10,
            },
        ),
        (
            "paper",  # there VGG19 of the grid is pretrained and sees 96 px: at 32 px it is a run of its own
            {
                ("stl10", "grid"): 6 * 47, ("cifar100", "grid"): 6 * 47, ("stl10", "variant"): 6 * 8,
                ("cifar100", "variant"): 6 * 8, ("cifar100", "native"): 6 * 6, ("cifar100", "enlarged"): 2 * 6,
                ("stl10", "control"): 6 * 2, ("cifar100", "control"): 6 * 2,
            },
        ),
    ],
)  # fmt: skip
def test_the_grid_is_whole(edition: str, expected: dict[tuple[str, str], int]) -> None:
    runs = papers.grid("pyramid", edition)
    assert Counter((run.dataset, kind(run)) for run in runs) == expected
    assert len({run.name for run in runs}) == len({run.fingerprint for run in runs}) == len(runs)


def test_two_directions_five_levels_five_methods_less_four_cells() -> None:
    cells = {(run.model, run.method) for run in DEMO if kind(run) == "grid"}
    every = {(model, method) for model in (*FORWARD, *BACKWARD) for method in NAMES}
    left_out = {
        ("svgg17-forward", "gram"), ("svgg17-forward", "gram-direct"),
        ("svgg5-backward", "gram"), ("svgg5-backward", "gram-direct"),
    }  # fmt: skip
    assert cells == (every - left_out) | {("vgg19", "parent")}


@pytest.mark.parametrize("number", tables.TABLES)
def test_the_cells_left_out_are_the_papers(number: int) -> None:
    direction, _ = tables.TABLES[number]
    paper = tables.as_printed(number)
    for level in levels.LEVELS:
        for approach, column in (NAMES | {"scratch": tables.FINE}).items():
            missing = not isinstance(paper.at[level.upper(), column], float)
            assert ((level, direction, approach) in pyramid.UNDEFINED) == missing


def test_each_level_is_taught_by_the_level_above_in_the_same_method() -> None:
    for models in (FORWARD, BACKWARD):
        for method in ("two-stages", "gram"):
            for above, model in zip(("vgg19", *models), models, strict=False):
                if (*levels.place(model), method) in pyramid.UNDEFINED:
                    continue
                ((role, teacher),) = run_named(f"{model}-{method}-s0").needs
                instead = above == "svgg17-forward" and method == "gram"
                own = "parent" if above == "vgg19" else "two-stages" if instead else method
                assert (role, teacher.label) == ("teacher", f"{above}-{own}-s0")


def test_the_other_methods_go_straight_from_vgg19() -> None:
    straight = [run for run in DEMO if run.method in ("scratch", "fitnet", "gram-direct")]
    assert len(straight) == 10 + 10 + 8
    assert {need.label for run in straight for _, need in run.needs} == {"vgg19-parent-s0"}


def test_the_variant_goes_on_from_itself() -> None:
    for method in ("two-stages", "gram"):
        chain = [run_named(f"{model}-{method}-thawed-s0") for model in FORWARD[1:]]
        taught_by = [run.needs[0][1].label for run in chain]
        assert taught_by == ["svgg17-forward-two-stages-s0", *(run.label for run in chain[:-1])]


def test_needs_come_first_and_share_place_and_seed() -> None:
    for edition in ("demo", "small", "paper"):
        seen: set[Run] = set()
        for run in papers.grid("pyramid", edition):
            for _, need in run.needs:
                assert need in seen
                assert (need.dataset, need.seed, need.px, need.width) == (run.dataset, run.seed, run.px, run.width)
            seen.add(run)


def test_the_paper_edition_is_the_papers() -> None:
    runs = papers.grid("pyramid", "paper", seeds=(0,))
    assert {(run.dataset, run.px) for run in runs if kind(run) == "grid"} == {("stl10", 96), ("cifar100", 96)}
    assert {run.px for run in runs if kind(run) == "native"} == {32}
    (top, *_) = runs
    assert [type(step).__name__ for step in top.steps] == ["Pretrained", "Stage"]


def test_networks_from_random_weights_are_trained_as_vgg19_is() -> None:
    top = run_named("vgg19-parent-s0")
    native = [run for run in DEMO if kind(run) == "native"]
    assert [run.model for run in native] == list(FORWARD)  # VGG19's own run is this very one already
    assert all(run.steps == top.steps and run.px == 32 and not run.needs for run in native)


def test_a_grid_needs_no_torch_beyond_what_edits_import() -> None:
    code = "import sys, netpress.papers.pyramid; print(any(m in sys.modules for m in ('pandas', 'matplotlib')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# what trains in stage 1 of the pyramid methods: everything up to the newly compressed set (Theta <= C)
STAGE_1 = {
    "svgg17-forward": SLICES, "svgg14-forward": SLICES[:4], "svgg11-forward": SLICES[:3],
    "svgg8-forward": SLICES[:2], "svgg5-forward": SLICES[:1],
    "svgg17-backward": SLICES[:1], "svgg14-backward": SLICES[:2], "svgg11-backward": SLICES[:3],
    "svgg8-backward": SLICES[:4], "svgg5-backward": SLICES,
}  # fmt: skip


@pytest.mark.parametrize("model", [*FORWARD, *BACKWARD])
@pytest.mark.parametrize("method", ["two-stages", "gram"])
def test_pyramid_stages(model: str, method: str) -> None:
    if (*levels.place(model), method) in pyramid.UNDEFINED:
        return
    inherit, imitate, retrain = run_named(f"{model}-{method}-s0").steps
    assert type(inherit).__name__ == "Inherit" and inherit.role == "teacher"  # type: ignore[union-attr]
    assert isinstance(imitate, Stage) and isinstance(retrain, Stage)
    assert (imitate.loss, imitate.at, imitate.teacher) == (
        {"two-stages": "set-l2", "gram": "gram"}[method], REPLACED[model], "teacher"
    )  # fmt: skip
    assert trained(imitate) == STAGE_1[model]
    assert (retrain.loss, retrain.teacher) == ("cross-entropy", None)
    # forward: all that lies behind the replacement was compressed before, and is frozen; backward: nothing is
    assert trained(retrain) == (STAGE_1[model] if model in FORWARD else SLICES)


def test_the_variant_differs_in_stage_2_alone() -> None:
    for run in DEMO:
        if kind(run) == "variant":
            base = run_named(run.label.replace("-thawed", ""))
            assert run.steps[:2] == base.steps[:2]
            assert trained(run.stages[1]) == SLICES != trained(base.stages[1])


@pytest.mark.parametrize("model", [*FORWARD, *BACKWARD])
def test_baselines(model: str) -> None:
    scratch = run_named(f"{model}-scratch-s0")
    assert [stage.loss for stage in scratch.stages] == ["cross-entropy"] and trained(scratch.stages[0]) == SLICES
    hint, soft = run_named(f"{model}-fitnet-s0").stages
    assert (hint.loss, hint.at, trained(hint)) == ("hint", "C2", ("C1", "C2"))
    assert (soft.loss, soft.temperature, trained(soft)) == ("labels-and-soft-targets", 3.0, SLICES)
    assert soft.alpha == (4 + 1) / 2  # the mean of Romero's weights
    if (*levels.place(model), "gram-direct") not in pyramid.UNDEFINED:
        grams, labels = run_named(f"{model}-gram-direct-s0").stages
        assert (grams.loss, trained(grams)) == ("all-grams", SLICES[:4])
        assert (labels.loss, trained(labels)) == ("cross-entropy", SLICES)


@pytest.mark.parametrize("edition", editions.EDITIONS)
def test_settings_are_the_same_for_every_method(edition: str) -> None:
    """Whatever is no part of a method: epochs, batch, optimiser, rate, schedule, weight decay, what is seen."""
    stages = [stage for run in papers.grid("pyramid", edition, seeds=(0,)) if run.needs for stage in run.stages]
    for name in ("imitate", "retrain"):
        alike = {"loss", "at", "trains", "teacher", "temperature", "alpha"}
        rest = {replace(s, **{field: getattr(Stage("x"), field) for field in alike}) for s in stages if s.name == name}
        assert len(rest) == 1
    assert {stage.view for stage in stages} == {"plain"}  # so that teachers' outputs can be cached
