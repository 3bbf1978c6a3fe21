"""Tables: what a cell shows, escaping, heads, the paper's number beside ours."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from netpress.errors import UserError
from netpress.report.estimates import Estimate, interval
from netpress.report.frames import balanced, by_seed, estimates, rows_where
from netpress.report.statistics import rank_correlation
from netpress.report.tables import (
    Beside,
    Lines,
    Link,
    Printed,
    Signed,
    Table,
    Tag,
    Whole,
    beside,
    listing,
    number,
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
        (-0.01, "0.0"),
        (math.nan, "–"),
        (None, "–"),
        (True, "yes"),
        (Printed(91.3375), "91.3375"),
        (Signed(0.26), "+0.3"),
        (Signed(-0.26), "−0.3"),
        ("text", "text"),
    ],
)
def test_what_a_cell_shows(value, text):
    assert shown(value) == text


def test_a_correlation_keeps_both_of_its_bounds():
    found = rank_correlation(range(6), [1, 0, 2, 3, 5, 4])
    assert re.fullmatch(r"0\.73 \[−?[\d.]+, [\d.]+\] \(n = 6\)", shown(found, 2))


def test_numbers_have_a_true_minus_and_separators():
    assert number(-12345.678, 2) == "−12,345.68"
    assert number(0.0, 1, sign=True) == "0.0"


def test_everything_is_escaped():
    frame = pd.DataFrame({HOSTILE: [HOSTILE, Tag(HOSTILE), Link(HOSTILE, "page.html")]})
    frame.index = pd.Index([HOSTILE, "b", "c"], name=HOSTILE)
    page = Table(frame, HOSTILE, HOSTILE)._repr_html_()
    assert "<script" not in page
    assert 'alert("' not in page
    assert page.count("&lt;script&gt;") == 9
    outer = beside(frame.map(str), frame.map(str), HOSTILE)._repr_html_()
    assert "<script" not in outer


@pytest.mark.parametrize("to", ["javascript:alert(1)", "data:text/html,x", " javascript:x", "JaVaScRiPt:x"])
def test_links_lead_nowhere_strange(to):
    with pytest.raises(UserError, match="cannot link"):
        Table(pd.DataFrame({"a": [Link("x", to)]}), "c")._repr_html_()


@pytest.mark.parametrize("to", ["#figure-2", "accuracy.html#figure-2", "../a/b.html", "https://arxiv.org/abs/1"])
def test_links_lead_to_pages_and_anchors(to):
    assert f'href="{to}"' in Table(pd.DataFrame({"a": [Link("x", to)]}), "c")._repr_html_()


def test_a_table_can_be_read_aloud_and_scrolled():
    page = Table(estimates(runs(), "model", "method"), "Accuracy")._repr_html_()
    assert page.startswith('<div class="np-scroll" tabindex="0" role="region" aria-label="Table: Accuracy">')
    assert "<caption>Accuracy</caption>" in page
    assert '<th scope="col"><span class="np-number">random-frozen</span></th>' in page
    assert '<th scope="row">vgg16-block1</th>' in page
    assert '<table class="dataframe np-table">' in page
    assert 'th scope="col"></th>' not in page
    assert " id=" not in page


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


def test_lines_are_a_list():
    table = Table(pd.DataFrame({"a": [Lines(("one", "<two>"))]}), "c")
    assert "<ul><li>one</li><li>&lt;two&gt;</li></ul>" in table._repr_html_()
    assert table.to_frame()["a"].tolist() == ["one; <two>"]


def test_bytes_depend_on_the_numbers_alone():
    first, second = (Table(estimates(runs(), "model", "method"), "Accuracy")._repr_html_() for _ in range(2))
    assert first == second


def test_an_empty_table_says_so():
    assert "nothing to show yet" in listing([], "Runs")._repr_html_()
    assert "nothing to show yet" in repr(listing([], "Runs"))


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


def test_beside_keeps_the_printed_digits_and_marks_the_best_of_a_row():
    page = table_1()._repr_html_()
    assert "94.2 | <b>75.5 ± 6.4 (n = 2)</b>" in page and page.count("<b>") == 1


def test_to_frame_gives_numbers():
    frame = table_1().to_frame()
    assert frame.loc["VGG19", "Scratch ours"] == 75.5 and frame.loc["VGG19", "Scratch ours n"] == 2
    low = frame.loc["SVGG17", "Scratch ours low"]
    assert low is None or math.isnan(low)
    assert frame.loc["VGG19", "Scratch paper"] == 94.175 and frame.loc["SVGG17", "Gram paper"] == "(same as 2-stage)"


def test_cells_are_set_by_what_they_hold():
    frame = pd.DataFrame({"a": [1.0, None, Whole("1.2 points"), "x" * 60, "short"]}, dtype="object")
    page = Table(frame, "c")._repr_html_()
    kinds = re.findall(r'<td>(?:<span class="([\w-]+)">)?', page)
    assert kinds == ["np-number", "np-number", "np-whole", "np-words", ""]
    assert '<th scope="col"><span class="np-number">a</span></th>' in page


def test_listing_takes_one_dict_a_row():
    table = listing([{"claim": "T1", "verdict": Tag("supported")}, {"claim": "T2", "verdict": Tag("not run")}], "x")
    page = table._repr_html_()
    assert '<th scope="row">T2</th><td><span class="np-tag np-not-run">not run</span></td>' in page
    assert list(table.to_frame()["verdict"]) == ["supported", "not run"]


def test_a_mean_over_data_sets_takes_the_seeds_that_all_have() -> None:
    """Data set b has seed 2 alone, and half of what a has: with it the mean over seeds would be 0.6, not 0.65."""
    rows = [("a", 0, 0.9), ("a", 1, 0.8), ("b", 0, 0.5), ("b", 1, 0.4), ("b", 2, 0.5)]
    frame = pd.DataFrame(rows, columns=["dataset", "seed", "best"]).assign(status="done")
    assert list(by_seed(frame, "best")["all"]) == pytest.approx([0.7, 0.6])
    apart = by_seed(frame, "best", ("dataset",))
    assert list(apart["b"]) == pytest.approx([0.5, 0.4, 0.5]) and len(apart["a"].dropna()) == 2
    assert len(balanced(frame)) == 4 and len(balanced(frame, ["dataset"])) == 5
