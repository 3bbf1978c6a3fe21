"""Every loss against literal loops in float64."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from netpress.errors import UserError
from netpress.training import losses
from netpress.training.stage import Stage

N, CLASSES = 5, 4


def doubles(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def logits() -> Tensor:
    return 2 * doubles(N, CLASSES, seed=1)


@pytest.fixture
def teacher_logits() -> Tensor:
    return 3 * doubles(N, CLASSES, seed=2)


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([0, 3, 1, 1, 2])


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(z / temperature) for z in row]
    return [p / sum(powers) for p in powers]


def test_cross_entropy(logits: Tensor, labels: Tensor) -> None:
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        total -= math.log(softmax(row)[label])
    assert losses.cross_entropy(logits, labels).item() == pytest.approx(total / N, rel=1e-12)


def literal_squared_l2(a: Tensor, b: Tensor) -> float:
    total = 0.0
    for one, two in zip(a.flatten(1).tolist(), b.flatten(1).tolist(), strict=True):
        for x, y in zip(one, two, strict=True):
            total += (x - y) ** 2
    return total / len(a)


@pytest.mark.parametrize("shape", [(N, 3, 4, 5), (N, 7)])
def test_squared_l2_sums_over_the_map_and_averages_over_the_batch(shape: tuple[int, ...]) -> None:
    a, b = doubles(*shape, seed=1), doubles(*shape, seed=2)
    expected = literal_squared_l2(a, b)
    assert losses.squared_l2(a, b).item() == pytest.approx(expected, rel=1e-12)
    assert losses.hint(a, b).item() == pytest.approx(expected / 2, rel=1e-12)


def literal_gram(first: Tensor, last: Tensor) -> Tensor:
    n, m, h, w = first.shape
    result = torch.zeros(n, m, last.shape[1], dtype=torch.float64)
    for image in range(n):
        for i in range(m):
            for j in range(last.shape[1]):
                for s in range(h):
                    for t in range(w):
                        result[image, i, j] += first[image, i, s, t] * last[image, j, s, t] / (h * w)
    return result


def literal_pool(x: Tensor, k: int) -> Tensor:
    n, c, h, w = x.shape
    result = torch.empty(n, c, h // k, w // k, dtype=x.dtype)
    for s in range(h // k):
        for t in range(w // k):
            result[:, :, s, t] = x[:, :, k * s : k * s + k, k * t : k * t + k].flatten(2).amax(2)
    return result


def test_gram_is_the_triple_loop_of_the_paper() -> None:
    first, last = doubles(2, 3, 4, 6, seed=1), doubles(2, 5, 4, 6, seed=2)
    torch.testing.assert_close(losses.gram(first, last), literal_gram(first, last), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("larger", ["first", "last"])
def test_gram_pools_the_larger_map_to_the_smaller_ones_size(larger: str) -> None:
    large, small = doubles(2, 3, 8, 8, seed=1), doubles(2, 5, 4, 4, seed=2)
    pooled = literal_pool(large, 2)
    if larger == "first":
        found, expected = losses.gram(large, small), literal_gram(pooled, small)
    else:
        found, expected = losses.gram(small, large), literal_gram(small, pooled)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("side", range(1, 100))
def test_gram_takes_whatever_sizes_max_pools_leave(side: int) -> None:
    large = doubles(1, 2, side, side)
    small = large
    while min(small.shape[2:]) > 1:
        small = torch.nn.functional.max_pool2d(small, 2)
        assert losses.gram(large, small).shape == (1, 2, 2)


def test_squared_l2_of_grams() -> None:
    a, b = doubles(N, 3, 6, seed=3), doubles(N, 3, 6, seed=4)
    assert losses.squared_l2(a, b).item() == pytest.approx(literal_squared_l2(a, b), rel=1e-12)


def literal_soft(logits: Tensor, teacher_logits: Tensor, temperature: float) -> float:
    total = 0.0
    for z, t in zip(logits.tolist(), teacher_logits.tolist(), strict=True):
        for p, q in zip(softmax(t, temperature), softmax(z, temperature), strict=True):
            total -= p * math.log(q)
    return total / len(logits)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 32.0])
def test_soft_targets(logits: Tensor, teacher_logits: Tensor, temperature: float) -> None:
    expected = literal_soft(logits, teacher_logits, temperature)
    found = losses.soft_targets(logits, teacher_logits, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("scaled", [False, True])
def test_distillation(logits: Tensor, teacher_logits: Tensor, labels: Tensor, alpha: float, scaled: bool) -> None:
    hard = sum(-math.log(softmax(z)[y]) for z, y in zip(logits.tolist(), labels.tolist(), strict=True)) / N
    soft = literal_soft(logits, teacher_logits, 4.0) * (16 if scaled else 1)
    found = losses.distillation(logits, teacher_logits, labels, 4.0, alpha, scaled)
    assert found.item() == pytest.approx(alpha * soft + (1 - alpha) * hard, rel=1e-12)


def test_labels_and_soft_targets(logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> None:
    """Romero et al. (2015), section 2.1: the labels keep their whole weight."""
    hard = sum(-math.log(softmax(z)[y]) for z, y in zip(logits.tolist(), labels.tolist(), strict=True)) / N
    found = losses.labels_and_soft_targets(logits, teacher_logits, labels, 3.0, 2.5)
    assert found.item() == pytest.approx(hard + 2.5 * literal_soft(logits, teacher_logits, 3.0), rel=1e-12)


def test_the_factor_t_squared_keeps_the_gradients_size(logits: Tensor, teacher_logits: Tensor) -> None:
    """Hinton et al. (2015), eq. 4: as T grows, T^2 times the gradient tends to (z - v) / classes, centred."""
    student = logits.clone().requires_grad_()
    temperature = 1e4
    (losses.soft_targets(student, teacher_logits, temperature) * temperature**2).backward()
    z, v = (x - x.mean(dim=1, keepdim=True) for x in (logits, teacher_logits))
    assert student.grad is not None
    torch.testing.assert_close(student.grad * N, (z - v) / CLASSES, rtol=1e-3, atol=1e-3)


def test_function_matching_is_the_papers_kl(logits: Tensor, teacher_logits: Tensor) -> None:
    total = 0.0
    for z, t in zip(logits.tolist(), teacher_logits.tolist(), strict=True):
        for p, q in zip(softmax(t), softmax(z), strict=True):
            total += -p * math.log(q) + p * math.log(p)
    assert losses.function_matching(logits, teacher_logits).item() == pytest.approx(total / N, rel=1e-12)
    assert losses.function_matching(logits, logits).item() == pytest.approx(0.0, abs=1e-12)


def test_function_matching_runs_from_teacher_to_student(logits: Tensor, teacher_logits: Tensor) -> None:
    there = losses.function_matching(logits, teacher_logits)
    back = losses.function_matching(teacher_logits, logits)
    assert abs(there.item() - back.item()) > 1e-3


def test_soft_targets_and_function_matching_share_a_gradient(logits: Tensor, teacher_logits: Tensor) -> None:
    """They differ by the teacher's entropy alone."""
    gradients = []
    soft = partial(losses.soft_targets, temperature=1.0)
    for loss in (soft, losses.function_matching):
        z = logits.clone().requires_grad_()
        loss(z, teacher_logits).backward()
        assert z.grad is not None
        gradients.append(z.grad)
    torch.testing.assert_close(*gradients)


def test_a_certain_teacher_gives_no_nan() -> None:
    certain = torch.tensor([[1e4, -1e4, 0.0]])
    student = torch.zeros(1, 3, requires_grad=True)
    loss = losses.function_matching(student, certain)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(3))
    assert torch.isfinite(student.grad).all()  # type: ignore[arg-type]


LOSSES = {
    "squared_l2": lambda a, b: losses.squared_l2(a, b),
    "hint": lambda a, b: losses.hint(a, b),
    "gram": lambda a, b: losses.squared_l2(losses.gram(a, a), losses.gram(b, b)),
    "soft_targets": lambda a, b: losses.soft_targets(a.flatten(1), b.flatten(1), 4.0),
    "function_matching": lambda a, b: losses.function_matching(a.flatten(1), b.flatten(1)),
    "distillation": lambda a, b: losses.distillation(
        a.flatten(1), b.flatten(1), torch.zeros(len(a), dtype=torch.int64), 4.0, 0.5
    ),
    "labels_and_soft_targets": lambda a, b: losses.labels_and_soft_targets(
        a.flatten(1), b.flatten(1), torch.zeros(len(a), dtype=torch.int64), 3.0, 2.5
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_under_autocast_half_precision_is_summed_in_float32(name: str) -> None:
    a, b = (doubles(4, 16, 8, 8, seed=s).bfloat16() for s in (1, 2))
    a.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = LOSSES[name](a, b)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(LOSSES[name](a.detach().double(), b.double()).item(), rel=1e-5)
    loss.backward()
    assert a.grad is not None and torch.isfinite(a.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name: str) -> None:
    """Against finite differences; the teacher's side is differentiated too, though nobody asks for it."""
    a, b = (doubles(2, 3, 2, 2, seed=s).requires_grad_() for s in (1, 2))
    assert torch.autograd.gradcheck(LOSSES[name], (a, b))


def test_a_stage_knows_whether_its_loss_sees_the_logits() -> None:
    """By name, without torch; here by what the student's side of every loss is."""
    found = {name: objective.side is losses.logits_from for name, objective in losses.OBJECTIVES.items()}
    assert found == {name: Stage("any", loss=name).sees_logits for name in losses.OBJECTIVES}


def test_sides_of_other_shapes_are_refused() -> None:
    """They would be broadcast, or compared number by number in the wrong order."""
    maps, others = torch.ones(2, 4, 8, 8), torch.ones(2, 16, 4, 4)
    for loss in (losses.squared_l2, losses.hint):
        with pytest.raises(UserError, match=r"\(2, 4, 8, 8\) and the teacher's \(2, 16, 4, 4\)"):
            loss(maps, others)
    ten, one = torch.zeros(4, 10), torch.zeros(4, 1)
    labels = torch.zeros(4, dtype=torch.int64)
    for refused in (
        lambda: losses.soft_targets(ten, one, 4.0),
        lambda: losses.function_matching(ten, one),
        lambda: losses.distillation(ten, one, labels, 4.0, 0.5),
        lambda: losses.labels_and_soft_targets(ten, one, labels, 4.0, 0.5),
    ):
        with pytest.raises(UserError, match=r"\(4, 10\) and the teacher's \(4, 1\)"):
            refused()
