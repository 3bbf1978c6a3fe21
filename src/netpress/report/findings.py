"""What the book shows of a claim: the verdict on fresh seeds, or the pilot's as long as these are not all run, with the
effect that decides it in words that a newcomer reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netpress.data.registry import titles
from netpress.report.claims import DECIDED, NOT_RUN, Claim, Pilot, Verdict
from netpress.report.evidence import Side
from netpress.report.labels import WHOLE, Label
from netpress.report.tables import number

BY_PILOT = "pilot"

# unit: the words for an effect above 0 and below it. Where the other side is not named, "than" is left out.
WORDS = {
    "points": ("above", "below"),
    "epochs": ("slower than", "faster than"),
    "cosine": ("more alike than", "less alike than"),
    "CKA": ("more alike than", "less alike than"),
}
BARE = ("cosine", "CKA")  # units that are not written
DIGITS = {"points": 1, "epochs": 2, "times": 2, "cosine": 3, "CKA": 3}
TAUS = {1: "rises", -1: "falls", 0: "stays level"}


@dataclass(frozen=True)
class Finding:
    """A claim with the verdict that is shown of it.

    `by`: "" for fresh seeds, BY_PILOT for the pilot's; the rest as in a TestResult.
    """

    claim: Claim
    verdict: str
    by: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | str = 0
    decided_by: Label = WHOLE
    holds: Side = (None, None)

    @property
    def decided(self) -> bool:
        """Whether it is more than undecided."""
        return self.verdict in DECIDED

    @property
    def where(self) -> str:
        """The part that decides, in words: "forward, against FitNet"."""
        part = self.decided_by
        pair = " less ".join(map(self.named, part.pair))
        return ", ".join(filter(None, (pair, *self.places, part.against and f"against {part.against}")))

    @property
    def places(self) -> list[str]:
        """Where the part that decides is, as the book has it: ["CIFAR-100", "block 3"]."""
        return [self.named(place) for place in self.decided_by.places]

    def named(self, value: str) -> str:
        """A factor's value as the book has it: "cifar100" -> "CIFAR-100", "svgg8" -> "SVGG8"."""
        return self.claim.names.get(value, titles().get(value, value))

    @property
    def words(self) -> str:
        """The effect in words: "0.72 epochs slower than mean (frozen)"; "" where there is none."""
        if self.effect is None or not math.isfinite(self.effect):
            return ""
        places = f" ({', '.join(self.places)})" if self.places else ""
        return self._phrase(self.effect) + places

    def _phrase(self, effect: float) -> str:
        """An effect in words, with what it is measured against."""
        part, stated = self.decided_by, self.claim.than.get(self.unit, "")
        than = stated if isinstance(stated, str) else stated[effect < 0]
        amount = number(abs(effect), self.digits) + ("" if self.unit in BARE else f" {self.unit}")
        if part.pair:
            one, other = map(self.named, part.pair)
            return f"{amount} {'less' if effect < 0 else 'more'} with {one} than with {other}"
        if self.unit == "tau":
            trend = TAUS[(effect > 0) - (effect < 0)]
            return f"{than.format(trend) or trend}, tau {number(effect, 2)}"
        against = part.against or than
        if self.unit not in WORDS or (against and not isinstance(stated, str) and not part.against):
            return f"{amount} {against}".rstrip()
        word = WORDS[self.unit][effect < 0]
        if self.unit == "points" and not any(digit in amount for digit in "123456789"):
            word = "from"
        return f"{amount} {word} {against}" if against else f"{amount} {word.removesuffix(' than')}"

    @property
    def interval(self) -> str:
        """The interval that decides: "−6.8 to −4.5"; "" where there is none."""
        if self.low is None or self.high is None or self.low == self.high:
            return ""
        return f"{number(self.low, self.digits)} to {number(self.high, self.digits)}"

    @property
    def digits(self) -> int:
        """After the point."""
        return DIGITS.get(self.unit, 2)

    @property
    def size(self) -> str:
        """On what it rests: "n = 4", "counted"."""
        return "counted" if self.n == "exact" else f"n = {self.n}" if self.n else ""


def finding(verdict: Verdict, pilot: Mapping[str, object] | None = None) -> Finding:
    """What is shown of a claim; `pilot`: what its first rules said of the pilot's seeds."""
    if verdict.verdict == NOT_RUN and pilot is not None:
        return of_pilot(verdict.claim, pilot)
    r = verdict.result
    return Finding(
        verdict.claim, verdict.verdict, "", r.effect, r.low, r.high, r.unit, verdict.n, r.decided_by, r.holds
    )  # fmt: skip


def of_pilot(claim: Claim, old: Mapping[str, Any]) -> Finding:
    """What the pilot's record says of a claim."""
    low, high = old.get("interval") or (None, None)
    part = claim.pilot or Pilot((None, None))
    return Finding(
        claim, old["verdict"], BY_PILOT, old["effect"], low, high, old["unit"], old["n"], part.decided_by, part.holds
    )  # fmt: skip
