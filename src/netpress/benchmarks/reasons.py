"""Why an aim is missed, in words made from a measurement's own lines: they and its table say the same."""

from typing import Any


def imitation(table: list[dict[str, Any]], bars: list[dict[str, Any]]) -> str | None:
    """What keeps the ratio of the student-teacher stages down, where its aim is missed."""
    if bars[0]["met"] is not False:
        return None
    plain, ours, steps = (sum(row[key] for row in table) for key in ("plain", "ours", "steps"))
    ratios = {bar["what"].partition(",")[0]: bar["measured"] for bar in bars}
    each = ", ".join(
        f"{row['block']} {ratios[row['block']]:.1f} with {row['work']:.1f} times fewer multiply-adds" for row in table
    )
    return (
        f"by block: {each}. What is left is the training of the replacement: with everything cached its steps alone "
        f"take {steps / ours:.0%} of the stage, and plain / ours is then {plain / steps:.1f}. An early block's one "
        "convolution works on large maps and is a large part of what the plain loop does; only a late block leaves "
        "nearly all to the cache."
    )
