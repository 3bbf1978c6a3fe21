"""All approaches side by side: every run has its approach, sizes and differences against a hand calculation."""

import itertools
import json

import invented
import pandas as pd
import pytest

from netpress import env, papers
from netpress.papers import together
from netpress.papers.paper import INTEGERS, UNCOMPRESSED, facts_of, meets
from netpress.runs import records

EDITIONS = dict.fromkeys(papers.PAPERS, "demo")


def test_every_run_has_an_approach_or_is_a_step():
    approaches: dict[str, set[str]] = {}
    for paper, edition in EDITIONS.items():
        for run in papers.grid(paper, edition):
            approaches.setdefault(together.approach(run), set()).add(f"{run.model} {run.method}")
    assert set(approaches) - {""} == set(together.order()) - {INTEGERS}
    steps = ("untouched", "untuned", "pruned-1x", "bit-", "constant", "augmented", "control", "soft-targets")
    assert all(any(step in name for step in steps) for name in approaches[""])
    assert approaches[UNCOMPRESSED] == {
        "vgg16 parent", "vgg19 parent", "six-layer parent", "cnn-256-512 teacher",
    } | ({"vgg19 native"} & approaches[UNCOMPRESSED])  # fmt: skip


def test_no_run_stands_for_two_approaches():
    for paper, edition in itertools.product(papers.PAPERS, ("demo", "small")):
        for run in papers.grid(paper, edition):
            wheres = papers.get(paper).approaches.values()
            assert sum(any(meets(facts_of(run), where) for where in each) for each in wheres) <= 1, run.name


def test_approaches_are_in_the_order_of_the_papers():
    assert together.order() == (
        "uncompressed", "one block replaced", "pyramid", "straight from VGG19", "small from the start", "pruned",
        "weights shared", "8-bit integers", "distilled",
    )  # fmt: skip


def test_the_common_data_set_is_that_of_most_papers():
    assert together.common(EDITIONS) == "digits"
    assert together.common(dict.fromkeys(EDITIONS, "small")) == "cifar10"


@pytest.mark.parametrize("edition", ["demo", "small", "paper"])
@pytest.mark.parametrize("paper", list(EDITIONS))
def test_networks_that_are_compared_have_names_of_their_own(paper, edition):
    runs = [run for run in papers.shown(paper, edition) if together.approach(run)]
    named = {(papers.get(paper).called(run), run.dataset, run.model, run.method) for run in runs}
    assert len({name[:2] for name in named}) == len(named)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("vgg16-block3 mean-thawed", "VGG16, block 3 mean-thawed"),
        ("svgg14-forward gram-thawed", "SVGG14 forward, Gram, thawed"),
        ("six-layer shared-4b-5x-tuned", "six layers pruned 5x, 4 bits"),
        ("cnn-16-32 distilled-t10-a0.9-squared", "CNN 16-32 distilled, T = 10, alpha = 0.9, T squared"),
        ("vgg16 narrow-20x-alone", "VGG16 narrow 20x, alone"),
    ],
)
def test_networks_are_called_in_words(label, name):
    runs = [run for paper in EDITIONS for run in papers.grid(paper, "demo") if f"{run.model} {run.method}" == label]
    assert [papers.get(run.paper).called(run) for run in runs] == [name]


@pytest.fixture
def frame(invent):
    invent("demo")
    invented.latencies("triage", "demo", env.results_dir())
    return together.networks(EDITIONS)


def test_sizes_are_those_of_the_records(frame):
    run = next(r for r in papers.grid("compressing", "demo") if r.method == "pruned-5x-global-retrained")
    record = records.fresh([run], "demo")[run]
    rows = frame[frame["network"] == "six layers pruned 5x, global"]
    assert len(rows) == 1
    row, held = rows.iloc[0], record["measures"]
    assert row["parameters"] == record["parameters"] * (1 - held["sparsity"])
    assert row["bytes"] == min(held["bytes_dense32"], held["bytes_sparse32"])
    assert row["accuracy"] == record["last"] and pd.isna(row["latency"])
    integers = frame[frame["network"] == "six layers pruned 5x, global, int8"].iloc[0]
    assert (integers["approach"], integers["accuracy"], integers["bytes"]) == (INTEGERS, 0.8, held["bytes_int8"])
    triage = frame[frame["paper"] == "triage"]
    assert (triage["latency"] > 0).all()
    sizes = dict(zip(triage["network"], triage["bytes"], strict=True))
    parent = next(r for r in papers.grid("triage", "demo") if r.method == "parent")
    assert sizes["VGG16"] == 4 * records.fresh([parent], "demo")[parent]["parameters"]


def small(rows) -> pd.DataFrame:
    columns = ["approach", "network", "name", "origin", "seed", "images", "accuracy", "parameters", "multiply_adds"]
    frame = pd.DataFrame(rows, columns=[*columns, "bytes", "latency"]).assign(paper="triage")
    return together.against_own(frame)


MADE = [
    (UNCOMPRESSED, "big", "big-s0", "", 0, None, 0.90, 100, 10, 400, 4.0),
    (UNCOMPRESSED, "big", "big-s1", "", 1, None, 0.92, 100, 10, 400, 4.0),
    (UNCOMPRESSED, "other", "other-s0", "", 0, None, 0.80, 50, 10, 200, 4.0),
    ("pruned", "cut", "cut-s0", "big-s0", 0, None, 0.905, 20, 10, 100, 4.0),
    ("pruned", "cut", "cut-s1", "big-s1", 1, None, 0.895, 20, 10, 100, 4.0),
    ("pruned", "worse", "worse-s0", "big-s0", 0, None, 0.70, 40, 10, 200, 4.0),
    ("pyramid", "low", "low-s0", "other-s0", 0, None, 0.79, 8, 1, 40, 1.0),
    ("distilled", "elsewhere", "elsewhere-s0", "big-s0", 0, 500, 0.99, 1, 1, 1, 1.0),
]


def test_each_network_is_compared_with_the_one_that_it_came_from():
    means = together.points(small(MADE)).set_index("network")
    assert "elsewhere" not in means.index and "big" not in means.index  # other images; nothing to compare with
    cut, low, other = (means.loc[name] for name in ("cut", "low", "other"))
    assert (round(cut["against_own"], 6), cut["times_bytes"], cut["n"], cut["runs"]) == (-1.0, 4.0, 2, "cut-s0 cut-s1")
    assert (round(low["against_own"], 6), low["times_parameters"], low["times_latency"]) == (-1.0, 6.25, 4.0)
    assert (other["method"], round(other["against_own"], 6), other["times_bytes"]) == ("small, alone", -10.0, 2.0)


def test_what_to_ship():
    frame = small(MADE)
    assert set(together.best_of(frame, "bytes")["network"]) == {
        "cut",
        "low",
        "other",
    }  # nobody ships what another beats
    assert together.advice(frame, 1.0 + 1e-9, "parameters") == ("low (shallower)", 6.25)
    assert together.advice(frame, 0.1, "bytes") == ("not run", None)
    table = together.table_allowed(frame).cells
    assert table.loc["small, alone", "fewer bytes, −5"] is None and table.loc["pruned", "fewer bytes, −2"] == 4.0
    chart = together.tradeoff(frame, "bytes")
    assert chart.words.finding == "Shallower: 5.0 times fewer bytes within a point" and "cut-s1" in " ".join(
        chart.data["runs"]
    )


def test_networks_far_below_are_not_drawn_and_none_are_no_error():
    ruined = ("pruned", "ruined", "ruined-s0", "big-s0", 0, None, 0.1, 5, 10, 50, 4.0)
    figure = together.tradeoff(small([*MADE, ruined]))
    assert "ruined" in set(figure.data["network"]) and "ruined" not in figure.svg
    empty = small(MADE[:0])
    assert "nothing to show yet" in together.tradeoff(empty).svg
    assert together.advice(empty, 1.0, "bytes") == ("not run", None)
    assert len(together.table_allowed(empty).cells) == 0


def test_our_parents_stand_beside_published_ones():
    runs = pd.DataFrame({
        "dataset": ["cifar10", "cifar10", "dogs"], "model": "vgg16", "method": "parent", "seed": [0, 1, 0],
        "best": [0.76, 0.78, 0.1], "status": "done", "name": ["a", "b", "c"],
    })  # fmt: skip
    table = together.table_parents(runs)
    assert list(table.cells.index) == ["VGG16, CIFAR-10"] and table.to_frame()["runs"].iloc[0] == "a b"
    assert table.cells["published, %"].iloc[0] == 92.64 and table.cells["ours, %"].iloc[0].mean == pytest.approx(77)
    assert together.figure_parents(runs).words.finding == "Our networks are up to 17 points below published ones"


# --- answers --------------------------------------------------------------------------------------------------------


def kept(label: str, number: str) -> float:
    """A number of a record of the demo, read without any of the code that makes tables."""
    paper, _, rest = label.partition("/")
    file = env.results_dir() / "demo" / paper / "digits" / f"{rest}-s0.json"
    return json.loads(file.read_text())[number]
