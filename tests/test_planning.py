"""How many seeds would decide: against resampled seeds, and in words."""

import numpy as np
import pandas as pd
import pytest

from netpress.report.comparisons import ACCURACY, Comparison, Measure
from netpress.report.labels import WHOLE
from netpress.report.planning import needed, obstacle
from netpress.report.trends import Trend

ORDER = (1.0, 2.0, 3.0, 4.0)
ALPHA = 0.01


def trend(rows: np.ndarray) -> Trend:
    return Trend(WHOLE, ORDER, pd.DataFrame(rows))


@pytest.mark.parametrize(("begin", "slope"), [(0, 0.3), (1, 0.4)])
def test_a_trend_is_decided_with_so_many_seeds_in_four_of_five_cases(begin: int, slope: float) -> None:
    """Sweeps of so many seeds, drawn from those that were seen, judged by the exact test."""
    generator = np.random.default_rng(begin)
    seen = slope * np.array(ORDER) + generator.normal(size=(8, len(ORDER)))  # two data sets, four seeds
    found = needed(trend(seen), 4, ALPHA).seeds
    assert found is not None and found > 5

    def decided(seeds: int) -> float:
        sweeps = [trend(seen[generator.integers(0, len(seen), 2 * seeds)]) for _ in range(300)]
        return float(np.mean([min(sweep.p or 1, sweep.p_against or 1) < ALPHA for sweep in sweeps]))

    assert decided(found) >= 0.72
    assert decided(found // 2) < 0.72


def test_no_seeds_decide_an_order_that_chance_makes() -> None:
    rows = np.array([[1.0, 2, 3, 4], [4, 3, 2, 1], [2, 1, 4, 3], [3, 4, 1, 2]])
    found = needed(trend(rows), 2, ALPHA)
    assert found.seeds is None and found.text == "no number up to 100: the order is no clearer than chance makes it"


def test_why_no_seeds_decide_a_comparison() -> None:
    """By hand: the mean of 4.9 and 5.1 is 5, 0.02 from 4.98; they vary by 0.141."""
    close = Comparison(WHOLE, {"a": np.array([4.9, 5.1])}, ACCURACY, 4.98)
    assert obstacle(close) == "0.02 points from the margin, and one seed's estimate varies by 0.14 points"
    assert needed(close, 2, ALPHA).text.startswith("no number up to 100: 0.02 points")
    times = Comparison(WHOLE, {"a": np.log([1.0, 1.21])}, Measure("seconds", "times", ratio=True), np.log(1.05))
    assert obstacle(times) == "1.05-fold from the margin, and one seed's estimate varies by 1.14-fold"
    assert obstacle(Comparison(WHOLE, {"a": np.array([1.0])})) == "one seed says nothing of how much seeds differ"
