"""What the Pyramid's stages touch, bit for bit, and its losses by literal loops."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from pyramids import BACKWARD, DEMO, FORWARD, REPLACED, SLICES, run_named, small, state, trained
from torch import Tensor, nn

from netpress import data, nets
from netpress.data.views import normalise_of
from netpress.runs.run import Run
from netpress.seeds import seed_of
from netpress.training.compute import ComputeConfig, plain
from netpress.training.feed import Cache, Feed, TrainTestData
from netpress.training.loop import train
from netpress.training.losses import OBJECTIVES
from netpress.training.stage import Stage

ABOVE = {model: above for models in (FORWARD, BACKWARD) for above, model in pairwise(("vgg19", *models))}


@pytest.fixture(scope="module")
def train_test() -> TrainTestData:
    images, test = (data.load("digits", split, images=32, px=32) for split in ("train", "fit"))
    return TrainTestData(images, test, normalise_of(images))


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
        sides = objective.side(student, "C1", terms)(x), objective.side(teacher, "C1", terms)(x)  # type: ignore[arg-type]
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
    sides = objective.side(student, "C1", terms)(x), objective.side(teacher, "C1", terms)(x)  # type: ignore[arg-type]
    expected = sum(
        literal_distance(literal_gram(*ends(student, name, x)), literal_gram(*ends(teacher, name, x)))
        for name in ("C1", "C2", "C3", "C4")
    )
    assert objective.loss(*sides, y, terms).item() == pytest.approx(expected, rel=1e-9)


def test_gram_direct_passes_each_layer_once() -> None:
    student = tiny("svgg8-forward", 1).train()
    OBJECTIVES["all-grams"].side(student, "C1", Stage("imitate"))(torch.randn(2, 3, 32, 32).double())  # type: ignore[arg-type]
    norms = [layer for layer in student.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [int(norm.num_batches_tracked) for norm in norms] == [1] * 7  # type: ignore[arg-type]
