"""Runs that are interrupted go on from their checkpoint and end with the same bits."""

import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sweeps
import torch
from sweeps import intricate, parent

from netpress.errors import Interrupted
from netpress.runs import records
from netpress.runs.perform import Progress, Workspace, perform
from netpress.runs.store import WeightStore
from netpress.training import compute
from netpress.training.checkpoint import CheckpointFile, capture
from netpress.training.loop import TrainState

slow = pytest.mark.slow


def interrupted_at(epoch: int) -> Callable[[Progress], None]:
    """Told of progress, stops the run after so many of its epochs."""

    def tell(progress: Progress) -> None:
        if progress.done == epoch:
            raise Interrupted(signal.SIGINT)

    return tell


def stop_after_each(told: list[int]) -> Callable[[Progress], None]:
    """Stops the run after every epoch; keeps their numbers."""

    def tell(progress: Progress) -> None:
        told.append(progress.done)
        raise Interrupted(signal.SIGTERM)

    return tell


@pytest.mark.parametrize("plain", [False, pytest.param(True, marks=slow)], ids=["fast", "plain"])
def test_interrupted_after_every_epoch_ends_with_the_same_bits(folder: Path, plain: bool) -> None:
    chosen = compute.plain() if plain else compute.choose()
    whole, broken = (
        Workspace(chosen, WeightStore(folder / name), folder / f"{name}-points") for name in ("whole", "broken")
    )
    for run in intricate(epochs=2):
        expected = perform(run, whole)
        assert expected["status"] == "done", expected
        told: list[int] = []
        content = None
        while content is None:
            with suppress(KeyboardInterrupt):
                content = perform(run, broken, stop_after_each(told))
        begun_by_another = 2 if run.method == "frozen" else 0
        assert told == list(range(begun_by_another + 1, run.epochs + 1)), "an epoch was done twice"
        assert records.bare(content) == records.bare(expected)


def test_a_checkpoint_of_other_conditions_is_not_gone_on_from(folder: Path) -> None:
    run = parent()
    workspace = Workspace(compute.plain(), WeightStore(folder / "shelf"), folder / "points")
    with pytest.raises(KeyboardInterrupt):
        perform(run, workspace, interrupted_at(1))
    told: list[Progress] = []
    other = Workspace(compute.ComputeConfig(precision="bf16"), WeightStore(folder / "shelf"), folder / "points")
    perform(run, other, told.append)
    assert [progress.done for progress in told] == [1, 2]


def test_checkpoints_are_not_written_all_the_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_CHECKPOINT_SECONDS", "1000")
    workspace = Workspace(compute.plain(), WeightStore(folder / "shelf"), folder / "points")
    perform(parent(), workspace)
    assert not (folder / "points").exists()
    with pytest.raises(KeyboardInterrupt):  # but one is when the run is stopped
        perform(parent(), workspace, interrupted_at(1))
    assert len(list((folder / "points").iterdir())) == 1


def test_a_checkpoint_comes_back_as_it_was(folder: Path) -> None:
    before, file = sweeps.made_up(1, 2), CheckpointFile(folder, "run")
    file.keep(before)
    file.flush()
    after = file.read()
    assert after and after.metadata == before.metadata
    assert list(after.network) == list(before.network)
    for name, tensor in before.network.items():
        assert torch.equal(tensor, after.network[name]) and tensor.dtype == after.network[name].dtype
        assert tensor.stride() == after.network[name].stride()
    assert torch.equal(before.random["cpu"], after.random["cpu"])
    assert after.optimiser["state"][0]["step"].item() == 2.0


@pytest.mark.parametrize("damage", ["cut", "altered", "code"])
def test_a_damaged_checkpoint_is_set_aside(folder: Path, damage: str) -> None:
    """One that holds more than data too: nothing in it is run."""
    metadata = {"done": 1, "epochs": 2, "rows": [], "made with": Path("code") if damage == "code" else ""}
    file = CheckpointFile(folder, "run")
    file.keep(replace(sweeps.made_up(1, 2), metadata=metadata))
    file.flush()
    content = file.path.read_bytes()
    if damage == "cut":
        file.path.write_bytes(content[:-1])
    elif damage == "altered":
        at = content.index(struct.pack("<f", 1.0))  # a weight
        file.path.write_bytes(content[:at] + b"x" + content[at + 1 :])
    assert file.read() is None
    assert [path.name for path in folder.iterdir()] == ["run.checkpoint.corrupt"]


def test_a_captured_state_does_not_change_with_the_network() -> None:
    from netpress import nets

    network = nets.build("cnn-16-32", 32, 10, 1 / 4)
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    sum(p.sum() for p in network.parameters()).backward()
    optimiser.step()
    kept = capture(network, TrainState(1, [], optimiser.state_dict()), {"done": 0})
    before = {name: tensor.clone() for name, tensor in kept.network.items()}
    momenta = [held["momentum_buffer"].clone() for held in kept.optimiser["state"].values()]
    optimiser.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in kept.network.items())
    after = [held["momentum_buffer"] for held in kept.optimiser["state"].values()]
    assert momenta and all(map(torch.equal, momenta, after))


@pytest.mark.parametrize(("epochs", "times"), [(3, 4), pytest.param(4, 50, marks=slow)])
def test_kills_inside_runs(tmp_path: Path, epochs: int, times: int) -> None:
    """The hashes of the final weights are in the records that are compared."""
    counts = sweeps.script(tmp_path, "kills", epochs, times, tmp_path / "kills", NETPRESS_CHECKPOINT_SECONDS="0")
    print(counts)
    assert counts["kills"] == times and counts["resumed"] > 0
    assert (counts["lost"], counts["different"]) == (0, 0)
