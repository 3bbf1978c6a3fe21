"""Sweeps on Ray: several nodes on this machine, one of which is killed. The nodes share no folder with the driver."""

import http.server
import signal
import socket
import threading
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
    long = tmp_path / ("x" * 60)  # as batch systems set TMPDIR: too long for Ray's sockets
    long.mkdir()
    on_ray = sweeps.command(tmp_path / "ray", *some, "--ray", "local", HOME=str(tmp_path), TMPDIR=str(long))
    assert on_ray.returncode == 0 and "3 done now" in on_ray.stderr, on_ray.stderr
    edition = sweeps.edition_of(tmp_path / "local")
    assert found(tmp_path / "ray" / "results", edition) == found(tmp_path / "local" / "results", edition)


def test_an_address_without_a_cluster_is_told() -> None:
    with pytest.raises(UserError, match="No Ray cluster at 'nowhere:1'"):
        connect(Cluster("nowhere:1"))


def test_something_else_that_listens_is_told_at_once(folder: Path) -> None:
    """A web server, and one that never answers: Ray alone would wait for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        web = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("netpress.sweep.cluster.PATIENCE", 0.5)
            for port, reason in (
                (web.server_port, "something else listens"),
                (listening.getsockname()[1], "timed out"),
            ):
                with pytest.raises(UserError, match=f"No Ray cluster at '127.0.0.1:{port}' .{reason}"):
                    sweep.ensure(grid(1), EDITION, cluster=Cluster(f"127.0.0.1:{port}"))
        web.shutdown()
        web.server_close()
    assert list(folder.rglob("*.lease")) == [] and list(folder.rglob("*.json")) == []


def test_sigterm_while_ray_begins_is_no_missing_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked_to_end(*_: object, **__: object) -> None:
        raise SystemExit(signal.SIGTERM)  # what Ray's own handler does

    monkeypatch.setattr("ray.init", asked_to_end)
    with pytest.raises(sweep.Interrupted) as end:
        connect(Cluster("local"))
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
    damaged = MemoryStore({"one": (b"x" + store.files("one")[0], note(digest, {}))})
    with pytest.raises(MissingWeights), memory.lock("one"):
        damaged.load("one")
