"""Comparisons and trends: against formulas written out, scipy, enumeration and simulation."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from netpress.errors import UserError
from netpress.report.comparisons import Comparison, Family, Measure, stratified
from netpress.report.labels import WHOLE, at
from netpress.report.trends import Trend

POINTS = Measure("best", "points", equal=0.5)


def comparison(values, threshold=0.0, more=True, equal=None, name="one"):
    held = {key: np.asarray(each, dtype=float) for key, each in values.items()}
    return Comparison(at(name), held, POINTS, threshold, more, equal)


def test_one_data_set_is_students_t_test():
    values = [1.2, 0.4, 2.1, 0.9]
    found = comparison({"mnist": values}, threshold=0.5)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0.5).pvalue, rel=1e-9)
    low, high = Family([found]).interval(found, 0.05)
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 3, np.mean(values), stats.sem(values)))


def test_two_data_sets_are_welchs_t_test():
    """The mean over two data sets of a against b: a sum of two means, whose variance Welch estimates in this way."""
    a, b = np.array([1.0, 1.5, 0.7, 2.2]), np.array([0.1, -3.0, 4.0, 1.0])
    found = stratified({"a": a, "b": b})
    welch = stats.ttest_ind(a, -b, equal_var=False)
    assert found.mean == pytest.approx((a.mean() + b.mean()) / 2)
    assert found.mean / found.se == pytest.approx(welch.statistic)
    assert found.df == pytest.approx(welch.df)
    assert comparison({"a": a, "b": b}).p == pytest.approx(welch.pvalue)


def test_satterthwaite_by_hand():
    # variances 1 and 4 (of 2 values each): se^2 = (1/2 + 4/2) / 4; df = 2.5^2 / (0.5^2 / 1 + 2^2 / 1)
    root = math.sqrt(0.5)
    found = stratified({"a": np.array([-root, root]), "b": np.array([-2 * root, 2 * root])})
    assert found.se == pytest.approx(math.sqrt(2.5 / 4))
    assert found.df == pytest.approx(2.5**2 / 4.25)


def test_missing_seeds_and_single_ones():
    assert stratified({"a": np.array([1.0, np.nan, 3.0])}).n == 2
    one = comparison({"a": [1.0], "b": [1.0, 2.0]})
    assert (one.found.n, one.p, one.p_against, Family([one]).interval(one, 0.05)) == (1, None, None, None)
    assert stratified({}).n == 0


def test_equal_values_leave_no_doubt():
    above, on = comparison({"a": [1.0, 1.0]}), comparison({"a": [0.0, 0.0]})
    assert (above.p, above.p_against) == (0.0, 1.0)
    assert on.p == 1.0
    assert Family([above]).p_against == 1.0


def test_equality_is_two_one_sided_tests():
    values = np.array([0.1, 0.15, -0.05, 0.2])
    found = comparison({"a": values}, equal=0.5)
    up = stats.ttest_1samp(values, -0.5, alternative="greater").pvalue
    down = stats.ttest_1samp(values, 0.5, alternative="less").pvalue
    assert found.p_equal == pytest.approx(2 * max(up, down))
    assert comparison({"a": values}).p_equal is None


def test_the_largest_t_of_independent_data_sets_is_sidaks():
    """Comparisons on data sets of their own share nothing: the chance that none of k passes is a product."""
    generator = np.random.default_rng(1)
    many = [comparison({str(i): generator.normal(0, 1 + i, 5)}, name=str(i)) for i in range(4)]
    family = Family(many)
    for c in (1.5, 3.0, 5.0):
        expected = 1 - stats.t.cdf(c, 4) ** 4
        assert (family.largest >= c).mean() == pytest.approx(expected, rel=0.15, abs=1e-3)


def test_the_largest_t_of_copies_is_one_t():
    values = np.random.default_rng(2).normal(0, 1, 6)
    family = Family([comparison({"a": values}, name=str(i)) for i in range(5)])
    for c in (1.0, 2.5, 4.0):
        assert (family.largest >= c).mean() == pytest.approx(stats.t.sf(c, 5), rel=0.1, abs=1e-3)


def test_the_largest_t_is_that_of_whole_seeds_drawn_one_by_one():
    """Correlated comparisons, not all on both data sets: seeds are drawn with the covariance of those that were seen,
    and every t is worked out from its own draws alone."""
    generator = np.random.default_rng(4)
    mixing = {"a": generator.normal(0, 2, (3, 3)), "b": generator.normal(0, 1, (2, 2))}
    seen = {"a": mixing["a"] @ generator.normal(0, 1, (3, 5)), "b": mixing["b"] @ generator.normal(0, 1, (2, 4))}
    more = (True, False, True)
    held = [{name: values[i] for name, values in seen.items() if i < len(values)} for i in range(3)]
    family = Family([comparison(held[i], more=more[i], name=str(i)) for i in range(3)])
    draws = 20_000
    drawn = {
        name: generator.multivariate_normal(np.zeros(len(values)), np.cov(values), (draws, values.shape[1]))
        for name, values in seen.items()
    }
    t = []
    for i, up in enumerate(more):
        own = [each[:, :, i] for name, each in drawn.items() if name in held[i]]
        variance = sum(each.var(axis=1, ddof=1) / each.shape[1] for each in own)
        t.append((1 if up else -1) * sum(each.mean(axis=1) for each in own) / np.sqrt(variance))
    largest = np.max(t, axis=0)
    for c in (0.5, 1.5, 3.0, 5.0):
        assert (family.largest >= c).mean() == pytest.approx((largest >= c).mean(), rel=0.1, abs=2e-3)


def test_max_t_costs_less_than_bonferroni_and_more_than_nothing():
    generator = np.random.default_rng(3)
    shared = generator.normal(0, 1, 8)
    many = [comparison({"a": shared + generator.normal(-0.8, 0.5, 8)}, name=str(i)) for i in range(6)]
    family, single = Family(many), min(each.p_against for each in many)
    assert single < family.p_against < min(1.0, 6 * single)


FAMILIES = st.lists(st.lists(st.floats(-3, 3), min_size=4, max_size=4), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(FAMILIES, st.floats(-1.0, 1.0), st.sampled_from([0.05, 0.01, 0.004]), st.booleans())
def test_the_interval_is_the_one_that_decides(rows, threshold, alpha, more):
    """Its bounds cross the threshold exactly where the verdict changes."""
    rows = [row for row in rows if np.std(row) > 1e-3]
    if not rows:
        return
    many = [comparison({"a": row}, threshold, more, name=str(i)) for i, row in enumerate(rows)]
    family = Family(many)
    family.draws = 4000
    beyond = []
    for each in many:
        low, high = family.interval(each, alpha)
        inside, outside = (low > threshold, high < threshold) if more else (high < threshold, low > threshold)
        assert (each.p < alpha) == inside
        beyond.append(outside)
    assert (family.p_against < alpha) == any(beyond)


def test_a_trend_against_enumeration():
    table = pd.DataFrame([[1.0, 2.0, 4.0, 3.0], [2.0, 1.0, 3.0, 4.0]])
    found = Trend(WHOLE, (0.0, 1.0, 2.0, 3.0), table)
    each = [
        sum(np.sign(row[j] - row[i]) for i, j in itertools.combinations(range(4), 2))
        for row in itertools.permutations(range(4))
    ]
    sums = np.array([a + b for a in each for b in each])
    assert found.s == 8
    assert found.p == pytest.approx(min(1, 2 * (sums >= 8).mean()))
    assert found.p_against == pytest.approx(min(1, 2 * (sums <= 8).mean()))
    taus = [stats.kendalltau(range(4), row).statistic for row in table.to_numpy()]
    assert found.tau == pytest.approx(np.mean(taus))


def test_a_trend_with_ties_is_tau_b():
    row = [1.0, 1.0, 2.0, 3.0, 2.5]
    found = Trend(WHOLE, (0.0, 1.0, 2.0, 3.0, 4.0), pd.DataFrame([row]))
    assert found.tau == pytest.approx(stats.kendalltau(range(5), row).statistic)
    assert (found.p, found.interval(0.05)) == (None, None)  # one row decides nothing


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.permutations([0.0, 1.0, 2.0, 3.0]), min_size=2, max_size=5),
    st.sampled_from([0.05, 0.01]), st.booleans(),
)  # fmt: skip
def test_the_interval_of_a_trend_leaves_out_0_exactly_where_it_decides(rows, alpha, rising):
    found = Trend(WHOLE, (0.0, 1.0, 2.0, 3.0), pd.DataFrame(rows), rising)
    low, high = found.interval(alpha)
    assert low <= found.tau <= high
    supports, against = (low > 0, high < 0) if rising else (high < 0, low > 0)
    assert (found.p < alpha) == supports
    assert (found.p_against < alpha) == against


def test_falling_is_rising_reversed():
    table = pd.DataFrame([[4.0, 3.0, 1.0], [9.0, 8.0, 7.0], [3.0, 2.0, 1.0]])
    falling, rising = Trend(WHOLE, (0.0, 1.0, 2.0), table, rising=False), Trend(WHOLE, (0.0, 1.0, 2.0), table)
    assert (falling.p, falling.p_against, falling.tau) == (rising.p_against, rising.p, rising.tau)


def test_a_trend_needs_three_groups():
    with pytest.raises(UserError, match="3 to 8 groups"):
        Trend(WHOLE, (0.0, 1.0), pd.DataFrame([[1.0, 2.0]]))
    with pytest.raises(UserError, match="3 numbers for 2 groups"):
        Trend(WHOLE, (0.0, 1.0, 2.0), pd.DataFrame([[1.0, 2.0]]))


def test_what_max_t_asks_for_beside_bonferroni():
    """One data set of 2 seeds makes the largest t large, for all; Bonferroni's correction has each its own degrees."""
    few, many = [0.1, 0.5], [0.2, 0.5, 0.1, 0.6, 0.4, 0.3]
    parts = [comparison({"a": few}, name="few"), comparison({"b": many}, threshold=0.6, name="many")]
    largest = Family(parts).largest_t(0.05)
    weakest = stats.ttest_1samp(many, 0.6)
    assert largest.bonferroni == pytest.approx(stats.t.isf(0.05 / 2 / 2, 5))
    assert largest.p == pytest.approx(2 * weakest.pvalue)
    assert largest.maxt == pytest.approx(-stats.t.ppf(0.025, 1), rel=0.1) and largest.maxt > 3 * largest.bonferroni
    assert Family(parts[:1]).largest_t(0.05) is None


def test_bonferronis_t_is_that_of_the_smallest_p():
    """The largest t against may be one with a single degree of freedom, and the smallest p another's with six."""
    few, many = [-1.0, -1.3], [-1.0, -0.2, -1.2, -0.4, -0.8, -1.1, -0.6]
    one, other = stats.ttest_1samp(few, 0.0), stats.ttest_1samp(many, 0.0)
    assert one.statistic < other.statistic < 0 and one.pvalue > other.pvalue
    largest = Family([comparison({"a": few}, name="few"), comparison({"b": many}, name="many")]).largest_t(0.05)
    assert largest.bonferroni == pytest.approx(stats.t.isf(0.05 / 2 / 2, 6))  # 2.97
    assert largest.p == pytest.approx(2 * other.pvalue)
