"""What the book shows of a claim: the verdict on fresh seeds, or the pilot's as long as these are not all run, with the
effect that decides it in words that a newcomer reads."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netpress.data.registry import titles
from netpress.report.claims import DECIDED, NOT_RUN, Claim, Verdict
from netpress.report.tables import number

BY_PILOT = "pilot"
Side = tuple[float | None, float | None]

# unit: the words for an effect above 0 and below it. Where the other side is not named, "than" is left out.
WORDS = {
    "points": ("above", "below"),
    "epochs": ("slower than", "faster than"),
    "cosine": ("more alike than", "less alike than"),
    "CKA": ("more alike than", "less alike than"),
}
DIGITS = {"points": 1, "epochs": 2, "times": 2}  # the others: 3 where they are small, such as cosines
TAUS = {1: "rises", -1: "falls", 0: "stays level"}
AGAINST = re.compile(r"^(?:(?:against|faster than|above|than|reaches) (?:the )?(.+)|((?:retrained )?parent))$")
EITHER = re.compile(r"\{(\w+)\|(\w+)\}")  # the words for an effect above 0 and below it, where a claim has its own
PAIR = re.compile(r"^(\S+) (?:less|-) (\S+)$")
WEAKEST = re.compile(r"(?:weakest|widest) of \d+(?: pairs)?: ([^;]+)")
SILENT = ("beats", "growing", "grows", "faster", "only slightly", "knowledge", "overfitting")  # names that add nothing
NAMES = {
    "fitnet": "FitNet", "two-stages": "2 stages", "gram-direct": "Gram Direct", "gram": "Gram", "scratch": "Scratch",
    "parent": "the parent", "retrained parent": "the parent retrained", "parent retrained": "the parent retrained",
}  # fmt: skip
LEVEL_OR_BLOCK = re.compile(r"^(?:vgg16-)?(?:(svgg\d+)|block(\d))$")

# how the pilot's rules say on which side of a number a claim holds
RULES = (
    (re.compile(r"(?:supported if|is) (more|less) than (-?[\d.]*\d)"), lambda m: side(m[1] == "more", float(m[2]))),
    (re.compile(r"differ by less than ([\d.]*\d)"), lambda m: (-float(m[1]), float(m[1]))),
    (re.compile(r"at least ([\d.]*\d)"), lambda m: side(True, float(m[1]))),
    (re.compile(r"is above 0"), lambda m: side(True, 0.0)),
)


@dataclass(frozen=True)
class Finding:
    """A claim with the verdict that is shown of it.

    `by`: "" for fresh seeds, BY_PILOT for the pilot's; `holds`: from where to where the effect supports the claim, None
    where that side is open; `decided_by`: the part that decides, raw; the rest as in a TestResult.
    """

    claim: Claim
    verdict: str
    by: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | str = 0
    decided_by: str = ""
    holds: Side = (None, None)

    @property
    def decided(self) -> bool:
        """Whether it is more than undecided."""
        return self.verdict in DECIDED

    @property
    def where(self) -> str:
        """The part that decides, in words: "forward, against FitNet"."""
        other, rest = compared(self.decided_by)
        return ", ".join([*rest, *([f"against {other}"] if other else [])])

    @property
    def words(self) -> str:
        """The effect in words: "0.72 epochs slower than mean (frozen)"; "" where there is none."""
        if self.effect is None or not math.isfinite(self.effect):
            return ""
        return phrase(self.effect, self.unit, self.decided_by, self.claim.than)

    @property
    def interval(self) -> str:
        """The interval that decides: "−6.8 to −4.5"; "" where there is none."""
        if self.low is None or self.high is None or self.low == self.high:
            return ""
        return f"{number(self.low, digits(self.unit))} to {number(self.high, digits(self.unit))}"

    @property
    def size(self) -> str:
        """On what it rests: "n = 4", "counted"."""
        return "counted" if self.n == "exact" else f"n = {self.n}" if self.n else ""


def finding(verdict: Verdict, pilot: Mapping[str, Any] | None = None) -> Finding:
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
    parts = [part.strip() for part in WEAKEST.findall(old.get("note") or "")]
    decided_by = ", ".join(reversed(parts))
    held = holding(old.get("rule") or "", parts[0] if parts else "")
    return Finding(
        claim, old["verdict"], BY_PILOT, old["effect"], low, high, old["unit"], old["n"], decided_by, held
    )  # fmt: skip


def holding(rule: str, part: str) -> Side:
    """On which side of which number a claim holds, from the pilot's rule in words; that of one part of it."""
    start = rule.find(f"{part}: ") if part else -1
    text = rule[max(start, 0) :]
    found = [(match.start(), take(match)) for pattern, take in RULES if (match := pattern.search(text))]
    return min(found)[1] if found else (None, None)


def side(more: bool, threshold: float) -> Side:
    """From a number on, or up to it."""
    return (threshold, None) if more else (None, threshold)


def phrase(effect: float, unit: str, decided_by: str, than: Mapping[str, str]) -> str:
    """An effect in words, with what it is measured against and where."""
    other, rest = compared(decided_by)
    pair = next((PAIR.match(name) for name in decided_by.split(", ") if PAIR.match(name)), None)
    if pair and unit == "points":
        places = [name for name in rest if not PAIR.match(name)]
        more = "less" if effect < 0 else "more"
        return f"{size(effect, unit)} {more} with {named(pair[1])} than with {named(pair[2])}{brackets(places)}"
    if unit == "tau":
        words = than.get(unit, "{}").format(TAUS[(effect > 0) - (effect < 0)])
        return f"{words}, tau {number(effect, 2)}{brackets(rest)}"
    if unit not in WORDS:
        return " ".join(filter(None, (size(effect, unit), than.get(unit)))) + brackets(rest)
    against, word = other or than.get(unit, ""), WORDS[unit][effect < 0]
    if not other and (both := EITHER.search(against)):
        return f"{size(effect, unit)} {EITHER.sub(both[1 + (effect < 0)], against)}{brackets(rest)}"
    if unit == "points" and not re.search("[1-9]", size(effect, unit)):
        word = "from"
    if not against:
        word = word.removesuffix(" than")
    return " ".join(filter(None, (size(effect, unit), word, against))) + brackets(rest)


def size(effect: float, unit: str) -> str:
    """ "5.6 points"; of likenesses the number alone."""
    return number(abs(effect), digits(unit)) + ("" if unit in ("cosine", "CKA") else f" {unit}")


def digits(unit: str) -> int:
    """After the point."""
    return DIGITS.get(unit, 3 if unit in ("cosine", "CKA") else 2)


def brackets(places: list[str]) -> str:
    """ " (forward, SVGG5)"."""
    return f" ({', '.join(places)})" if places else ""


def compared(decided_by: str) -> tuple[str, list[str]]:
    """What a part compares with ("" where its name does not say), and the other words of its name."""
    other, rest = "", []
    for name in filter(None, decided_by.split(", ")):
        match = AGAINST.match(name)
        if match:
            other = named(match[1] or match[2])
        elif name not in SILENT:
            rest.append(named(name) if not PAIR.match(name) else name)
    return other, rest


def named(name: str) -> str:
    """A name from a test as the book has it: "cifar100" -> "CIFAR-100", "svgg8" -> "SVGG8", "block3" -> "block 3"."""
    place = LEVEL_OR_BLOCK.match(name)
    if place:
        return place[1].upper() if place[1] else f"block {place[2]}"
    return titles().get(name, NAMES.get(name, name.replace("-", " ") if re.match(r"(mean|random)-", name) else name))
