"""The engine on a GPU: captured steps against eager ones, caches against live, several networks at once against one.
What can be checked without a GPU, the captured step's bookkeeping, is."""

import copy
import os
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from netpress import env, papers
from netpress.data import Images
from netpress.errors import is_out_of_memory
from netpress.nets import build
from netpress.nets.network import Network
from netpress.runs import records, sweep
from netpress.training import compute
from netpress.training.capture import Captured, fastest_convolutions
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import Batch, Cache, Feed, TrainTestData
from netpress.training.loop import learning_rates, make_optimiser, set_modes, step_of, thaw, train
from netpress.training.stage import Stage

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: none is here")]
BLOCKS = ("block1", "block2", "block3", "block4", "block5")
TWENTY = {"batch_size": 32, "epochs": 2}  # 320 images: 20 steps


def on_gpu(test: Callable) -> Callable:
    """Marked, and skipped with the reason where there is none."""
    for mark in gpu:
        test = mark(test)
    return test


def train_test(device: str) -> TrainTestData:
    """320 random images of ten classes, 70 to test, on the device."""
    random = torch.Generator().manual_seed(0)
    parts = []
    for count in (320, 70):
        y = torch.randint(0, 10, (count,), generator=random)
        x = (torch.rand(count, 3, 32, 32, generator=random) * 155 + 10 * y.view(-1, 1, 1, 1)).to(torch.uint8)
        names = tuple("0123456789")
        parts.append(Images(x.to(device), y.to(device), names, "noise", "train", "random numbers", f"{count} random"))
    from netpress.data.views import normalise_of

    return TrainTestData(parts[0], parts[1], normalise_of(parts[0]))


def network_of(model: str, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build(model, 32, 10, 1 / 8)


def result(
    stage: Stage, model: str, config: ComputeConfig, teacher: str | None = None
) -> tuple[dict[str, Tensor], list[dict]]:
    """Weights and history after one stage."""
    parent = config.place(network_of(teacher, 1)).requires_grad_(False).eval() if teacher else None
    network = config.place(network_of(model))
    torch.manual_seed(5)
    feed = Feed(stage, network, parent, train_test(config.device), config, Cache(config.cache_bytes))
    rows = train(stage, network, feed, config, seed=3)
    return {name: tensor.float().cpu() for name, tensor in network.state_dict().items()}, rows


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest relative distance of two networks' tensors."""
    return max(((one[n] - other[n]).norm() / (one[n].norm() + 1e-6)).item() for n in one)


def counted(network: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without the biases in front of BatchNorm: their gradient is zero in theory and noise in practice, and a change of
    1e-7 moves them by as much as they are. Those of BatchNorm itself, near zero after 20 steps, in units of what they
    are added to, which has a variance of 1: behind one that is added."""
    return {
        name: torch.cat([tensor, torch.ones_like(tensor)]) if name.endswith("bn.bias") else tensor
        for name, tensor in network.items() if not name.endswith("conv.bias")
    }  # fmt: skip


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 as it says, without TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


# --- on a GPU -----------------------------------------------------------------------------------------------------

FP32 = ComputeConfig("cuda", "fp32", False, True, False)
STAGES = [
    pytest.param(Stage("train", view="crop", **TWENTY), "vgg16", None, id="train"),
    pytest.param(Stage("retrain", trains=("block3",), **TWENTY), "vgg16-block3", None, id="frozen"),
    pytest.param(
        Stage("imitate", loss="block-l2", at="block2", trains=("block2",), teacher="p", optimiser="adam", lr=1e-3,
              weight_decay=0.0, **TWENTY), "vgg16-block2", "vgg16", id="imitate"),
    pytest.param(Stage("distil", loss="distillation", teacher="p", alpha=0.5, **TWENTY), "vgg16-block1", "vgg16",
                 id="distil"),
]  # fmt: skip


@on_gpu
@pytest.mark.parametrize("block", BLOCKS)
def test_cached_is_live_in_fp32(block: str, exact: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    stage = Stage("retrain", trains=(block,), lr=0.01, **TWENTY)
    fast, fast_rows = result(stage, f"vgg16-{block}", FP32)
    live, live_rows = result(stage, f"vgg16-{block}", replace(FP32, caching=False))
    assert distance(counted(fast), counted(live)) <= 1e-4
    assert [r["train_loss"] for r in fast_rows] == pytest.approx([r["train_loss"] for r in live_rows], rel=1e-4)


@on_gpu
@pytest.mark.parametrize(("stage", "model", "teacher"), STAGES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_captured_is_eager(
    stage: Stage, model: str, teacher: str | None, precision: str, exact: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit where cuDNN is deterministic, dropout included: a graph draws what eager steps draw. The evaluation
    too, whose pieces are so small that it is replayed."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(ComputeConfig, "evaluated_at_once", lambda self, px: 16)
    fast = precision == "bf16"
    eager = replace(FP32, precision=precision, channels_last=fast)
    one, rows = result(stage, model, replace(eager, capture=True), teacher)
    other, told = result(stage, model, eager, teacher)
    assert distance(one, other) == 0
    assert rows == told


@on_gpu
@pytest.mark.parametrize("view", ["plain", "crop-flip", "inception-mixup"])
def test_nothing_in_the_loop_waits_for_the_device(view: str) -> None:
    config, stage = choose(), Stage("train", view=view, **TWENTY)
    network = config.place(network_of("vgg16"))
    feed = Feed(stage, network, None, train_test("cuda"), config, Cache(config.cache_bytes))
    parameters = thaw(network, ())
    optimiser = make_optimiser(stage, parameters)
    set_modes(network, ())
    advance = config.captured(step_of(feed, optimiser, parameters, config), optimiser)
    list(map(advance, feed.batches(32, 0, 0)))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in feed.batches(32, 0, 1):
            config.set_lr(optimiser, 0.01)
            advance(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@on_gpu
def test_data_and_caches_lie_on_the_device() -> None:
    config, stage = choose(), Stage("retrain", trains=("block4",), **TWENTY)
    network = config.place(network_of("vgg16-block4"))
    feed = Feed(stage, network, None, train_test("cuda"), config, Cache(config.cache_bytes))
    assert feed.x is not None and feed.x.held.is_cuda and next(feed.batches(32, 0, 0)).x.is_cuda


@pytest.fixture
def deterministic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN is, here and in worker processes: else which of its algorithms is the fastest depends on who else computes,
    and rounding grows to a fifth of the loss within four epochs (seen on an H100)."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    (tmp_path / "sitecustomize.py").write_text("import torch\n\ntorch.backends.cudnn.deterministic = True\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


def is_deterministic() -> bool:
    """Of the process that is asked."""
    return torch.backends.cudnn.deterministic


def test_worker_processes_are_deterministic_where_the_test_is(deterministic: None) -> None:
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(is_deterministic)


@on_gpu
def test_two_networks_at_once_are_as_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deterministic: None
) -> None:
    edition = "demo+epochs=2+parent_epochs=2+imitation_epochs=1+images=320"
    runs = papers.matching(papers.grid("triage", edition), "*block5*-mean-*")
    found = []
    for workers in (1, 2):
        monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / f"cache{workers}"))
        sweep.ensure(runs, edition, tmp_path / str(workers), workers)
        history = records.history(runs, edition, tmp_path / str(workers))
        found.append(history["train_loss"].tolist())
    assert found[0] == pytest.approx(found[1], rel=1e-2)


@on_gpu
def test_memory_of_a_stage_is_given_back() -> None:
    config = choose()
    held = []
    for _ in range(3):
        result(Stage("train", **TWENTY), "vgg16", config)
        torch.cuda.synchronize()
        held.append(torch.cuda.memory_allocated())
    assert held[2] <= held[1] * 1.05 + 2**20


# --- without one --------------------------------------------------------------------------------------------------


class PlayedByHand(Captured):
    """A graph whose replay is the recorded step itself, on the recorded inputs."""

    class Graph:
        def __init__(self, owner: "PlayedByHand"):
            self.owner = owner

        def replay(self) -> None:
            self.owner.result = self.owner.step(self.owner.batch)

        def reset(self) -> None:
            assert self.owner.graph is self

    def beside(self, batch: Any) -> Any:
        return self.step(batch)

    def record(self, batch: Any) -> None:
        self.batch = type(batch)(*(None if t is None else t.clone() for t in batch))
        self.graph = self.Graph(self)  # type: ignore[assignment]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured steps without a GPU."""
    monkeypatch.setattr("netpress.training.capture.side_stream", lambda device, trains: trains)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr("netpress.training.capture.Captured", PlayedByHand)


@pytest.mark.parametrize("pieces", [500, 32, 16])
def test_a_captured_step_sees_every_batch_and_every_learning_rate(
    played: None, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    """And every piece of the 70 test images, of which the last is smaller."""
    monkeypatch.setattr(ComputeConfig, "evaluated_at_once", lambda self, px: pieces)
    stage = Stage("train", lr=0.1, **TWENTY)
    eager = ComputeConfig(caching=True)
    one, rows = result(stage, "vgg16-block5", eager)
    other, told = result(stage, "vgg16-block5", replace(eager, capture=True))
    assert rows == told and distance(one, other) == 0


def test_only_batches_of_the_first_shape_are_replayed(played: None) -> None:
    """Else a piece of another size would be broadcast into the recorded inputs, or be recorded in their place."""
    step = PlayedByHand(lambda batch: (batch.x.sum(), batch.y))
    sizes = [2, 2, 1, 2, 1, 2, 2, 1]
    told = [step(Batch(torch.ones(size), torch.zeros(1), None))[0].item() for size in sizes]
    assert told == sizes and step.seen == 5 and step.graph is not None and len(step.batch.x) == 2


def test_two_graphs_of_a_stream_are_never_alive(played: None) -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([weight], 0.5)
    batch = Batch(torch.ones(2), torch.zeros(2), None)
    first, evaluation = PlayedByHand(lambda b: (b.x, b.y), optimiser), PlayedByHand(lambda b: (b.x, b.y))
    for _ in range(4):
        first(batch), evaluation(batch)
    assert first.graph and evaluation.graph
    second = PlayedByHand(lambda b: (2 * b.x, b.y), optimiser)
    assert first.graph is None and evaluation.graph and second.graph is None
    assert second(batch)[0].tolist() == [2, 2]


def test_the_learning_rate_of_a_captured_step_is_a_tensor_that_is_filled(played: None) -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([weight], 0.5)
    step = PlayedByHand(lambda batch: (batch.x, batch.y), optimiser)
    held = optimiser.param_groups[0]["lr"]
    for rate in learning_rates(Stage("s"), 6):
        ComputeConfig(capture=True).set_lr(optimiser, rate)
        assert optimiser.param_groups[0]["lr"] is held and held.item() == pytest.approx(rate)
    for value in range(6):
        told = step(Batch(torch.full((2,), float(value)), torch.zeros(2), None))
        assert told[0].tolist() == [value, value]
    assert copy.copy(step.batch).target is None


def test_larger_images_come_in_smaller_pieces_on_a_gpu() -> None:
    gpu, cpu = ComputeConfig("cuda:0"), ComputeConfig()
    assert [gpu.evaluated_at_once(px) for px in (28, 32, 64, 224)] == [2500, 2500, 625, 64]
    assert [gpu.cached_at_once(px) for px in (32, 64)] == [2048, 512]
    assert [cpu.evaluated_at_once(224), cpu.cached_at_once(224)] == [500, 256]


def test_choice_of_device_precision_and_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETPRESS_PRECISION", raising=False)
    monkeypatch.setenv("NETPRESS_CACHE_GB", "0.5")
    monkeypatch.delenv("NETPRESS_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose() == ComputeConfig("cuda", "bf16", True, True, True, 2**29)
    monkeypatch.setenv("NETPRESS_DEVICE", "cpu")
    assert (choose().device, choose().capture) == ("cpu", False)
    monkeypatch.delenv("NETPRESS_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose() == ComputeConfig("mps", "fp32", False, True, False, 2**29)


def test_processes_share_the_memory_for_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETPRESS_CACHE_GB", raising=False)
    monkeypatch.setattr(env, "memory", lambda: 16 * 2**30)
    assert [compute.cache_budget("cpu", share) for share in (1.0, 1 / 2, 1 / 16)] == [2 * 2**30, 2 * 2**30, 2**28]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (80 * 2**30, 140 * 2**30))
    assert [compute.cache_budget("cuda", share) for share in (1.0, 1 / 4)] == [40 * 2**30, 10 * 2**30]


def test_a_numbered_gpu_is_the_current_one_and_its_memory_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    current, asked = [], []
    monkeypatch.delenv("NETPRESS_PRECISION", raising=False)
    monkeypatch.delenv("NETPRESS_CACHE_GB", raising=False)
    monkeypatch.setenv("NETPRESS_DEVICE", "cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: asked.append(device) or (8 * 2**30, 9 * 2**30))
    assert choose() == ComputeConfig("cuda:1", "bf16", True, True, True, 4 * 2**30)
    assert (current, asked) == (["cuda:1"], ["cuda:1"])


def test_memory_that_runs_out_while_a_step_is_captured_is_told_as_such() -> None:
    """Leaving the capture raises another error."""
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")
    except RuntimeError as error:
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("operation failed"))


def test_algorithms_are_tried_unless_they_must_be_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    for deterministic in (False, True):
        monkeypatch.setattr(torch.backends.cudnn, "deterministic", deterministic)
        with fastest_convolutions():
            assert torch.backends.cudnn.benchmark is not deterministic
        assert torch.backends.cudnn.benchmark is False


def test_a_record_says_what_results_on_a_gpu_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "device_name", lambda _: "a GPU")
    made = records.made(ComputeConfig("cuda:0", "bf16"))
    assert made["kind"] == "cuda" and {"cuda", "cudnn", "driver", "tf32", "deterministic"} <= made.keys()
    assert "driver" not in records.made(ComputeConfig())
