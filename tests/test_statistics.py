"""Statistics against textbook examples, formulas written out in float64, enumeration and scipy."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from netpress.errors import UserError
from netpress.report.estimates import above, below, differences
from netpress.report.statistics import (
    epochs_to,
    equivalence,
    holm,
    interval,
    paired_difference,
    power_of,
    rank_correlation,
    seeds_needed,
    tost,
    trend,
)

# Student (1908), "The probable error of a mean": extra hours of sleep under two drugs, ten patients.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
SAMPLES = st.lists(st.floats(-5, 5), min_size=2, max_size=8).filter(lambda v: np.std(v) > 1e-3)


def test_interval_is_students():
    values = np.array([93.1, 92.4, 93.9])
    found = interval(values)
    # t(0.975, 2 degrees of freedom) = 4.302653 in every printed table
    half = 4.302652729911275 * math.sqrt(((values - values.mean()) ** 2).sum() / 2) / math.sqrt(3)
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-9)
    assert found.half == pytest.approx(half, abs=1e-9)
    assert found.n == 3


def test_one_value_has_no_interval_and_no_value_no_mean():
    one = interval([0.9])
    assert (one.mean, one.low, one.high, one.half, one.n) == (0.9, None, None, None, 1)
    assert math.isnan(interval([]).mean)
    assert interval([None, math.nan]).n == 0


def test_missing_values_are_not_counted():
    assert interval([1.0, None, 3.0, math.nan, math.inf]).n == 2


def test_times_changes_the_unit():
    found = interval([0.90, 0.92, 0.94]).times(100)
    assert found.mean == pytest.approx(92)
    assert found.sd == pytest.approx(2)
    assert interval([0.9]).times(100).low is None


def test_paired_difference_on_students_sleep():
    found = paired_difference(SECOND, FIRST)
    # t = 4.0621, p = 0.002833, 95 % interval 0.7001 to 2.4599: printed in R's help page of t.test
    assert found.mean == pytest.approx(1.58)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert found.p == pytest.approx(0.002833, abs=1e-6)


def test_paired_difference_pairs_by_seed():
    a = pd.Series({0: 0.9, 1: 0.8, 2: 0.7})
    b = pd.Series({2: 0.6, 0: 0.8, 1: 0.7, 5: 0.1})
    assert differences(a, b) == pytest.approx([0.1, 0.1, 0.1])
    with pytest.raises(UserError, match="twice"):
        differences(pd.Series([1.0, 2.0], index=[0, 0]), b)
    with pytest.raises(UserError, match="differ in number"):
        differences([1.0], [1.0, 2.0])


def test_equal_differences_take_the_limit():
    assert paired_difference([2.0, 2.0], [2.0, 2.0]).p == 1
    assert paired_difference([3.0, 3.0, 3.0], [2.0, 2.0, 2.0]).p == 0
    assert tost([0.0, 0.0, 0.0], 1.0).p == 0
    assert tost([1.0, 1.0, 1.0], 1.0).p == 1


@given(SAMPLES, st.floats(-2, 2))
@settings(max_examples=60, deadline=None)
def test_one_sided_tests_agree_with_scipy(values, threshold):
    found = interval(values)
    up = stats.ttest_1samp(values, threshold, alternative="greater").pvalue
    assert above(found, threshold) == pytest.approx(up, abs=1e-9)
    assert below(found, threshold) == pytest.approx(1 - up, abs=1e-9)


def test_tost_by_hand():
    values = np.array([0.3, -0.2, 0.5, 0.1])
    error = math.sqrt(((values - values.mean()) ** 2).sum() / 3 / 4)
    by_hand = max(
        stats.t.cdf((values.mean() - 1) / error, 3), 1 - stats.t.cdf((values.mean() + 1) / error, 3)
    )
    assert tost(values, 1.0).p == pytest.approx(by_hand, abs=1e-12)
    assert tost([0.3], 1.0).p is None
    with pytest.raises(UserError, match="margin"):
        tost(values, 0.0)


@given(SAMPLES, st.floats(0.1, 4))
@settings(max_examples=60, deadline=None)
def test_tost_rejects_exactly_when_its_interval_is_inside(values, margin):
    found = tost(values, margin)
    if abs(found.p - 0.05) > 1e-9:
        assert (found.p < 0.05) == (-margin < found.low and found.high < margin)


def blocks(spread=0.1, shift=0.0):
    generator = np.random.default_rng(3)
    level = generator.normal(70, 3, size=(5, 1))
    table = level + generator.normal(0, spread, size=(5, 4)) + np.array([0, 0, 0, shift])
    return pd.DataFrame(table, columns=list("abcd"))


def test_equivalence_is_the_largest_p_of_all_pairs():
    table = blocks()
    found = equivalence(table, 1.0)
    by_hand = [
        max(
            stats.ttest_1samp(table[a] - table[b], -1, alternative="greater").pvalue,
            stats.ttest_1samp(table[a] - table[b], 1, alternative="less").pvalue,
        )
        for a, b in itertools.combinations("abcd", 2)
    ]
    assert len(found.pairs) == 6
    assert found.p == pytest.approx(max(by_hand), rel=1e-9)
    assert found.p < 0.01
    assert found.worst[1].p == found.p


def test_one_block_that_differs_breaks_equivalence():
    found = equivalence(blocks(shift=3.0), 1.0)
    assert found.p > 0.9
    assert found.p_against < 0.01
    assert "d" in found.worst[0]


def test_equivalence_against_the_mean_of_the_others():
    table = blocks()
    found = equivalence(table, 1.0, against="others")
    assert found.pairs[0][1].mean == pytest.approx((table["a"] - table[["b", "c", "d"]].mean(axis=1)).mean())


def test_equivalence_of_one_seed_decides_nothing():
    found = equivalence(blocks().head(1), 1.0)
    assert found.p is None and found.p_against is None
    with pytest.raises(UserError, match="two groups"):
        equivalence(blocks()[["a"]], 1.0)
    with pytest.raises(UserError, match="against"):
        equivalence(blocks(), 1.0, against="all")


def test_kendall_on_hollander_and_wolfe():
    # Hollander & Wolfe (1973), p. 187: lightness of tuna; tau = 0.4444, p = 0.1194
    x = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1]
    y = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8]
    found = rank_correlation(x, y)
    assert found.mean == pytest.approx(0.4444444, abs=1e-6)
    assert found.p == pytest.approx(0.1194, abs=1e-4)
    z = 0.5 * math.log((1 + found.mean) / (1 - found.mean))
    half = 1.959963985 * math.sqrt(0.437 / 5)
    assert (found.low, found.high) == pytest.approx((math.tanh(z - half), math.tanh(z + half)), abs=1e-8)


def test_spearman_without_ties_is_the_sum_of_squares_formula():
    iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    d = stats.rankdata(iq) - stats.rankdata(hours)
    found = rank_correlation(iq, hours, kind="spearman")
    assert found.mean == pytest.approx(1 - 6 * (d**2).sum() / (10 * 99))
    assert found.mean == pytest.approx(-29 / 165)
    half = 1.959963985 * math.sqrt((1 + found.mean**2 / 2) / 7)
    assert found.low == pytest.approx(math.tanh(math.atanh(found.mean) - half), abs=1e-8)


@pytest.mark.parametrize("kind", ["kendall", "spearman"])
def test_perfect_order_has_a_finite_bound(kind):
    up = rank_correlation(range(8), range(8), kind=kind)
    down = rank_correlation(range(8), range(0, -8, -1), kind=kind)
    assert up.mean == pytest.approx(1) and up.high == 1 and 0 < up.low < 1
    assert down.mean == pytest.approx(-1) and down.low == -1 and -1 < down.high < 0


def test_too_few_pairs_give_no_interval():
    assert rank_correlation([1, 2, 3], [1, 3, 2]).low is None
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]).mean)
    assert rank_correlation([1, 2, math.nan], [1, 3, 2]).n == 2
    with pytest.raises(UserError, match="kind"):
        rank_correlation([1, 2], [1, 2], kind="pearson")


def test_trend_agrees_with_enumeration():
    table = pd.DataFrame([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])

    def score(row):
        return sum(np.sign(row[j] - row[i]) for i, j in itertools.combinations(range(3), 2))

    all_scores = [
        score(a) + score(b)
        for a in itertools.permutations([1, 2, 3])
        for b in itertools.permutations([1, 3, 2])
    ]
    found = trend([1, 2, 3], table)
    exact = np.mean([s >= 3 + 1 for s in all_scores])
    assert found.p_rising == pytest.approx(exact, abs=0.015)
    assert found.p_falling == pytest.approx(np.mean([s <= 4 for s in all_scores]), abs=0.015)
    assert found.estimate.mean == pytest.approx((1 + 1 / 3) / 2)
    assert trend([1, 2, 3], table) == found


def test_trend_refuses_two_groups():
    with pytest.raises(UserError, match="three groups"):
        trend([1, 2], pd.DataFrame([[1.0, 2.0]]))


def test_holm_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


# n for a two-sided paired t test at 5 % and 80 % power, as G*Power prints it for these effect sizes
@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_agrees_with_published_tables(effect, n):
    assert seeds_needed(2.0, 2.0 * effect) == n
    assert power_of(n, 1.0, effect) >= 0.8 > power_of(n - 1, 1.0, effect)


def test_power_agrees_with_simulation():
    generator = np.random.default_rng(0)
    draws = generator.normal(1.0, 1.0, size=(40_000, 5))
    rejected = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert power_of(5, 1.0, 1.0) == pytest.approx(rejected.mean(), abs=0.01)


def test_power_far_out_agrees_with_simulation():
    generator = np.random.default_rng(1)
    draws = generator.normal(100.0, 1.0, size=(40_000, 2))
    rejected = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.005
    assert power_of(2, 1.0, 100.0, level=0.995) == pytest.approx(rejected.mean(), abs=0.01)


def test_seeds_needed_at_the_edges():
    assert seeds_needed(1.0, 0.0) is None
    assert seeds_needed(1.0, 1e-6) is None
    assert seeds_needed(0.0, 1.0) == 2
    assert seeds_needed(1e-6, 1.0) == 2
    assert seeds_needed(1.0, -1.0) == seeds_needed(1.0, 1.0)
    with pytest.raises(UserError, match="finite"):
        seeds_needed(math.nan, 1.0)
    with pytest.raises(UserError, match="level"):
        seeds_needed(1.0, 1.0, level=95)


def history(name, accuracy, stage="classify"):
    return pd.DataFrame(
        {"name": name, "stage": stage, "epoch": range(len(accuracy)), "test_accuracy": accuracy}
    )


def test_epochs_to_a_share_of_the_best():
    frame = pd.concat([history("b", [0.5, 0.98, 0.99, 1.0, 0.9]), history("a", [0.9, 0.8])])
    found = epochs_to(frame)
    assert dict(found) == {"b": 3.0, "a": 1.0}
    assert epochs_to(frame, share=1.0)["b"] == 4
    assert list(found.index) == ["b", "a"]


def test_epochs_to_leaves_out_stages_without_accuracy():
    frame = pd.concat([history("a", [None, None], "match"), history("a", [0.5, 1.0])])
    assert epochs_to(frame)["a"] == 2
    assert epochs_to(frame, every_stage=True)["a"] == 4
    assert math.isnan(epochs_to(history("x", [None]))["x"])
    with pytest.raises(UserError, match="share"):
        epochs_to(frame, share=99)
