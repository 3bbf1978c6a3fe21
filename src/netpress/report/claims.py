"""Claims of the papers and their verdicts.

A claim is decided by a rule that was stated before looking: what is compared, which statistic, which margin. Rules have
a version: those of version 1 were tried on the pilot's seeds and found wanting (see the page on rules and power), those
of version 2 are judged on fresh seeds alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from netpress.report.evidence import ClaimTest, Findings, Side, TestResult, deciding, shown, tested
from netpress.report.frames import one_edition
from netpress.report.labels import WHOLE, Label
from netpress.report.planning import NOTHING_NEEDED, Needed, needed
from netpress.report.statistics import holm
from netpress.report.tables import number

RULE_VERSION = 2
RULES_OF = "2026-11-26"  # the day on which the rules of this version were written down

LEVEL = 0.05  # of wrong decisions among the claims of a paper
SUPPORTED, CONTRADICTED, NO_DIFFERENCE, UNDECIDED, NOT_RUN = VERDICTS = (
    "supported", "contradicted", "no difference that matters", "undecided", "not run",
)  # fmt: skip
DECIDED = (SUPPORTED, CONTRADICTED, NO_DIFFERENCE)
MEANS = {
    SUPPORTED: "the test supports the claim",
    CONTRADICTED: "the test supports its opposite",
    NO_DIFFERENCE: "the difference is smaller than what matters in practice",
    UNDECIDED: "the runs leave both open",
    NOT_RUN: "its runs are not all there yet",
}
DECISION = (
    f"Decided where p, two-sided and corrected by Holm over the claims of the paper, is below {LEVEL:g}; a single seed "
    "decides nothing."
)


@dataclass(frozen=True)
class Pilot:
    """Of a claim's pilot, what its record has in sentences alone.

    `holds`: from where to where the effect supported the claim by the first rules; `decided_by`: the part that decided.
    """

    holds: Side
    decided_by: Label = WHOLE


@dataclass(frozen=True)
class Claim:
    """What a paper claims or its tables suggest, and the test that decides it, stated before the numbers that do.

    `where`: section or figure of the paper; `compares`, `statistic`, `margin`: the test in words; `rests_on`: our
    figures and tables; `than`: unit of an effect -> what it is measured against, in words, where the parts of the test
    do not say, or two of these, for an effect above 0 and below it; `names`: value of a factor -> how the book writes
    it, where that is another; `own`: in how many of the paper's own printed cells it holds, and in how many it could;
    `noticed`: what a reader should know of the test, whatever is found.
    """

    id: str
    paper: str
    statement: str
    where: str
    compares: str
    statistic: str
    margin: str
    test: ClaimTest
    rests_on: tuple[str, ...] = ()
    than: Mapping[str, str | tuple[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    own: Callable[[], tuple[int, int]] | None = None
    pilot: Pilot | None = None
    noticed: str = ""

    @property
    def rule(self) -> str:
        """The whole deciding rule in words, as the book prints it."""
        return _sentences(self.compared, f"Test: {self.test.rule}", DECISION)

    @property
    def compared(self) -> str:
        """What is compared, in which statistic, and the margin."""
        return _sentences(self.compares, self.statistic, f"Margin: {self.margin}")


@dataclass(frozen=True)
class Verdict:
    """A claim, what its test says, and the verdict: a word of VERDICTS.

    `p`: of what the findings favour, corrected over the paper's claims; `needed`: fresh seeds that would decide it.
    """

    claim: Claim
    result: TestResult
    verdict: str
    p: float | None = None
    needed: Needed = NOTHING_NEEDED
    edition: str | None = None

    @property
    def n(self) -> int | str:
        """Seeds on each data set, or "exact" where chance plays no part."""
        return "exact" if self.result.exact is not None else self.result.n

    @property
    def effect(self) -> str:
        """The effect in words: "−1.20 points [−2.01, −0.39]", with the interval that decides."""
        r = self.result
        if r.effect is None or not math.isfinite(r.effect):
            return ""
        bounds = "" if r.low is None or r.high is None else f" [{number(r.low, 2)}, {number(r.high, 2)}]"
        return f"{number(r.effect, 2)} {r.unit}{bounds}"

    @property
    def notes(self) -> str:
        """What is to be known of the test, and what was noticed while deciding."""
        return "; ".join(part for part in (self.claim.noticed, self.result.note) if part)

    @property
    def seeds(self) -> str:
        """What would decide it, in words; "" where it is decided."""
        if self.verdict != UNDECIDED or self.result.n < 2:
            return ""
        return self.needed.text

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        claim, r = self.claim, self.result
        bounded = r.low is not None and r.high is not None
        return {
            "id": claim.id,
            "paper": claim.paper,
            "statement": claim.statement,
            "where": claim.where,
            "edition": self.edition,
            "rule_version": RULE_VERSION,
            "rules_of": RULES_OF,
            "verdict": self.verdict,
            "effect": _plain(r.effect),
            "interval": [_plain(r.low), _plain(r.high)] if bounded else None,
            "level": None if r.alpha is None else 1 - r.alpha,
            "unit": r.unit,
            "n": self.n,
            "p": _plain(self.p),
            "seeds_needed": self.needed.seeds,
            "why_no_seeds": self.needed.why,
            "decided_by": r.decided_by.text,
            "rests_on": list(claim.rests_on),
            "rule": claim.rule,
            "note": r.note,
            "noticed": claim.noticed,
        }


def _sentences(*parts: str) -> str:
    return " ".join(f"{part[0].upper()}{part[1:].rstrip('.')}." for part in parts if part)


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def judge_all(claims: Sequence[Claim], runs: pd.DataFrame, history: pd.DataFrame | None = None) -> list[Verdict]:
    """Judge every claim on the runs of its paper, in the order given.

    Raises UserError where `runs` mixes editions: a verdict belongs to one.
    """
    one_edition(runs)
    found = [_found(claim, runs, pd.DataFrame() if history is None else history) for claim in claims]
    results = [tested(each) for each in found]
    corrected = _corrected(claims, results)
    editions = runs["edition"].unique() if "edition" in runs else []
    edition = str(editions[0]) if len(editions) else None
    return [
        replace(_decide(claim, findings, result, *holms), edition=edition)
        for claim, findings, result, holms in zip(claims, found, results, corrected, strict=True)
    ]


def _found(claim: Claim, runs: pd.DataFrame, history: pd.DataFrame) -> Findings:
    own = runs[runs["paper"] == claim.paper] if "paper" in runs else runs
    if own.empty:
        return Findings()
    if "name" in history and "name" in own:
        history = history[history["name"].isin(set(own["name"]))]
    return claim.test.run(own, history)


def _corrected(claims: Sequence[Claim], results: Sequence[TestResult]) -> list[tuple[float | None, float]]:
    """For each claim its corrected p and the level that Holm leaves to it, among its paper's claims.

    A claim that waits for its runs counts as one that will not be decided, so that its turn changes no other's verdict
    for the worse.
    """
    found: list[tuple[float | None, float]] = [(None, LEVEL)] * len(results)
    for paper in dict.fromkeys(claim.paper for claim in claims):
        places = [i for i, claim in enumerate(claims) if claim.paper == paper]
        adjusted, levels = holm([results[i].best_p if results[i].n else 1.0 for i in places], LEVEL)
        for i, p, level in zip(places, adjusted, levels, strict=True):
            found[i] = (p if results[i].n else None, level)
    return found


def _decide(claim: Claim, findings: Findings, result: TestResult, p: float | None, level: float) -> Verdict:
    if not result.n:
        return Verdict(claim, result, NOT_RUN)
    verdict = word(result, level)
    part = deciding(findings, verdict == NO_DIFFERENCE)
    effect: Any = shown(findings, part, level, verdict == NO_DIFFERENCE)
    result = replace(result, alpha=level, decided_by=part.label, **effect)
    lacking = needed(part, result.n, level) if verdict == UNDECIDED else NOTHING_NEEDED
    return Verdict(claim, result, verdict, p, lacking)


def word(result: TestResult, level: float) -> str:
    """The verdict at a level: no difference that matters comes first, since it says the most."""
    if result.exact is not None:
        return SUPPORTED if result.exact else CONTRADICTED
    words = {NO_DIFFERENCE: result.p_equal, SUPPORTED: result.p, CONTRADICTED: result.p_against}
    return next((word for word, p in words.items() if p is not None and p < level), UNDECIDED)
