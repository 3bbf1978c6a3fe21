"""Statistics against textbook examples and formulas written out in float64."""

import math

import numpy as np
import pytest
from scipy import stats

from netpress.report.estimates import holm, interval, rank_correlation, unpaired


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


def test_perfect_order_has_a_finite_bound():
    up, down = rank_correlation(range(8), range(8)), rank_correlation(range(8), range(0, -8, -1))
    assert up.mean == pytest.approx(1) and up.high == 1 and 0 < up.low < 1
    assert down.mean == pytest.approx(-1) and down.low == -1 and -1 < down.high < 0


def test_too_few_pairs_give_no_interval():
    assert rank_correlation([1, 2, 3], [1, 3, 2]).low is None
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]).mean)
    assert rank_correlation([1, 2, math.nan], [1, 3, 2]).n == 2


def test_holm_textbook():
    adjusted, levels = holm([0.01, 0.04, 0.03, 0.005], 0.05)
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert levels == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])
    assert holm([], 0.05) == ([], [])
    assert holm([None, 0.02, None, 0.03], 0.05) == ([None, 0.04, None, 0.04], [0.05, 0.025, 0.05, 0.05])
    assert holm([0.9, 0.8], 0.05) == ([1.0, 1.0], [0.025, 0.025])


def test_welchs_interval_by_hand():
    """Means 2 and 5, variances 1 and 20/3: the variance of the difference is 1/3 + 5/3 = 2, df = 4 / (1/18 + 25/27)."""
    found = unpaired([1, 2, 3], [2, 4, 6, 8, None])
    half = stats.t.ppf(0.975, 4 / (1 / 18 + 25 / 27)) * math.sqrt(2)
    assert (found.mean, found.n) == (-3, 7) and (found.low, found.high) == pytest.approx((-3 - half, -3 + half))
    assert unpaired([1.0], [2.0, 3.0]).low is None and math.isnan(unpaired([], [1.0]).mean)
