"""Tables: what a cell shows, escaping, heads, the paper's number beside ours."""

import math

import numpy as np
import pandas as pd
import pytest

from netpress.errors import UserError
from netpress.report.estimates import Estimate, interval
from netpress.report.frames import balanced, by_seed, estimates, rows_where
from netpress.report.tables import (
    Beside,
    Signed,
    Table,
    Whole,
    beside,
    listing,
    named_runs,
    shown,
)

HOSTILE = '<script>alert("x")</script>&\'"'


def runs(**changes):
    rows = [
        {"dataset": "cifar10", "model": f"vgg16-block{b}", "method": m, "seed": s, "status": "done",
         "edition": "small", "best": 0.7 + 0.01 * b + 0.001 * s, "last": 0.7}
        for b in (1, 2) for m in ("random-frozen", "mean-thawed") for s in (0, 1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**changes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (interval([93.0, 93.1, 93.2]), "93.1 ± 0.2 (n = 3)"),
        (interval([93.1]), "93.1 (one run)"),
        (interval([]), "not run"),
        (Estimate(0.5, -0.25, 0.75, 9), "0.5 [−0.2, 0.8] (n = 9)"),
        (Estimate(0.5, None, None, 3), "0.5 (n = 3)"),
        (1234567, "1,234,567"),
        (np.int64(12), "12"),
        (-1.25, "−1.2"),
        (-12345.678, "−12,345.7"),
        (-0.01, "0.0"),
        (math.nan, "–"),
        (None, "–"),
        (True, "yes"),
        (Signed(0.26), "+0.3"),
        (Signed(-0.26), "−0.3"),
        ("text", "text"),
    ],
)
def test_what_a_cell_shows(value, text):
    assert shown(value) == text


def test_everything_is_escaped():
    frame = pd.DataFrame({HOSTILE: [HOSTILE, Whole(HOSTILE)]}, index=pd.Index([HOSTILE, "b"], name=HOSTILE))
    for page in (Table(frame, HOSTILE, HOSTILE), beside(frame.map(str), frame.map(str), HOSTILE)):
        assert "<script" not in page._repr_html_() and page._repr_html_().count("&lt;script&gt;") >= 7


def test_a_table_can_be_read_aloud_and_scrolled():
    page = Table(estimates(runs(), "model", "method"), "Accuracy")._repr_html_()
    assert page.startswith('<div class="np-scroll" tabindex="0" role="region" aria-label="Table: Accuracy">')
    assert "<caption>Accuracy</caption>" in page
    assert '<th scope="col"><span class="np-number">random-frozen</span></th>' in page
    assert '<th scope="row">vgg16-block1</th>' in page and " id=" not in page
    table = listing([{"claim": "T1", "found": Whole("1.2 points"), "p": None}, {"claim": "T2", "found": "x" * 60}], "x")
    page = table._repr_html_()
    assert '<th scope="row">T2</th><td><span class="np-words">xxx' in page and 'class="np-whole">1.2 points' in page
    assert "nothing to show yet" in listing([], "Runs")._repr_html_() and "nothing to show yet" in repr(
        listing([], "x")
    )


def test_the_runs_behind_a_row_are_for_the_csv_alone():
    rows = runs().assign(name=lambda held: held["model"] + held["seed"].map(str))
    table = Table(named_runs(estimates(rows, "model", "method"), rows), "Accuracy")
    assert table.to_frame()["runs"].iloc[0] == "vgg16-block10 vgg16-block11 vgg16-block12"
    assert "block10" not in table._repr_html_() and "block10" not in repr(table)


def test_an_n_that_all_cells_share_is_said_once():
    alike = Table(estimates(runs(), "model", "method"), "Accuracy")._repr_html_()
    assert "(n = 3)" not in alike
    assert '<p class="np-note">Every cell: n = 3.</p>' in alike
    frame = runs()
    frame.loc[(frame["seed"] == 2) & (frame["model"] == "vgg16-block1"), "status"] = "stale"
    mixed = Table(estimates(frame, "model", "method"), "Accuracy")._repr_html_()
    assert mixed.count("(n = 3)") == mixed.count("(n = 2)") == 2
    assert "Every cell" not in mixed
    single = Table(estimates(runs().query("seed == 0"), "model", "method"), "Accuracy", "A note.")._repr_html_()
    assert "A note. Every cell: one run." in single and "±" not in single


def test_estimates_average_within_a_seed_first():
    cells = estimates(runs(), "model", "method")
    found = cells.loc["vgg16-block2", "mean-thawed"]
    assert found.n == 3
    assert found.mean == pytest.approx(100 * np.mean([0.72, 0.721, 0.722]))
    halves = estimates(runs().assign(all="x"), "all", "method").loc["x", "mean-thawed"]
    assert halves.n == 3


def test_only_finished_runs_count_and_editions_never_mix():
    frame = runs()
    frame.loc[frame["seed"] == 2, "status"] = "stale"
    assert estimates(frame, "model", "method").iloc[0, 0].n == 2
    frame.loc[frame["model"] == "vgg16-block1", "status"] = "missing"
    assert shown(estimates(frame, "model", "method").loc["vgg16-block1", "mean-thawed"]) == "not run"
    with pytest.raises(UserError, match="editions"):
        by_seed(pd.concat([runs(), runs(edition="large")]), "best")


def test_pick_by_value_glob_collection_and_predicate():
    frame = runs()
    assert set(rows_where(frame, {"method": "*-thawed"})["method"]) == {"mean-thawed"}
    assert set(rows_where(frame, {"seed": (0, 1), "model": "vgg16-block?"})["seed"]) == {0, 1}
    assert len(rows_where(frame, {"best": lambda x: x > 0.7215})) == 2
    assert len(rows_where(frame, {"method": ["random-*", "mean-*"]})) == len(frame)
    with pytest.raises(UserError, match="lacks level"):
        rows_where(frame, {"level": 1})


def table_1():
    printed = pd.DataFrame(
        {"Scratch": [94.175, 93.925], "Gram": [None, "(same as 2-stage)"]}, index=["VGG19", "SVGG17"]
    )
    printed.index.name = "Architecture"
    ours = pd.DataFrame(
        {"Scratch": [interval([75.0, 76.0]), interval([74.0])], "Thawed": [interval([70.0]), interval([])]},
        index=["VGG19", "SVGG17"],
    )
    return beside(printed, ours, "Table 1")


def test_beside_shows_the_papers_number_ours_and_the_difference():
    cells = table_1().cells
    assert [shown(v) for v in cells.loc["SVGG17"]] == [
        "93.9 | 74.0 (one run)", "(same as 2-stage) | not run", "– | not run",
    ]  # fmt: skip
    assert [shown(v) for v in cells.loc["VGG19"]] == [
        "94.2 | 75.5 ± 6.4 (n = 2)", "not run", "– | 70.0 (one run)",
    ]  # fmt: skip
    assert shown(Beside("as 2 stages", "as 2 stages")) == "as 2 stages" and shown(Beside(None, None)) == "–"
    assert shown(Beside(50.0, interval([50.0]))) == "50.0 | 50.0 (one run)"
    page = table_1()._repr_html_()
    assert "94.2\u00a0| <b>75.5\u00a0±\u00a06.4 (n = 2)</b>" in page and page.count("<b>") == 1


def test_to_frame_gives_numbers():
    frame = table_1().to_frame()
    assert frame.loc["VGG19", "Scratch ours"] == 75.5 and frame.loc["VGG19", "Scratch ours n"] == 2
    low = frame.loc["SVGG17", "Scratch ours low"]
    assert low is None or math.isnan(low)
    assert frame.loc["VGG19", "Scratch paper"] == 94.175 and frame.loc["SVGG17", "Gram paper"] == "(same as 2-stage)"


def test_a_mean_over_data_sets_takes_the_seeds_that_all_have() -> None:
    """Data set b has seed 2 alone, and half of what a has: with it the mean over seeds would be 0.6, not 0.65."""
    rows = [("a", 0, 0.9), ("a", 1, 0.8), ("b", 0, 0.5), ("b", 1, 0.4), ("b", 2, 0.5)]
    frame = pd.DataFrame(rows, columns=["dataset", "seed", "best"]).assign(status="done")
    assert list(by_seed(frame, "best")["all"]) == pytest.approx([0.7, 0.6])
    apart = by_seed(frame, "best", ("dataset",))
    assert list(apart["b"]) == pytest.approx([0.5, 0.4, 0.5]) and len(apart["a"].dropna()) == 2
    assert len(balanced(frame)) == 4 and len(balanced(frame, ["dataset"])) == 5
