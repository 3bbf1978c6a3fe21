"""Sweeps on Ray: several nodes on this machine, one of which is killed. The nodes share no folder with the driver."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sweeps
from sweeps import EDITION, found, grid, intricate

from netpress.errors import Interrupted, UserError
from netpress.runs import sweep
from netpress.runs.ray import Remote, connect
from netpress.runs.store import MemoryStore, MissingWeights, WeightStore

pytest.importorskip("ray", reason="Ray is not installed (extra `cluster`)")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_node_costs_nothing(folder: Path, tmp_path: Path) -> None:
    runs = (*grid(4), *intricate(2))
    sweep.ensure(runs, EDITION, workers=1)
    told = sweeps.script(tmp_path / "ray", "ray", 4, 2, 3)  # two nodes, of which one is killed after three runs
    print(told)
    assert (told["done"], told["others"]) == (len(runs), 0)
    assert found(tmp_path / "ray" / "results") == found(folder / "results")
    weights = {path.name: path.read_bytes() for path in WeightStore().folder.glob("*.safetensors")}
    assert weights == {path.name: path.read_bytes() for path in (tmp_path / "ray" / "cache").rglob("*.safetensors")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_line_on_a_ray_of_its_own(tmp_path: Path) -> None:
    words = ("--set", "images=96", "--set", "epochs=1", "--set", "parent_epochs=1", "--set", "width=0.02")
    some = ("run", "triage", *words, "--only", "*block5-random*", "--workers", "2")
    assert sweeps.command(tmp_path / "local", *some).returncode == 0
    long = tmp_path / ("x" * 60)  # as batch systems set TMPDIR: too long for Ray's sockets
    long.mkdir()
    on_ray = sweeps.command(tmp_path / "ray", *some, "--ray", "local", HOME=str(tmp_path), TMPDIR=str(long))
    assert on_ray.returncode == 0 and "3 done now" in on_ray.stderr, on_ray.stderr
    edition = sweeps.edition_of(tmp_path / "local")
    assert found(tmp_path / "ray" / "results", edition) == found(tmp_path / "local" / "results", edition)


@pytest.mark.parametrize("address", ["nowhere:x", "127.0.0.1:1"])
def test_an_address_without_a_cluster_is_told_at_once(folder: Path, address: str) -> None:
    with pytest.raises(UserError, match=f"No Ray cluster at '{address}'"):
        sweep.ensure(grid(1), EDITION, cluster=partial(Remote, address=address))
    assert list(folder.rglob("*.lock")) == list(folder.rglob("*.json")) == []


def test_whatever_ray_raises_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.init", slow)
    with pytest.raises(UserError, match=r"does not start on this machine \(The current node timed out"):
        connect("local")


class SmallCluster:
    """What we ask of Ray, for a cluster of one core and one GPU."""

    down = False

    def nodes(self) -> list[dict]:
        return [{"Alive": True, "Resources": {"CPU": 1.0, "GPU": 1.0}}, {"Alive": False, "Resources": {"GPU": 8.0}}]

    def shutdown(self) -> None:
        self.down = True


@pytest.mark.parametrize(("gpus", "wanted"), [(1.5, "a part of one GPU"), (2, "the most is 1")])
def test_half_a_gpu_too_many_is_told_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, gpus: float, wanted: str
) -> None:
    small = SmallCluster()
    monkeypatch.setattr("netpress.runs.ray.connect", lambda *_: small)
    with pytest.raises(UserError, match=wanted):
        sweep.ensure(grid(1), EDITION, cluster=partial(Remote, address="local", gpus_per_run=gpus))
    assert small.down and list(folder.rglob("*.lock")) == list(folder.rglob("*.json")) == []


def test_a_user_error_on_the_cluster_is_no_failed_run() -> None:
    class Told(Exception):
        cause = UserError("data are altered")

    class Ray:
        exceptions = type("exceptions", (), {"RayError": Told, "NodeDiedError": KeyError})

        @staticmethod
        def get(reference: Any) -> Any:
            raise Told

    remote = Remote(WeightStore(), "local")
    remote.ray = Ray
    with pytest.raises(UserError, match="data are altered"):
        remote.end(None)


def test_sigterm_while_ray_begins_is_no_missing_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked_to_end(*_: object, **__: object) -> None:
        raise SystemExit(signal.SIGTERM)  # what Ray's own handler does

    monkeypatch.setattr("ray.init", asked_to_end)
    with pytest.raises(Interrupted) as end:
        connect("local")
    assert end.value.code == 143


def test_a_memory_store_is_a_store_too(tmp_path: Path) -> None:
    import torch

    store, state = WeightStore(tmp_path), {"a": torch.arange(3.0)}
    digest = store.save("one", state, {"history": []})
    memory = MemoryStore({"one": store.files("one")})
    found_one = memory.load("one")
    assert torch.equal(found_one[0]["a"], state["a"]) and found_one[1] == {"history": []}
    assert memory.made == {} and memory.has("one") and not memory.has("two")
    assert memory.save("two", state, {}) == digest and memory.made.keys() == {"two"}
    damaged = MemoryStore({"one": (b"x" + store.files("one")[0], store.files("one")[1])})
    with pytest.raises(MissingWeights):
        damaged.load("one")
