"""How fast a network converges: first passage, without a ceiling (ours).

The paper counts epochs to 99 % of the best accuracy. Where retraining is short and its rate falls to zero, accuracy
rises to the last epoch, and all networks "converge" there. So networks are also retrained at a constant rate until
they are as good as they get, and what is counted is when they are first at 99 % of their final level. (When they last
came within a point of it, the rule of version 2, tells of overfitting: thawed networks mostly come from above.)
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Curve = list[list[float]]  # pairs of steps done and test accuracy, a fraction

NEAR = 0.01 + 1e-9  # within a point of the final level, whatever rounding makes of a point
SHARE = 0.99  # of the final level, as in the paper's figure 3
TAIL = 0.8  # the final level is the mean over what comes after this share of the steps


def final_level(curve: Curve) -> float:
    """Mean accuracy over the last fifth of the steps."""
    steps, accuracy = np.array(curve).T
    return float(accuracy[steps > TAIL * steps[-1]].mean())


def smoothed(curve: Curve) -> np.ndarray:
    """The mean of each accuracy with the one before and the one after it."""
    accuracy = np.array(curve).T[1]
    ends = np.concatenate([accuracy[:1], accuracy, accuracy[-1:]])
    return np.convolve(ends, np.ones(3) / 3, "valid")


def passage(curve: Curve) -> float:
    """Steps until the smoothed accuracy is first at 99 % of the run's own final level."""
    there = np.flatnonzero(smoothed(curve) >= SHARE * final_level(curve) - 1e-9)
    return float(curve[there[0]][0]) if len(there) else float("nan")


def reached(curve: Curve, baseline: float) -> float:
    """Steps until the smoothed accuracy first is at the parent's less a point; nan where it never is."""
    there = np.flatnonzero(smoothed(curve) >= baseline - NEAR)
    return float(curve[there[0]][0]) if len(there) else float("nan")


def with_settling(runs: "pd.DataFrame") -> "pd.DataFrame":
    """The frame of runs (columns curve, epochs, baseline) with how fast they settle, missing where no curve was kept.

    passage, reached: epochs, as above; rate: one over `passage`.
    """
    known = runs["curve"].map(lambda curve: isinstance(curve, list) and len(curve) > 2)
    found = runs.assign(passage=np.nan, reached=np.nan)
    if known.any():
        found.loc[known, ["passage", "reached"]] = [
            [
                steps * row.final_epochs / row.curve[-1][0]
                for steps in (passage(row.curve), reached(row.curve, row.baseline))
            ]
            for row in runs[known].itertuples()
        ]
    return found.assign(rate=1 / found["passage"])
