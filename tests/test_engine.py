"""The training engine: every fast path against its plain twin, what freezing leaves alone, and the memory budget."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from netpress import data, nets, papers
from netpress.compress.edits import Inherit
from netpress.data.views import normalise_of
from netpress.errors import UserError
from netpress.nets.network import Network
from netpress.runs.perform import Workspace, perform
from netpress.runs.run import with_needs
from netpress.runs.store import WeightStore
from netpress.training.compute import ComputeConfig, choose
from netpress.training.feed import Cache, Feed, TrainTestData, weights_hash
from netpress.training.loop import learning_rates, make_optimiser, train
from netpress.training.stage import Stage

PRECISIONS = ("fp32", "bf16")
WIDTH = 1 / 16
# AMX rounds an image's bf16 output by its place in the batch, now and then, and a cache is filled in another order.
PLACE_MATTERS = getattr(torch.cpu, "_is_amx_tile_supported", bool)()
TWENTY = {"batch_size": 32, "epochs": 2}  # 320 images: 20 steps


@pytest.fixture(autouse=True)
def one_thread(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One and two threads give different bits."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def train_test(count: int = 320, test: int = 70, px: int = 32) -> TrainTestData:
    images, judged = data.load("digits", "train", images=count, px=px), data.load("digits", "test", px=px)
    judged = replace(judged, x=judged.x[:test], y=judged.y[:test], checksum=f"the first {test}")
    return TrainTestData(images, judged, normalise_of(images))


def network_of(model: str, seed: int = 0, width: float = WIDTH) -> Network:
    """Weights as drawn, BatchNorm as if trained: statistics that are not the identity."""
    torch.manual_seed(seed)
    network = nets.build(model, 32, 10, width)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.5, 0.5)
            layer.running_var.uniform_(0.5, 2)
    return network.eval()


def speed_of(precision: str, caching: bool, **more: Any) -> ComputeConfig:
    return ComputeConfig(**({"precision": precision, "channels_last": precision == "bf16", "caching": caching} | more))


def trained(
    stage: Stage, model: str, config: ComputeConfig, teacher: str | None = None, cache: Cache | None = None
) -> tuple[Network, list[dict], Feed]:
    """A network, inheriting from its teacher where there is one, after one stage."""
    parent = config.place(network_of(teacher, seed=1)).requires_grad_(False) if teacher else None
    network = network_of(model)
    if parent:
        Inherit().apply(network, {"parent": parent})
    network = config.place(network)
    torch.manual_seed(7)
    feed = Feed(stage, network, parent, train_test(), config, cache or Cache(config.cache_bytes))
    return network, train(stage, network, feed, config, seed=3), feed


def losses_of(rows: list[dict]) -> list[float]:
    return [row[name] for row in rows for name in ("train_loss", "test_loss") if row[name] is not None]


def same_cached_and_live(stage: Stage, model: str, precision: str, teacher: str | None = None, **more: Any) -> None:
    fast, fast_rows, feed = trained(stage, model, speed_of(precision, True, **more), teacher)
    live, live_rows, _ = trained(stage, model, speed_of(precision, False, **more), teacher)
    assert feed.x is not None or stage.view != "plain"
    if precision == "bf16" and PLACE_MATTERS:
        assert losses_of(fast_rows) == pytest.approx(losses_of(live_rows), rel=0.02)
        return
    assert weights_hash(fast) == weights_hash(live)
    assert fast_rows == live_rows


# --- cached = live ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "precision"), [("block1", "fp32"), ("block3", "bf16"), ("block5", "fp32")])
def test_a_frozen_network_is_the_same_cached_and_live(block: str, precision: str) -> None:
    same_cached_and_live(Stage("retrain", trains=(block,), **TWENTY), f"vgg16-{block}", precision)


def test_a_thawed_network_is_the_same_cached_and_live() -> None:
    same_cached_and_live(Stage("retrain", **TWENTY), "vgg16-block4", "fp32")


@pytest.mark.parametrize(("block", "precision"), [("block2", "fp32"), ("block4", "bf16")])
def test_a_student_teacher_stage_is_the_same_cached_and_live(block: str, precision: str) -> None:
    stage = Stage(
        "imitate",
        loss="block-l2",
        at=block,
        trains=(block,),
        teacher="parent",
        optimiser="adam",
        lr=1e-3,
        weight_decay=0.0,
        **TWENTY,
    )
    same_cached_and_live(stage, f"vgg16-{block}", precision, "vgg16")


@pytest.mark.parametrize(
    ("loss", "at", "trains", "student"),
    [
        ("distillation", None, (), "svgg5-forward"),
        ("function-matching", None, (), "svgg11-backward"),
        ("hint", "C2", ("C1", "C2"), "svgg11-backward"),
        ("set-l2", "head", ("head",), "svgg17-forward"),
        ("gram", "C1", ("C1",), "svgg17-backward"),
        ("all-grams", None, (), "svgg8-forward"),
    ],
)
def test_a_stage_with_a_teacher_is_the_same_cached_and_live(
    loss: str, at: str | None, trains: tuple[str, ...], student: str
) -> None:
    stage = Stage(
        "taught", loss=loss, at=at, trains=trains, teacher="parent", lr=1e-3, temperature=4.0, alpha=0.5, **TWENTY
    )
    same_cached_and_live(stage, student, "fp32", "vgg19")


@pytest.mark.parametrize("view", ["crop", "inception-mixup"])
def test_a_teacher_with_a_fixed_view_is_the_same_cached_and_live(view: str) -> None:
    stage = Stage("taught", loss="function-matching", teacher="parent", view=view, teacher_view="plain", **TWENTY)
    _, _, feed = trained(replace(stage, epochs=1), "svgg5-forward", speed_of("fp32", True), "vgg19")
    assert feed.x is None and feed.targets is not None
    same_cached_and_live(stage, "svgg5-forward", "fp32", "vgg19")


def test_what_changes_from_epoch_to_epoch_is_never_cached() -> None:
    stage = Stage("taught", loss="distillation", teacher="parent", view="crop", alpha=0.5, **TWENTY)
    store = Cache(2**30)
    _, _, feed = trained(stage, "svgg5-forward", speed_of("fp32", True), "vgg19", store)
    assert feed.x is None and feed.targets is None
    assert len(store.entries) == 1  # the test images, which are seen in the fixed view


def test_a_cached_entry_serves_the_networks_that_share_it_and_no_other() -> None:
    store, config = Cache(2**30), speed_of("fp32", True)
    stage = Stage("retrain", trains=("block3",), batch_size=64, epochs=1)
    parent = network_of("vgg16")
    for _ in range(2):
        network = Inherit().apply(network_of("vgg16-block3"), {"parent": parent})
        train(stage, network, Feed(stage, network, None, train_test(), config, store), config, 0)
    assert len(store.entries) == 2  # training and test images, behind one prefix
    other = train_test()
    other = replace(other, normalise=replace(other.normalise, mean=(0.5, 0.5, 0.5)))
    Feed(stage, network, None, other, config, store)
    assert len(store.entries) == 3
    with torch.no_grad():
        next(network["block1"].parameters()).add_(1e-6)
    Feed(stage, network, None, train_test(), config, store)
    assert len(store.entries) == 4


# --- frozen and thawed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "caching"), [("block1", True), ("block4", True), ("block4", False)])
def test_frozen_changes_nothing_outside_the_replacement(block: str, caching: bool) -> None:
    before = network_of(f"vgg16-{block}").state_dict()
    network, _, _ = trained(Stage("retrain", trains=(block,), **TWENTY), f"vgg16-{block}", speed_of("fp32", caching))
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    inside = {name for name in before if name.startswith(f"blocks.{block}.")}
    # The bias of a convolution before BatchNorm has no gradient but rounding; weight decay leaves its zeros alone.
    assert changed <= inside
    assert {name for name in inside if not name.endswith("conv.bias")} <= changed


def test_thawed_changes_everything() -> None:
    before = network_of("vgg16-block2").state_dict()
    network, _, _ = trained(Stage("retrain", **TWENTY), "vgg16-block2", speed_of("fp32", True))
    same = {name for name, tensor in network.state_dict().items() if torch.equal(tensor, before[name])}
    assert not same


# --- the memory budget --------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_computed_live_with_the_same_result() -> None:
    stage = Stage("imitate", loss="block-l2", at="block3", trains=("block3",), teacher="parent", **TWENTY)
    rich, rows, feed = trained(stage, "vgg16-block3", speed_of("fp32", True), "vgg16")
    for budget in (0, feed.x.held.nbytes, feed.x.held.nbytes + feed.targets.held.nbytes - 1):
        config = speed_of("fp32", True, cache_bytes=budget)
        poor, poor_rows, tight = trained(stage, "vgg16-block3", config, "vgg16")
        assert tight.targets is None and (tight.x is None) == (budget == 0)
        assert weights_hash(poor) == weights_hash(rich) and poor_rows == rows


def test_one_image_tells_that_something_does_not_fit() -> None:
    """The Gram matrices of 2,048 images at full width are larger than many a GPU."""
    for budget, wanted in ((0, [1]), (2**20, [1, 256, 44])):
        sizes: list[int] = []

        def answers(index: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(len(index))
            return torch.zeros(len(index), 8)

        Cache(budget).rows("key", 300, answers, speed_of("fp32", True))
        assert sizes == wanted


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, 1.5])
def test_the_budget_is_never_exceeded(share: float) -> None:
    stage = Stage("retrain", trains=("block2",), batch_size=64, epochs=1)
    network, store = network_of("vgg16-block2"), Cache(2**30)
    whole = Feed(stage, network, None, train_test(), speed_of("fp32", True), store)
    assert whole.x is not None
    store = Watched(int(share * whole.x.held.nbytes))
    for model in ("vgg16-block2", "vgg16-block3", "vgg16-block4"):
        trained(replace(stage, trains=(model[-6:],)), model, speed_of("fp32", True), cache=store)
    assert store.peak <= store.budget


class Watched(Cache):
    """Counts what is held at the worst moment, by entries and by the stage under way."""

    peak = 0

    def rows(self, *args: Any) -> Any:
        found = super().rows(*args)
        self.peak = max(self.peak, sum(rows.held.nbytes for rows in self.entries.values()))
        return found

    def make_room(self, needed: int) -> bool:
        in_use = {name: self.entries[name] for name in self.held}
        enough = super().make_room(needed)
        assert all(self.entries.get(name) is rows for name, rows in in_use.items())
        return enough


# --- precision and determinism ------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_bits_and_another_seed_others() -> None:
    def result(seed: int) -> tuple[str, list[dict]]:
        config, stage = speed_of("fp32", True), Stage("train", view="crop", **TWENTY)
        network = config.place(network_of("vgg16"))
        torch.manual_seed(seed)
        feed = Feed(stage, network, None, train_test(), config, Cache(2**30))
        rows = train(stage, network, feed, config, seed)
        return weights_hash(network), rows

    assert result(1) == result(1)
    assert result(1)[0] != result(2)[0]


@pytest.mark.parametrize(
    ("schedule", "theirs"), [("one-cycle", {}), ("three-phase", {"pct_start": 0.4, "three_phase": True})]
)
def test_learning_rates_are_those_of_pytorch(schedule: str, theirs: dict[str, Any]) -> None:
    steps, peak = 1000, 0.05
    optimiser = torch.optim.SGD([torch.zeros(1)], peak)
    cycle = {"total_steps": steps + 1, "cycle_momentum": False} | theirs
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, **cycle)
    rates = learning_rates(Stage("s", schedule=schedule, lr=peak), steps)
    assert len(rates) == steps
    for rate in rates:
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], abs=0.005 * peak)
        optimiser.step()
        scheduler.step()


def test_momentum_is_that_of_the_stage() -> None:
    """Two steps on a gradient of 1 against Nesterov's rule, by hand."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = make_optimiser(Stage("s", lr=0.1, momentum=0.5, weight_decay=0.0), [weight])
    for _ in range(2):
        weight.grad = torch.ones(1)
        optimiser.step()
    # velocities 1 and 1.5; each step is lr (gradient + momentum velocity): 0.1 (1.5 + 1.75)
    assert weight.item() == pytest.approx(-0.325)
    still = make_optimiser(Stage("s", lr=0.1, momentum=0.0, weight_decay=0.0), [weight])
    assert not still.param_groups[0]["nesterov"]


def test_relu_in_place_has_the_same_gradients() -> None:
    """BatchNorm's gradient is worked out from its input, so its output may be written over."""

    def gradients(inplace: bool) -> list[torch.Tensor]:
        network = network_of("vgg16").train()
        for layer in network.modules():
            if isinstance(layer, torch.nn.ReLU):
                layer.inplace = inplace
        torch.manual_seed(1)
        network(torch.randn(8, 3, 32, 32)).square().sum().backward()
        return [parameter.grad for parameter in network.parameters()]

    assert all(torch.equal(one, other) for one, other in zip(gradients(True), gradients(False), strict=True))


def test_precision_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_DEVICE", "cpu")
    for precision in PRECISIONS:
        monkeypatch.setenv("NETPRESS_PRECISION", precision)
        chosen = choose()
        assert (chosen.precision, chosen.channels_last) == (precision, True)
    monkeypatch.setenv("NETPRESS_PRECISION", "fp16")
    with pytest.raises(UserError, match=r"NETPRESS_PRECISION is 'fp16': set it to fp32 or bf16"):
        choose()


# --- a grid -------------------------------------------------------------------------------------------------------


def records_of(pattern: str, edition: str, caching: bool, folder: Path) -> dict[str, dict[str, Any]]:
    """What a sweep's runs leave, times aside."""
    workspace = Workspace(replace(choose(), device="cpu", caching=caching, capture=False), WeightStore(folder))
    runs = with_needs(papers.matching(papers.grid("triage", edition), pattern))
    found = {run.name: perform(run, workspace) for run in runs}
    for record in found.values():
        assert record["status"] == "done", record
        assert all(stage["cached"] == (caching and stage["stage"] != "train") for stage in record["stages"])
    aside = ("stages", "made", "peak_memory")
    return {name: {k: v for k, v in record.items() if k not in aside} for name, record in found.items()}


def test_runs_leave_the_same_records_with_and_without_caches(tmp_path: Path) -> None:
    edition = "demo+epochs=1+imitation_epochs=1+parent_epochs=1+images=128+width=0.0625"
    for pattern in ("*block2*student-teacher*", "*block5*mean-frozen*"):
        fast, live = (records_of(pattern, edition, caching, tmp_path / str(caching)) for caching in (True, False))
        assert fast == live


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_demo_grid_is_the_same_with_and_without_caches(tmp_path: Path) -> None:
    fast, live = (records_of("*", "demo", caching, tmp_path / str(caching)) for caching in (True, False))
    assert len(fast) == 32 and fast == live
