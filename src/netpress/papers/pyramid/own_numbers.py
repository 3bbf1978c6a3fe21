"""The Pyramid's claims in its own printed numbers: in how many cells of Tables 1-4 each holds, of how many it could.

One run a cell is no test; but a claim that fails in the numbers it was read from was not read from all of them.
"""

from collections.abc import Callable, Iterator

import pandas as pd

from netpress.nets.levels import LEVELS
from netpress.papers.pyramid import BACKWARD, FORWARD, NAMES
from netpress.papers.pyramid.tables import FINE, TABLES, as_printed

Counted = tuple[int, int]
PYRAMID = (NAMES["two-stages"], NAMES["gram"])
EARLY = LEVELS[:3]


def printed(direction: str) -> list[pd.DataFrame]:
    """The tables of a direction, one a data set; nan where a cell holds no number. VGG19 is left out."""
    tables = [as_printed(number).iloc[1:] for number, (own, _) in TABLES.items() if own == direction]
    return [table.apply(pd.to_numeric, errors="coerce") for table in tables]


def best_of_five(method: str, direction: str) -> Counted:
    """In how many rows in which a pyramid method has a number it is above all others."""
    rows = [row for table in printed(direction) for _, row in table.dropna(subset=[method]).iterrows()]
    return sum(row[method] > row.drop(method).max() for row in rows), len(rows)


def beats(*others: str) -> Counted:
    """In how many pairs of a pyramid's cell and another method's of the same network the pyramid's is above."""
    pairs = [
        (row[ours], row[other])
        for direction in (FORWARD, BACKWARD)
        for table in printed(direction)
        for _, row in table.iterrows()
        for ours in PYRAMID
        for other in others
    ]
    return above(pairs)


def forward_early_backward_late() -> Counted:
    """In how many pairs of the same level, data set and pyramid method the direction is above that the paper says."""
    pairs = [pair for both in zip(printed(FORWARD), printed(BACKWARD), strict=True) for pair in by_level(*both)]
    return above(pairs)


def by_level(forward: pd.DataFrame, backward: pd.DataFrame) -> Iterator[tuple[float, float]]:
    """(the direction that is to be above, the other one) at every level."""
    for level in LEVELS:
        for method in PYRAMID:
            pair = forward.at[level.upper(), method], backward.at[level.upper(), method]
            yield pair if level in EARLY else pair[::-1]


def above(pairs: list[tuple[float, float]]) -> Counted:
    """In how many pairs of two numbers the first is larger."""
    known = [(one, other) for one, other in pairs if pd.notna(one) and pd.notna(other)]
    return sum(one > other for one, other in known), len(known)


# claim: what counts it
COUNTS: dict[str, Callable[[], Counted]] = {
    "P1": lambda: best_of_five(NAMES["gram"], FORWARD),
    "P2": lambda: best_of_five(NAMES["two-stages"], BACKWARD),
    "P3": forward_early_backward_late,
    "P4": lambda: beats(FINE),
    "P5": lambda: beats(NAMES["fitnet"], NAMES["gram-direct"]),
}
