"""Sweeps on Ray: several nodes on this machine, one of which is killed. The nodes share no folder with the driver."""

from pathlib import Path

import pytest
import sweeps
from sweeps import EDITION, found, grid, intricate

from netpress import sweep
from netpress.errors import UserError
from netpress.runs.weights import MemoryStore, MissingWeights, WeightStore, note
from netpress.sweep.cluster import Cluster, connect

pytest.importorskip("ray", reason="Ray is not installed (extra `cluster`)")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("size", "nodes", "after"), [(4, 2, 3), pytest.param(60, 4, 20, marks=pytest.mark.slow)])
def test_a_killed_node_costs_nothing(folder: Path, tmp_path: Path, size: int, nodes: int, after: int) -> None:
    runs = (*grid(size), *intricate(2))
    sweep.ensure(runs, EDITION, workers=1)
    told = sweeps.script(tmp_path / "ray", "ray", size, nodes, after)
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
    on_ray = sweeps.command(tmp_path / "ray", *some, "--ray", "local", HOME=str(tmp_path))
    assert on_ray.returncode == 0 and "3 done now" in on_ray.stderr, on_ray.stderr
    edition = sweeps.edition_of(tmp_path / "local")
    assert found(tmp_path / "ray" / "results", edition) == found(tmp_path / "local" / "results", edition)


def test_an_address_without_a_cluster_is_told() -> None:
    with pytest.raises(UserError, match="No Ray cluster at 'nowhere:1'"):
        connect(Cluster("nowhere:1"))


def test_a_memory_store_is_a_store_too(tmp_path: Path) -> None:
    import torch

    store, state = WeightStore(tmp_path), {"a": torch.arange(3.0)}
    digest = store.save("one", state, {"history": []})
    memory = MemoryStore({"one": store.files("one")})
    found_one = memory.load("one")
    assert torch.equal(found_one[0]["a"], state["a"]) and found_one[1] == {"history": []}
    assert memory.made == {} and memory.has("one") and not memory.has("two")
    assert memory.save("two", state, {}) == digest and memory.made.keys() == {"two"}
    damaged = MemoryStore({"one": (b"x" + store.files("one")[0], note(digest, {}))})
    with pytest.raises(MissingWeights), memory.lock("one"):
        damaged.load("one")
