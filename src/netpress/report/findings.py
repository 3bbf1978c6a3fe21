"""What the book shows of a verdict: the effect that decides it, in words that a newcomer reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netpress.report.claims import DECIDED, Claim, Verdict
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


@dataclass(frozen=True)
class Finding:
    """A verdict in words."""

    of: Verdict

    @property
    def claim(self) -> Claim:
        return self.of.claim

    @property
    def verdict(self) -> str:
        return self.of.verdict

    @property
    def by(self) -> str:
        """BY_PILOT where it rests on seeds that were known when the rule was stated; else ""."""
        return BY_PILOT if self.of.provisional else ""

    @property
    def decided(self) -> bool:
        """Whether it is more than undecided."""
        return self.verdict in DECIDED

    @property
    def words(self) -> str:
        """The effect in words: "0.72 epochs faster than random (frozen)"; "" where there is none."""
        effect, unit, than = self.of.effect, self.of.unit, self.claim.than
        if effect is None:
            return ""
        amount = number(abs(effect), self.digits) + ("" if unit in BARE else f" {unit}")
        word = WORDS.get(unit, ("more than", "less than"))[effect < 0]
        told = f"{word} {than}" if than else word.removesuffix(" than")
        return f"{amount} {told}" + (f" ({self.of.part})" if self.of.part else "")

    @property
    def interval(self) -> str:
        """The interval that decides: "−6.8 to −4.5"; "" where there is none."""
        if self.of.low is None or self.of.high is None or self.of.low == self.of.high:
            return ""
        return f"{number(self.of.low, self.digits)} to {number(self.of.high, self.digits)}"

    @property
    def digits(self) -> int:
        """After the point."""
        return DIGITS.get(self.of.unit, 2)

    @property
    def size(self) -> str:
        """On what it rests: "n = 4", "counted"."""
        return "counted" if self.of.n == "exact" else f"n = {self.of.n}" if self.of.n else ""


def finding(verdict: Verdict, pilot: Mapping[str, object] | None = None) -> Finding:
    """What is shown of a claim."""
    return Finding(verdict)
