"""The rules that decide claims, against numpy, scipy and formulas written out; and verdicts made anew from records."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from netpress.report.claims import Claim, Evidence, decide, judge_all
from netpress.report.tests import (
    Comparison,
    Contrast,
    Family,
    Found,
    Measure,
    all_of,
    correlation_test,
    count_test,
    difference_test,
    equivalence_test,
    slope_test,
)

POINTS = Measure("best", "points", 100.0, equal=0.5)
A, B = np.array([1.0, 2.5, 1.8, 3.1]), np.array([0.2, -0.6, 0.9, 1.4, 0.1, 0.7])
DIFFERENCE = difference_test(Contrast({"method": "new"}, {"method": "old"}))


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(Family, "draws", 2000)


def family(values, **more):
    """Comparisons on one data set, a row of `values` each."""
    return Family([Comparison(str(i), {"a": row}, **more) for i, row in enumerate(np.asarray(values))])


def runs(numbers, dataset="a", **more):
    """A row a run: method -> one accuracy a seed, in points."""
    rows = [
        {"dataset": dataset, "seed": seed, "method": method, "best": value / 100, "status": "done"} | more
        for method, values in numbers.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def verdict(frame, test=DIFFERENCE, **more):
    claim = Claim("X1", "any", "It is so.", "section 1", "new and old", "Mean", "0 points", test, **more)
    return judge_all([claim], frame)[0]


# HOW SURE ONE MAY BE --------------------------------------------------------------------------------------------------


def test_the_mean_over_data_sets_by_hand():
    """Satterthwaite's df of the mean of two means, as Welch's; its p and its interval are Student's."""
    found = Family([Comparison("", {"a": A, "b": B}, threshold=0.4, equal=2.0)])
    parts = [A.var(ddof=1) / 4 / 4, B.var(ddof=1) / 6 / 4]
    mean, se = (A.mean() + B.mean()) / 2, math.sqrt(sum(parts))
    df = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 5)
    assert (found.mean[0], found.se[0], found.df[0], found.n) == pytest.approx((mean, se, df, 4))
    assert found.p == pytest.approx(2 * stats.t.sf((mean - 0.4) / se, df))
    assert found.p_against == pytest.approx(min(1, 2 * stats.t.cdf((mean - 0.4) / se, df)))
    assert found.p_equal == pytest.approx(2 * stats.t.sf((2.0 - mean) / se, df))
    assert found.interval(0, 0.05) == pytest.approx(stats.t.interval(0.95, df, mean, se))


def test_variances_that_agree_are_pooled_with_boxs_df():
    values = np.random.default_rng(1).normal(size=(3, 7)) + np.arange(3)[:, None]
    assert stats.bartlett(*values).pvalue > 0.05
    covariance = np.cov(values)
    found = family(values)
    assert found.se == pytest.approx(np.full(3, math.sqrt(np.trace(covariance) / 3 / 7)))
    assert found.df == pytest.approx(np.full(3, 6 * np.trace(covariance) ** 2 / np.trace(covariance @ covariance)))
    apart = Family([Comparison("", {"a": row}, Measure(str(i), "points")) for i, row in enumerate(values)])
    assert apart.se == pytest.approx(values.std(axis=1, ddof=1) / math.sqrt(7))  # never over different measures


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(1, 4), st.integers(2, 9), st.integers(2, 5))
def test_variances_agree_where_bartlett_says_so(seed, ratio, seeds, many):
    values = np.random.default_rng(seed).normal(size=(many, seeds)) * np.linspace(1, ratio, many)[:, None]
    pooled = family(values).strata[0].groups != []
    assert pooled == (stats.bartlett(*values).pvalue > 0.05)


def test_a_claim_holds_as_surely_as_its_weakest_part():
    values = np.array([A, A[::-1] + 1, A * 3])
    found = family(values, threshold=0.5)
    assert found.p == found.each_p.max()
    lone = [Family([one]).p for one in family(values * 10).comparisons]
    assert all(p is not None for p in lone)


@pytest.mark.parametrize(("more", "shared"), [((True,) * 6, 0.0), ((True,) * 6, 0.9), ((True, False) * 3, 0.7)])
def test_claims_that_just_do_not_fail_are_seldom_contradicted(more, shared, monkeypatch):
    """Six comparisons exactly at their thresholds, the seeds of two data sets: the error is near alpha / 2, since a
    two-sided p is twice the smaller tail."""
    monkeypatch.setattr(Family, "draws", 400)
    generator, found, tries, alpha = np.random.default_rng(0), 0, 300, 0.2
    for _ in range(tries):
        drawn = {
            name: math.sqrt(shared) * generator.normal(size=n) + math.sqrt(1 - shared) * generator.normal(size=(6, n))
            for name, n in {"a": 5, "b": 8}.items()
        }
        each = [Comparison("", {name: own[i] for name, own in drawn.items()}, more=more[i]) for i in range(6)]
        found += Family(each).p_against < alpha
    assert 0.04 < found / tries < 0.17


def test_one_clear_violation_among_many_is_found():
    values = np.random.default_rng(2).normal(size=(12, 8)) + 1
    values[7] -= 6
    found = family(values)
    assert found.p_against < 0.01 and Evidence(Found(found.comparisons)).word(0.05) == "contradicted"
    assert decide(Evidence(Found(found.comparisons)), 0.05)["part"] == "7"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 9))
def test_the_smallest_p_costs_no_more_than_bonferronis_correction(seed, many, seeds):
    found = family(np.random.default_rng(seed).normal(-0.5, 1, size=(many, seeds)))
    smallest = found.each_p_against.min()
    assert smallest <= found.p_against <= min(1.0, many * smallest)


def test_the_bounds_of_one_number_cannot_both_be_met():
    """Two bounds around a number cost no correction against the claim: only one of them can be broken."""
    wide = Comparison("", {"a": np.tile(A, 3)}, threshold=-1.0)
    both = Family([wide, replace(wide, threshold=1.6, more=False)])
    assert both.p_against == pytest.approx(Family(both.comparisons[1:]).p_against, rel=0.25)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), st.floats(-2, 2), st.integers(1, 4), st.integers(2, 9), st.booleans(), st.floats(0.01, 0.3)
)
def test_the_interval_agrees_with_the_verdict(seed, centre, many, seeds, more, alpha):
    values = np.random.default_rng(seed).normal(centre, 1, size=(many, seeds))
    evidence = Evidence(Found(family(values, threshold=0.3, more=more).comparisons))
    word, sign = evidence.word(alpha), 1 if more else -1
    ends = [sorted(sign * (end - 0.3) for end in evidence.family.interval(i, alpha)) for i in range(many)]
    if word != "no difference that matters":
        assert (word == "supported") == all(low > 0 for low, _ in ends)
        assert (word == "contradicted") == any(high < 0 for _, high in ends)
    else:  # it cannot be: no margin was stated
        raise AssertionError(word)


def test_no_spread_and_a_single_seed():
    assert family([[1.0, 1.0], [2.0, 2.0]]).p == 0 and family([[-1.0, -1.0], [1.0, 2.0]]).p_against == 0
    assert family([[0.0, 0.0]]).p == 1
    single = family([[3.0]])
    assert (single.p, single.p_against, single.p_equal, single.interval(0, 0.05)) == (None,) * 4
    empty = Evidence(Found((Comparison("", {"a": np.array([np.nan]), "b": A}),), lost="1 diverged do not count"))
    assert decide(empty, 0.05) == {"verdict": "not run", "reason": "1 diverged do not count"}


def test_seeds_count_where_every_comparison_has_them():
    gap = np.array([1.0, np.nan, 2.0, 4.0])
    assert family([A, gap]).mean == pytest.approx([A[[0, 2, 3]].mean(), 7 / 3])
    assert family([A, gap]).n == 3


# HOW A TEST IS BUILT --------------------------------------------------------------------------------------------------


def test_words_of_a_difference():
    up, even = [51, 52.0, 51.4], [50.0, 50.1, 49.9]
    assert verdict(runs({"new": up, "old": even})).verdict == "supported"
    assert verdict(runs({"new": even, "old": up})).verdict == "contradicted"
    small = verdict(runs({"new": [50.0, 50.1, 50.0], "old": even}))
    assert small.verdict == "no difference that matters" and -0.5 < small.low < small.high < 0.5
    assert verdict(runs({"new": [52.0, 49.0, 55.0], "old": even})).verdict == "undecided"
    one = verdict(runs({"new": [90.0], "old": [10.0]}))
    assert (one.verdict, one.n, one.low) == ("undecided", 1, None) and one.effect == pytest.approx(80)
    frame = runs({"new": up, "old": even})
    frame.loc[0, "status"] = "missing"
    lacking = verdict(frame)
    assert (lacking.verdict, lacking.reason, lacking.n) == ("not run", "1 of 6 runs are missing", 0)


def test_where_a_claim_begins_to_fail():
    frame = runs({"new": [50.3, 50.2, 50.25], "old": [50.0] * 3})
    forgiving = difference_test(Contrast({"method": "new"}, {"method": "old"}), 0.5, "less", fails_at=0.1)
    strict = difference_test(Contrast({"method": "new"}, {"method": "old"}), 0.1, "less")
    assert verdict(frame, strict).verdict == "contradicted"
    assert verdict(frame, forgiving).verdict == "no difference that matters"  # holds, and is broken: both a little


def test_cells_are_counted_by_hand():
    frame = pd.concat([
        runs({"new": [3, 4], "old": [1, 2]}, block=1), runs({"new": [3, 0], "old": [1, 5]}, block=2),
        runs({"new": [9, 9], "old": [1, 1]}, "b", block=1),
    ], ignore_index=True)  # fmt: skip
    test = difference_test(Contrast({"method": "new"}, {"method": "old"}, by=("dataset", "block")))
    assert verdict(frame, test).cells == (2, 3)
    every = difference_test(Contrast({"method": "new"}, {"method": "old"}, by=("block",), every=("dataset",)))
    assert [(one.part, one.cells) for one in every.run(frame).comparisons] == [("a", (1, 2)), ("b", (1, 1))]


def test_quotients_are_of_geometric_means():
    test = difference_test(Contrast({"method": "new"}, {"method": "old"}, Measure("best", "times", ratio=True)), 2.0)
    found = verdict(runs({"new": [6, 5, 8], "old": [1, 2, 2]}), test)
    assert found.effect == pytest.approx((6 * 2.5 * 4) ** (1 / 3)) and found.holds == (pytest.approx(2.0), None)


def test_slopes_are_numpys():
    generator = np.random.default_rng(3)
    values = generator.normal(50, 1, size=(3, 5))
    frame = runs(dict(zip(("low", "mid", "top"), values, strict=True)))
    order = {"low": 0.0, "mid": 1.0, "top": 3.0}
    (found,) = slope_test({}, "method", order).run(frame).comparisons
    assert found.values["a"] == pytest.approx([np.polyfit(list(order.values()), seed, 1)[0] for seed in values.T])
    parts = [runs({"any": row[: 3 + i]}, name) for i, (name, row) in enumerate(zip(order, values, strict=True))]
    (over,) = slope_test({}, "dataset", order).run(pd.concat(parts, ignore_index=True)).comparisons
    weights = (np.array([0, 1, 3]) - 4 / 3) / (14 / 3)
    means, squares = zip(*[(row[: 3 + i].mean(), row[: 3 + i].var(ddof=1) / (3 + i)) for i, row in enumerate(values)],
                         strict=True)  # fmt: skip
    assert Family([over]).mean[0] == pytest.approx(weights @ means)
    assert Family([over]).se[0] == pytest.approx(math.sqrt(weights**2 @ squares))


def test_kendalls_tau_is_scipys():
    generator = np.random.default_rng(4)
    frame = pd.DataFrame({"dataset": "a", "seed": np.repeat([0, 1], 6), "best": generator.normal(size=12).round(1)})
    frame["rate"] = generator.normal(size=12)
    (found,) = correlation_test({}, Measure("rate", ""), Measure("best", ""), ("block",)).run(frame).comparisons
    taus = [stats.kendalltau(own["rate"], own["best"]).statistic for _, own in frame.groupby("seed")]
    assert found.values["a"] == pytest.approx(taus)


def test_a_count_is_exact():
    for value, word in ((9.4, "contradicted"), (9.5, "supported"), (None, "not run")):
        found = verdict(runs({"new": [1]}), count_test(lambda frame, value=value: value, "times", at_least=9.5))
        assert (found.verdict, found.p, found.low) == (word, None, None)
    both = all_of({"size": count_test(lambda frame: 1.0, "times", at_least=2), "gain": DIFFERENCE})
    assert verdict(runs({"new": [9, 9.1], "old": [1, 1]}), both).part == "size"


def test_data_sets_on_which_a_premise_fails_are_left_out():
    frame = pd.concat([runs({"new": [5, 6], "old": [1, 2.2]}), runs({"new": [0, 1], "old": [9, 9]}, "b")])
    some = verdict(frame.reset_index(drop=True), premise=lambda runs: {"b": "b is left out"})
    assert some.effect == pytest.approx(3.9) and some.reason == "b is left out"
    none = verdict(frame.reset_index(drop=True), premise=lambda runs: dict.fromkeys("ab", "it has nothing to teach"))
    assert (none.verdict, none.n, none.p) == ("cannot be tested", 0, None) and "nothing to teach" in none.reason


def test_equality_is_of_every_two():
    frame = runs({"x": [50, 50.2, 50.1], "y": [50.1, 50.0, 50.2], "z": [50.0, 50.3, 50.0]}).assign(kind="k")
    test = equivalence_test({}, "method", 1.0, by=("kind",))
    assert verdict(frame, test).verdict == "supported"
    assert len(test.run(frame).comparisons) == 6
    assert verdict(frame.assign(best=frame["best"] + 0.05 * (frame["method"] == "y")), test).verdict == "contradicted"
