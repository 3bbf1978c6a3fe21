"""What runs took: cores of a processor work on one network each, but networks share a GPU, whose time counts once."""

from collections.abc import Iterable
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from netpress.runs.records import Record


class Spell(NamedTuple):
    """What did a run, until when (ISO 8601), and for how many seconds."""

    kind: str  # of device: cpu, cuda, mps
    device: str
    end: str
    seconds: float


def spell_of(record: Record) -> Spell:
    """What a record says of it."""
    made = record["made"]
    return Spell(made["kind"], made["device"], made["time"], made.get("seconds", 0.0))


def spent(spells: Iterable[Spell]) -> dict[tuple[str, str], float]:
    """Seconds by kind and name of device: of its cores together on a processor, on the clock on all others."""
    kept: dict[tuple[str, str], list[Spell]] = {}
    for spell in spells:
        kept.setdefault((spell.kind, spell.device), []).append(spell)
    return {key: sum(s.seconds for s in own) if key[0] == "cpu" else on_the_clock(own) for key, own in kept.items()}


def on_the_clock(spells: Iterable[Spell]) -> float:
    """Seconds in which at least one of the runs was under way."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(map(when, spells)):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def most_at_once(spells: Iterable[Spell]) -> int:
    """How many runs were under way at the same time, at most; one that begins when another ends does not count."""
    turns = sorted(turn for spell in spells for begin, end in [when(spell)] for turn in ((begin, 1), (end, -1)))
    return max(accumulate((change for _, change in turns), initial=0))


def when(spell: Spell) -> tuple[float, float]:
    """Begin and end, in seconds since 1970."""
    end = datetime.fromisoformat(spell.end).timestamp()
    return end - spell.seconds, end
