"""The Pyramid: its grid, its training rules, its losses, tables and claims."""

import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from scipy.stats import ttest_1samp
from torch import Tensor, nn

from netpress import data, editions, nets, papers
from netpress.data.views import normalise_of
from netpress.nets import levels
from netpress.papers import printed, pyramid
from netpress.papers.pyramid import NAMES, claims, figures, speed, tables
from netpress.report.claims import judge_all
from netpress.report.estimates import Estimate
from netpress.report.tables import NOTHING
from netpress.runs.run import Run
from netpress.seeds import seed_of
from netpress.training.cache import Cache
from netpress.training.compute import ComputeConfig, plain
from netpress.training.feed import Feed, TrainTestData
from netpress.training.loop import train
from netpress.training.objectives import OBJECTIVES
from netpress.training.stage import Stage

DEMO = papers.grid("pyramid", "demo")
SLICES = ("C1", "C2", "C3", "C4", "head")
FORWARD = ("svgg17-forward", "svgg14-forward", "svgg11-forward", "svgg8-forward", "svgg5-forward")
BACKWARD = ("svgg17-backward", "svgg14-backward", "svgg11-backward", "svgg8-backward", "svgg5-backward")
ABOVE = {model: above for way in (FORWARD, BACKWARD) for above, model in pairwise(("vgg19", *way))}


def run_named(label: str) -> Run:
    (found,) = (run for run in DEMO if run.label == label)
    return found


def kind(run: Run) -> str:
    """What part of the grid a run belongs to."""
    if run.method == "native":
        return "native"
    return "variant" if run.method.endswith("thawed") else "grid"


# --- the grid -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edition", "expected"),
    [
        ("demo", {("digits", "grid"): 47, ("digits", "variant"): 8, ("digits", "native"): 5}),
        (
            "small",
            {
                ("cifar10", "grid"): 141, ("cifar100", "grid"): 141,
                ("cifar100", "variant"): 24, ("cifar100", "native"): 15,
            },
        ),
        (
            "paper",  # there VGG19 of the grid is pretrained and sees 96 px: at 32 px it is a run of its own
            {
                ("stl10", "grid"): 235, ("cifar100", "grid"): 235,
                ("cifar100", "variant"): 40, ("cifar100", "native"): 30,
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
    paper = printed.table(f"pyramid_table_{number}")
    for level in levels.LEVELS:
        for approach, column in NAMES.items():
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


# --- the training rules -------------------------------------------------------------------------------------------

# what trains in stage 1 of the pyramid methods: everything up to the newly compressed set (Theta <= C)
STAGE_1 = {
    "svgg17-forward": SLICES, "svgg14-forward": SLICES[:4], "svgg11-forward": SLICES[:3],
    "svgg8-forward": SLICES[:2], "svgg5-forward": SLICES[:1],
    "svgg17-backward": SLICES[:1], "svgg14-backward": SLICES[:2], "svgg11-backward": SLICES[:3],
    "svgg8-backward": SLICES[:4], "svgg5-backward": SLICES,
}  # fmt: skip
REPLACED = dict(zip(FORWARD, SLICES[::-1], strict=True)) | dict(zip(BACKWARD, SLICES, strict=True))


def trained(stage: Stage) -> tuple[str, ...]:
    return stage.trains or SLICES


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


# --- what a stage touches, bit for bit ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def train_test() -> TrainTestData:
    images, test = (data.load("digits", split, images=32, px=32) for split in ("train", "fit"))
    return TrainTestData(images, test, normalise_of(images))


def small(model: str, seed: int) -> nn.Module:
    """A narrow network whose BatchNorm has seen something."""
    torch.manual_seed(seed)
    network = nets.build(model, 32, 10, 1 / 16)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    return network


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def touched(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """The slices of which any tensor, BatchNorm's statistics included, has other bits."""
    names = [name for name in before if not torch.equal(before[name], after[name])]
    return {name.split(".")[1] if name.startswith("blocks.") else "head" for name in names}


def walk(run: Run, train_test: TrainTestData, config: ComputeConfig) -> list[set[str]]:
    """Take the steps of a run with a teacher of random weights; for each step the slices that it touched."""
    (role, above), *_ = run.needs
    teacher = small(above.model, 1).requires_grad_(False).eval()
    network = config.place(small(run.model, 2))
    found = []
    for position, step in enumerate(run.steps):
        before = state(network)
        if isinstance(step, Stage):
            stage = replace(step, epochs=1, batch_size=16)
            feed = Feed(stage, network, teacher, train_test, config, Cache(2**24))  # type: ignore[arg-type]
            train(stage, network, feed, config, seed_of(0, position))  # type: ignore[arg-type]
        else:
            network = step.apply(network, {role: teacher})  # type: ignore[arg-type,assignment]
        found.append(touched(before, state(network)))
    return found


@pytest.mark.parametrize("run", [r for r in DEMO if r.needs], ids=lambda run: run.label)
def test_a_stage_touches_what_it_trains_and_nothing_else(run: Run, train_test: TrainTestData) -> None:
    _, *stages = walk(run, train_test, plain())
    assert stages == [set(trained(stage)) for stage in run.stages]


@pytest.mark.parametrize("model", [*FORWARD[1:], *BACKWARD[:-1]])
def test_stage_1_touches_nothing_behind_the_replacement(model: str, train_test: TrainTestData) -> None:
    _, imitate, retrain = walk(run_named(f"{model}-gram-s0"), train_test, plain())
    behind = set(SLICES[SLICES.index(REPLACED[model]) + 1 :])
    assert behind and not imitate & behind
    assert (not retrain & behind) == (model in FORWARD)  # forward's frozen layers stay as they were in stage 2 too


def test_caches_change_nothing(train_test: TrainTestData) -> None:
    run = run_named("svgg11-forward-gram-s0")
    (_, above), *_ = run.needs
    results = []
    for config in (plain(), replace(plain(), caching=True)):
        teacher, network = small(above.model, 1).requires_grad_(False).eval(), small(run.model, 2)
        stage = replace(run.stages[0], epochs=2, batch_size=16)
        feed = Feed(stage, network, teacher, train_test, config, Cache(2**24))  # type: ignore[arg-type]
        assert (feed.targets is not None) == config.caching
        train(stage, network, feed, config, 0)  # type: ignore[arg-type]
        results.append(state(network))
    assert not touched(*results)


# --- the losses at a set, by literal loops ------------------------------------------------------------------------


def layers_of(module: nn.Module, x: Tensor) -> list[Tensor]:
    """What enters a set, and what each of its layers and pools puts out."""
    found = [x]
    for layer in module.children():
        found.append(layer(found[-1]))
    return found


def literal_gram(first: Tensor, last: Tensor) -> Tensor:
    """Section 4.1: the sum over places of the products of two channels, over h w."""
    n, m, h, w = first.shape
    result = torch.zeros(n, m, last.shape[1], dtype=torch.float64)
    for image in range(n):
        for i in range(m):
            for j in range(last.shape[1]):
                total = 0.0
                for s in range(h):
                    for t in range(w):
                        total += float(first[image, i, s, t]) * float(last[image, j, s, t]) / (h * w)
                result[image, i, j] = total
    return result


def literal_distance(a: Tensor, b: Tensor) -> float:
    total = 0.0
    for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True):
        total += (x - y) ** 2
    return total / len(a)


def ends(network: nn.Module, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """The two maps of a set's Gram matrix: first and last layer's outputs; for C1 its input, pooled, and its output."""
    outputs = layers_of(network[name], network.before(name)(x))  # type: ignore[operator,index]
    if name != "C1":
        return outputs[1], outputs[-2]
    return nn.functional.max_pool2d(x, 2), outputs[-2]


def tiny(model: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nets.build(model, 32, 3, 1 / 32).double().requires_grad_(False).eval()


@pytest.mark.parametrize("model", [*FORWARD, *BACKWARD])
def test_losses_at_the_replaced_set(model: str) -> None:
    student, teacher = tiny(model, 1), tiny(ABOVE[model], 2)
    x, y = torch.randn(2, 3, 32, 32, dtype=torch.float64), torch.tensor([0, 1])
    name = REPLACED[model]

    def found(loss: str) -> float:
        terms, objective = Stage("imitate", loss=loss, at=name), OBJECTIVES[loss]
        assert objective.target is not None
        sides = objective.student(student, "C1", terms)(x), objective.target(teacher, terms)(x)  # type: ignore[arg-type]
        return objective.loss(*sides, y, terms).item()

    if name == "head":
        assert found("set-l2") == pytest.approx(literal_distance(student(x), teacher(x)), rel=1e-9)
        return
    (first, last), (teachers_first, teachers_last) = ends(student, name, x), ends(teacher, name, x)
    assert found("set-l2") == pytest.approx(literal_distance(last, teachers_last), rel=1e-9)
    assert found("hint") == pytest.approx(literal_distance(last, teachers_last) / 2, rel=1e-9)
    grams = literal_gram(first, last), literal_gram(teachers_first, teachers_last)
    assert found("gram") == pytest.approx(literal_distance(*grams), rel=1e-9)


def test_gram_direct_is_the_sum_over_all_sets() -> None:
    student, teacher = tiny("svgg8-forward", 1), tiny("vgg19", 2)
    x, y = torch.randn(2, 3, 32, 32, dtype=torch.float64), torch.tensor([0, 1])
    terms, objective = Stage("imitate", loss="all-grams"), OBJECTIVES["all-grams"]
    assert objective.target is not None
    sides = objective.student(student, "C1", terms)(x), objective.target(teacher, terms)(x)  # type: ignore[arg-type]
    expected = sum(
        literal_distance(literal_gram(*ends(student, name, x)), literal_gram(*ends(teacher, name, x)))
        for name in ("C1", "C2", "C3", "C4")
    )
    assert objective.loss(*sides, y, terms).item() == pytest.approx(expected, rel=1e-9)


def test_gram_direct_passes_each_layer_once() -> None:
    student = tiny("svgg8-forward", 1).train()
    OBJECTIVES["all-grams"].student(student, "C1", Stage("imitate"))(torch.randn(2, 3, 32, 32).double())  # type: ignore[arg-type]
    norms = [layer for layer in student.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [int(norm.num_batches_tracked) for norm in norms] == [1] * 7  # type: ignore[arg-type]


# --- tables and figures -------------------------------------------------------------------------------------------


def frame(accuracy: dict[tuple[str, str], float], edition: str = "small", seeds: int = 3) -> pd.DataFrame:
    """Runs of an edition with made-up accuracies: by (model, method), 50 % elsewhere, a little noise over seeds."""
    rows = []
    for run in papers.grid("pyramid", edition, seeds=tuple(range(seeds))):
        best = accuracy.get((run.model, run.method), 0.5) + 0.001 * (seed_of(run.name) % 100) / 100
        rows.append({
            "paper": "pyramid", "dataset": run.dataset, "model": run.model, "method": run.method, "seed": run.seed,
            "edition": edition, "status": "done", "best": best, "last": best - 0.01, "name": run.name,
            **dict(run.factors),
        })  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))


def test_tidy_names_level_and_direction_and_the_margin_over_scratch(nothing_measured: None) -> None:
    runs = pyramid.tidy(frame({("svgg8-backward", "gram"): 0.7, ("svgg8-backward", "scratch"): 0.6}, seeds=1))
    (row,) = runs[runs["name"] == "pyramid/cifar10/svgg8-backward-gram-s0"].to_dict("records")
    assert (row["level"], row["direction"]) == ("svgg8", "backward")
    assert row["over_scratch"] == pytest.approx(0.1, abs=0.002)
    top = runs[runs["model"] == "vgg19"].iloc[0]
    assert (top["level"], top["direction"]) == ("vgg19", "") and pd.isna(top["over_scratch"])
    assert pyramid.tidy(frame({}).iloc[:0]).empty


@pytest.mark.parametrize("number", tables.TABLES)
def test_every_cell_has_its_number_beside_ours(number: int, nothing_measured: None) -> None:
    direction, place = tables.TABLES[number]
    table = getattr(tables, f"table_{number}")(pyramid.tidy(frame({(f"svgg11-{direction}", "fitnet"): 0.8})))
    paper = printed.table(f"pyramid_table_{number}")
    assert list(table.cells.index) == list(paper.index)
    for level in paper.index:
        for column in paper.columns:
            shown, own = table.cells.at[level, (column, "paper")], table.cells.at[level, (column, "ours")]
            if isinstance(paper.at[level, column], float):
                assert float(shown) == paper.at[level, column]
                assert isinstance(own, Estimate) and own.n == 3
                difference = table.cells.at[level, (column, "difference")]
                assert difference == pytest.approx(own.mean - paper.at[level, column])
            else:
                assert not isinstance(own, Estimate)
    assert table.cells.at["SVGG11", ("Fitnet", "ours")].mean == pytest.approx(80, abs=0.1)
    assert ["STL10, ours on CIFAR-10", "CIFAR-100:"][place] in table.caption


def test_points_over_scratch_by_hand(nothing_measured: None) -> None:
    """Ten points at one level of one direction on every data set; five more where everything thaws."""
    runs = pyramid.tidy(frame({("svgg8-forward", "gram"): 0.6, ("svgg8-forward", "gram-thawed"): 0.65}))
    cells = tables.table_over_scratch(runs).cells
    assert len(cells) == 2 * (2 * 4 + 2)  # data sets, directions, methods, and the variant
    for name in ("CIFAR-10", "CIFAR-100"):
        gain = cells.at[f"{name} forward: Gram", "SVGG8"]
        assert gain.n == 3 and gain.mean == pytest.approx(10, abs=0.1)
        assert cells.at[f"{name} backward: Gram", "SVGG8"].mean == pytest.approx(0, abs=0.1)
        assert cells.at[f"{name} forward: Gram Direct", "SVGG17"] == NOTHING
    assert cells.at["CIFAR-100 forward: Gram, thawed", "SVGG8"].mean == pytest.approx(15, abs=0.1)
    assert cells.at["CIFAR-100 forward: Gram, thawed", "SVGG17"] == NOTHING


def test_tables_of_nothing_say_so(nothing_measured: None) -> None:
    runs = pyramid.tidy(frame({}).iloc[:1])  # VGG19 alone
    assert tables.table_1(runs).cells.at["SVGG14", ("Scratch", "ours")].n == 0
    assert "not run" in repr(tables.table_thawed(runs)) and "not run" in repr(tables.table_native(runs))
    assert "not run" in repr(tables.order_agreement(runs))


def as_printed(number: int) -> dict[tuple[str, str], float]:
    """Accuracies of a table in the paper, as fractions, by model and method."""
    direction, _ = tables.TABLES[number]
    paper = printed.table(f"pyramid_table_{number}")
    return {
        (f"{level.lower()}-{direction}", method): paper.at[level, column] / 100
        for level in paper.index[1:]
        for method, column in NAMES.items()
        if isinstance(paper.at[level, column], float)
    }


def test_order_agreement_is_perfect_with_the_papers_own_numbers(nothing_measured: None) -> None:
    runs = frame(as_printed(1) | as_printed(3))
    runs[["best", "last"]] = runs[["best", "last"]].round(3)
    runs["best"] = [(as_printed(1) | as_printed(3)).get((r.model, r.method), 0.5) for r in runs.itertuples()]
    cells = tables.order_agreement(pyramid.tidy(runs)).cells
    assert [cells.at[f"Table {n}", part].mean for n in (1, 3) for part in cells] == [1.0] * 6
    assert cells.at["Table 1", "all cells"].n == cells.at["Table 3", "all cells"].n == 23
    # the other data set of the paper agrees with the first in order, but not wholly
    assert all(0.4 < cells.at[f"Table {n}", "all cells"].mean < 1 for n in (2, 4))


def test_order_of_methods_leaves_the_levels_out(nothing_measured: None) -> None:
    """Methods in the reverse order at every level, levels as in the paper."""
    values = as_printed(2)
    means = {model: pd.Series([v for (m, _), v in values.items() if m == model]).mean() for model in FORWARD}
    runs = frame({})
    runs["best"] = [
        2 * means[r.model] - values[r.model, r.method] if (r.model, r.method) in values else 0.5
        for r in runs.itertuples()
    ]
    cells = tables.order_agreement(pyramid.tidy(runs)).cells
    assert cells.at["Table 2", "methods"].mean == -1.0
    assert cells.at["Table 2", "levels"].mean > 0.3


def test_figures_are_drawn_from_the_levels_data(nothing_measured: None) -> None:
    for figure, models in ((figures.figure_1(), FORWARD), (figures.figure_2(), BACKWARD)):
        parts = figure.to_frame()
        compressed = parts[parts["state"] == "compressed"]
        assert list(compressed["part"]) == [levels.compressed(model)[-1] for model in models]
        assert list(parts["network"].unique())[1] == ("SVGG17 (16+1)" if models is FORWARD else "SVGG17 (13+3)")
        assert ("frozen" in set(parts["state"])) == (models is FORWARD)
    runs = pyramid.tidy(frame({}))
    assert "<svg" in figures.figure_levels(runs).svg
    assert len(tables.table_thawed(runs).cells) == 8 and len(tables.table_native(runs).cells) == 6
    assert list(tables.table_sizes().cells["depth"])[:2] == ["16+3", "16+1"]


# --- Figure 3 -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real measurement of networks too small to wait for."""
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))
    monkeypatch.setattr(speed, "WIDTH", 1 / 32)
    monkeypatch.setattr(speed, "PX", 32)
    return speed.measure_speed("demo", config=plain())


def test_speed_is_measured_and_kept(tiny_speed: Path, tmp_path: Path) -> None:
    assert tiny_speed == tmp_path / "demo" / "pyramid" / "speed.json"
    record = json.loads(tiny_speed.read_bytes())
    assert record["passes"] == 5 and record["made"]["device"] and record["sha256"]
    assert all(len(one["seconds"]) == len(one["single_seconds"]) == 5 for one in record["networks"])
    table = speed.frame("demo")
    assert list(table["model"]) == ["vgg19", *FORWARD, *BACKWARD]
    first = record["networks"][0]
    median = sorted(first["seconds"])[2]
    assert table["seconds_13000"][0] == pytest.approx(median * 13_000 / record["images"])
    assert table["latency"][0] == pytest.approx(sorted(first["single_seconds"])[2] * 1000)
    assert (table["seconds_fastest"] <= table["seconds_13000"]).all()
    assert (table["seconds_13000"] <= table["seconds_slowest"]).all()
    assert "5 passes" in speed.conditions("demo") and "netpress bench" in speed.conditions("small")


def test_a_damaged_measurement_counts_as_none(tiny_speed: Path) -> None:
    tiny_speed.write_bytes(tiny_speed.read_bytes().replace(b'"passes": 5', b'"passes": 6'))
    assert speed.frame("demo").empty


def test_figure_3_shows_what_was_measured(tiny_speed: Path) -> None:
    speeds = speed.frame("demo")
    for size in ("parameters", "multiply_adds"):
        for time in ("seconds_13000", "latency"):
            figure = figures.figure_3(speeds, size, time)
            assert "<svg" in figure.svg and len(figure.to_frame()) == 11
    faster = tables.table_speed(speeds).cells["times faster"]
    assert faster["VGG19"] == 1 and len(faster) == 11
    runs = pyramid.tidy(frame({}, "demo", 1))
    measured = runs.set_index("name")["seconds_13000"]
    expected = speeds.set_index("model")["seconds_13000"]
    assert measured["pyramid/digits/svgg8-backward-gram-s0"] == expected["svgg8-backward"]


# --- claims -------------------------------------------------------------------------------------------------------


def verdicts(runs: pd.DataFrame) -> dict[str, str]:
    return {verdict.claim.id: verdict.verdict for verdict in judge_all(claims.CLAIMS, pyramid.tidy(runs))}


def story(sign: float) -> dict[tuple[str, str], float]:
    """A world in which the paper is right (1) or wrong (-1) in everything that training decides."""
    found: dict[tuple[str, str], float] = {}
    for models, best in ((FORWARD, "gram"), (BACKWARD, "two-stages")):
        for depth, model in enumerate(models):
            for method in NAMES:
                gain = 0.02 * (depth + 1) * (method in ("gram", "two-stages")) + 0.03 * (method == best)
                early = 0.1 if (models is FORWARD) == (depth < 3) else 0.0
                found[model, method] = 0.5 + sign * (gain + early)
    for depth, model in enumerate(FORWARD):
        found[model, "native"] = 0.5 + sign * 0.02 * (depth + 1)
    return found


def test_claims_are_stated_whole() -> None:
    assert [claim.id for claim in claims.CLAIMS] == [f"P{i}" for i in range(1, 10)]
    for claim in claims.CLAIMS:
        assert claim.paper == "pyramid" and claim.where and claim.margin and claim.rests_on and claim.statistic


def test_claims_in_a_world_where_the_paper_is_right(nothing_measured: None) -> None:
    found = verdicts(frame(story(+1), seeds=5))
    assert found == {
        "P1": "supported", "P2": "supported", "P3": "supported", "P4": "supported", "P5": "supported",
        "P6": "contradicted",  # by arithmetic: 29.5 M / 3.9 M is 7.6
        "P7": "not run", "P8": "not run", "P9": "supported",
    }  # fmt: skip


def test_claims_in_a_world_where_the_paper_is_wrong(nothing_measured: None) -> None:
    found = verdicts(frame(story(-1), seeds=5))
    assert {found[f"P{i}"] for i in (1, 2, 3, 4, 5, 6, 9)} == {"contradicted"}


def test_one_seed_decides_nothing_but_what_can_be_counted(nothing_measured: None) -> None:
    found = verdicts(frame(story(+1), seeds=1))
    assert {found[f"P{i}"] for i in (1, 2, 3, 4, 5, 9)} == {"undecided"} and found["P6"] == "contradicted"


def with_times(seconds: dict[str, float]) -> pd.DataFrame:
    """Made-up runs with made-up times: five passes, of which each slows all networks alike."""
    runs = pyramid.tidy(frame({}, seeds=1))
    slower = (1.0, 1.1, 1.5, 1.05, 1.2)
    noise = {model: [1 + 0.01 * (seed_of(model, i) % 100) / 100 for i in range(5)] for model in seconds}
    times = {m: [s * one * other for one, other in zip(slower, noise[m], strict=True)] for m, s in seconds.items()}
    return runs.assign(passes_13000=runs["model"].map(times), seconds_13000=runs["model"].map(seconds))


def test_speed_claims_rest_on_the_measurement(nothing_measured: None) -> None:
    seconds = {"vgg19": 40.0} | dict.fromkeys(FORWARD, 20.0) | dict.fromkeys(BACKWARD, 15.0) | {"svgg5-forward": 10.0}
    found = {v.claim.id: v for v in judge_all(claims.CLAIMS, with_times(seconds))}
    assert (found["P7"].verdict, found["P8"].verdict) == ("supported", "supported")
    assert found["P7"].evidence.effect == pytest.approx(4.0, rel=0.02) and found["P7"].n == 5
    assert found["P8"].evidence.effect == pytest.approx(4 / 3, rel=0.02)
    assert "one machine" in found["P7"].evidence.note
    effect = found["P7"].evidence.effect
    assert effect is not None
    # at one level forward is the faster one
    found = {v.claim.id: v for v in judge_all(claims.CLAIMS, with_times(seconds | {"svgg17-forward": 14.0}))}
    assert found["P8"].verdict == "contradicted" and "SVGG17" in found["P8"].evidence.note
    # on the margin itself nothing is decided
    on_it = with_times(seconds | {"svgg5-forward": 10.0 * effect / 3.5})
    found = {v.claim.id: v for v in judge_all(claims.CLAIMS, on_it)}
    assert found["P7"].verdict == "undecided"


def test_a_quotient_of_times_by_hand() -> None:
    logarithms = [0.5, 0.7, 0.9]
    found = claims.quotient(claims.interval(logarithms), 1.0)
    half = 4.302653 * 0.2 / 3**0.5  # Student's t with 2 degrees of freedom, 97.5 %
    assert (found.low, found.high) == (
        pytest.approx(math.exp(0.7 - half), rel=1e-6), pytest.approx(math.exp(0.7 + half), rel=1e-6)
    )  # fmt: skip
    assert found.effect == pytest.approx(math.exp(0.7))
    assert found.p == pytest.approx(ttest_1samp(logarithms, 0.0).pvalue)


def test_both_readings_of_freezing_by_hand(nothing_measured: None) -> None:
    """Four levels and two methods are averaged: one cell of eight above by 8 points is one point, one level two."""
    runs = pyramid.tidy(frame({("svgg8-forward", "gram-thawed"): 0.58, ("svgg5-forward", "scratch"): 0.42}))
    cells = tables.table_readings(runs).cells
    assert cells.at["Fitnet", "forward, thawed"].mean == pytest.approx(1, abs=0.1)
    assert cells.at["Fitnet", "forward, frozen"].mean == pytest.approx(0, abs=0.1)
    assert cells.at["Scratch", "forward, frozen"].mean == pytest.approx(2, abs=0.1)
    assert cells.at["Scratch", "forward, thawed"].mean == pytest.approx(3, abs=0.1)
    assert cells.at["Scratch", "backward"].mean == pytest.approx(0, abs=0.1)
    assert {estimate.n for estimate in cells.to_numpy().ravel()} == {3}


def test_networks_from_random_weights_stand_beside_the_pyramids_own_where_the_size_is_the_same(
    nothing_measured: None,
) -> None:
    known = {("svgg5-forward", "native"): 0.40, ("svgg5-forward", "two-stages-thawed"): 0.35}
    known |= {("svgg17-forward", "native"): 0.30, ("svgg17-forward", "two-stages"): 0.45}
    cells = tables.table_native(pyramid.tidy(frame(known))).cells
    assert cells.at["SVGG5 forward", "difference"].mean == pytest.approx(-5, abs=0.1)
    assert cells.at["SVGG17 forward", "difference"].mean == pytest.approx(15, abs=0.1)
    assert cells.at["VGG19", "difference"] == NOTHING and cells.at["VGG19", "random weights"].n == 3
    larger = tables.table_native(pyramid.tidy(frame(known, "paper"))).cells  # 96 px, and 32 px from random weights
    assert list(larger.columns) == ["depth", "random weights"]
    assert larger.at["SVGG5 forward", "random weights"].mean == pytest.approx(40, abs=0.1)


def test_the_ratio_of_parameters_by_hand() -> None:
    assert claims.parameter_ratio(pd.DataFrame()) == pytest.approx(29_491_018 / 3_887_626)


def test_networks_from_random_weights_include_vgg19_once(nothing_measured: None) -> None:
    small_ones, full = (pyramid.from_random(pyramid.tidy(frame({}, e, 1))) for e in ("small", "paper"))
    assert Counter(small_ones["level"]) == Counter(full["level"]) == Counter(("vgg19", *levels.LEVELS))
    assert set(small_ones["dataset"]) == set(full["dataset"]) == {"cifar100"}
    assert set(full["method"]) == {"native"}
