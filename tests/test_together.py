"""All approaches side by side: every run has its approach, sizes and differences against a hand calculation."""

import itertools
import json

import invented
import pandas as pd
import pytest

from netpress import papers, paths
from netpress.book import evidence_links
from netpress.papers import together
from netpress.papers.paper import INTEGERS, UNCOMPRESSED, facts_of, meets
from netpress.papers.together import answers, figures
from netpress.report.estimates import Estimate
from netpress.report.scatter import brief
from netpress.runs import records

EDITIONS = dict.fromkeys(papers.PAPERS, "demo")


def test_every_run_has_an_approach_or_is_a_step():
    approaches: dict[str, set[str]] = {}
    for paper, edition in EDITIONS.items():
        for run in papers.grid(paper, edition):
            approaches.setdefault(together.approach(run), set()).add(f"{run.model} {run.method}")
    assert set(approaches) - {""} == set(together.order()) - {INTEGERS}
    steps = ("untouched", "untuned", "pruned-1x", "bit-")
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
    invented.latencies("triage", "demo", paths.results_dir())
    return together.networks(EDITIONS)


def test_sizes_are_those_of_the_records(frame):
    run = next(r for r in papers.grid("compressing", "demo") if r.method == "pruned-5x-global-retrained")
    record = records.fresh([run], "demo")[run]
    rows = frame[frame["network"] == "six layers pruned 5x, global"]
    assert len(rows) == 1
    row, held = rows.iloc[0], record["measures"]
    assert row["parameters"] == record["parameters"] * (1 - held["sparsity"])
    assert row["bytes"] == min(held["bytes_dense32"], held["bytes_sparse32"]) and row["written"]
    assert row["accuracy"] == record["last"] and pd.isna(row["latency"])
    integers = frame[frame["network"] == "six layers pruned 5x, global, int8"].iloc[0]
    assert (integers["approach"], integers["accuracy"], integers["bytes"]) == (INTEGERS, 0.8, held["bytes_int8"])
    triage = frame[frame["paper"] == "triage"]
    assert not triage["written"].any() and (triage["latency"] > 0).all()
    sizes = dict(zip(triage["network"], triage["bytes"], strict=True))
    parent = next(r for r in papers.grid("triage", "demo") if r.method == "parent")
    assert sizes["VGG16"] == 4 * records.fresh([parent], "demo")[parent]["parameters"]


def small(rows) -> pd.DataFrame:
    columns = ["approach", "network", "seed", "images", "accuracy", "parameters", "multiply_adds", "bytes", "latency"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(below=together.below(frame))


MADE = [
    (UNCOMPRESSED, "big", 0, None, 0.90, 100, 10, 400, 4.0),
    (UNCOMPRESSED, "big", 1, None, 0.92, 100, 10, 400, 4.0),
    (UNCOMPRESSED, "other", 0, None, 0.80, 50, 10, 200, 4.0),
    ("pruned", "cut", 0, None, 0.905, 20, 10, 100, 4.0),
    ("pruned", "cut", 1, None, 0.895, 20, 10, 100, 4.0),
    ("pyramid", "low", 0, None, 0.85, 10, 1, 40, 1.0),
    ("distilled", "elsewhere", 0, 500, 0.99, 1, 1, 1, 1.0),
]


def test_differences_are_to_the_best_network_of_the_same_images():
    frame = small(MADE)
    assert [round(v, 6) for v in frame["below"][:6]] == [-1.0, 1.0, -11.0, -0.5, -1.5, -6.0]
    assert pd.isna(frame["below"].iloc[6])
    means = figures.points(frame).set_index("network")["below"]
    assert "elsewhere" not in means and round(means["cut"], 6) == -1.0


def test_what_to_ship():
    frame = small(MADE)
    name, factor = figures.advice(frame, 1.0 + 1e-9, "parameters")
    assert (name, factor) == ("cut (pruned)", 5.0)
    assert figures.advice(frame, 10.0, "latency") == ("low (pyramid)", 4.0)
    assert figures.advice(frame, 0.1, "bytes") == ("not run", None)
    table = figures.table_allowed(frame).cells
    assert table.loc["pyramid", "smaller, −5"] is None and table.loc["pruned", "fewer bytes, −2"] == 4.0
    front = figures.table_front(frame).cells
    assert list(front.index) == ["big", "cut", "low"]


def test_networks_far_below_are_counted_and_not_drawn():
    figure = figures.figure_size(small([*MADE, ("pruned", "ruined", 0, None, 0.1, 5, 10, 50, 4.0)]))
    assert "1 that lose more than 15 points are not drawn" in figure.words.caption
    assert set(figure.data["network"]) == {"big", "other", "cut", "low"}


def test_no_networks_are_no_error():
    empty = small(MADE[:0])
    assert "nothing to show yet" in figures.figure_size(empty).svg
    assert figures.advice(empty, 1.0, "bytes") == ("not run", None)
    assert len(figures.table_allowed(empty).cells) == 0


# --- answers --------------------------------------------------------------------------------------------------------


def kept(label: str, number: str) -> float:
    """A number of a record of the demo, read without any of the code that makes tables."""
    paper, _, rest = label.partition("/")
    file = paths.results_dir() / "demo" / paper / "digits" / f"{rest}-s0.json"
    return json.loads(file.read_text())[number]


def found(shown: str, said: str) -> Estimate:
    (one,) = [each for each in answers.ANSWERS if each.shown == shown and said in each.what]
    return one.found(papers.runs_frame(one.paper, "demo"))


def test_answers_by_hand(frame):
    """Differences of the records themselves, in points."""
    first = [kept(f"triage/vgg16-block1-{start}-frozen", "best") for start in ("random", "mean", "student-teacher")]
    expected = {
        ("criticality", "first block"): sum(first) / 3 - kept("triage/vgg16-parent", "best"),
        ("over_scratch", "backward"): kept("pyramid/svgg5-backward-two-stages", "best")
        - kept("pyramid/svgg5-backward-scratch", "best"),
        ("native", "nothing frozen"): kept("pyramid/svgg5-forward-two-stages-thawed", "best")
        - kept("pyramid/svgg5-forward-native", "best"),
        ("pruned", "one weight of five"): kept("compressing/vgg16-pruned-5x-global-retrained", "last")
        - kept("compressing/vgg16-pruned-1x-global-retrained", "last"),
        ("schedules", "ten times"): kept("compressing/bit-r14x1-matched-10x", "last")
        - kept("compressing/bit-r14x1-matched-1x", "last"),
    }
    for (shown, said), difference in expected.items():
        answer = found(shown, said)
        assert answer.n == 1 and answer.mean == pytest.approx(100 * difference)


@pytest.mark.parametrize("paper", list(EDITIONS))
def test_every_answer_and_every_claim_leads_to_a_figure_or_table_of_the_book(paper):
    shown = evidence_links.links(paper)
    assert {answer.shown for answer in answers.ANSWERS if answer.paper == paper} < set(shown)
    for claim in papers.get(paper).claims:
        assert claim.rests_on and set(claim.rests_on) <= set(shown), claim.id


@pytest.mark.parametrize(("value", "said"), [(0.2, "0.2"), (50, "50"), (2000, "2k"), (1.5e6, "1.5M"), (1e9, "1G")])
def test_brief_numbers(value, said):
    assert brief(value) == said
