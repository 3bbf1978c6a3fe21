"""Claims of the papers and their verdicts.

A claim is decided by a rule that was stated before looking: what is compared, which statistic, which margin. Rules have
a version. Those of version 1 were tried on seeds 0 to 2, those of version 2 were judged on seeds 3 to 8; what was found
wanting in both is on the page of rules. Those of version 3 are judged on seeds from 9 on; until these are there, what
they say of the earlier ones is provisional.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from netpress.report.estimates import holm
from netpress.report.frames import one_edition
from netpress.report.tables import number
from netpress.report.tests import ClaimTest, Family, Found, Side

RULE_VERSION = 3
RULES_OF = "2026-12-01"  # the day on which the rules of this version were written down

AMENDED = " (amended on 2026-12-01, knowing seeds 0 to 8 and before any later seed)"

LEVEL = 0.05  # of wrong decisions among the claims of a paper
SUPPORTED, CONTRADICTED, NO_DIFFERENCE, UNDECIDED, UNTESTABLE, NOT_RUN = VERDICTS = (
    "supported", "contradicted", "no difference that matters", "undecided", "cannot be tested", "not run",
)  # fmt: skip
DECIDED = (SUPPORTED, CONTRADICTED, NO_DIFFERENCE)
MEANS = {
    SUPPORTED: "the test supports the claim",
    CONTRADICTED: "the test supports its opposite",
    NO_DIFFERENCE: "the difference is smaller than what matters in practice",
    UNDECIDED: "the runs leave both open",
    UNTESTABLE: "what the claim takes for granted does not hold at this scale",
    NOT_RUN: "its runs are not all there yet",
}
DECISION = (
    f"Decided where p, two-sided and corrected by Holm over the claims of the paper, is below {LEVEL:g}; a single seed "
    "decides nothing."
)

Counted = tuple[int, int]  # in how many cells, of how many
Premise = Callable[[pd.DataFrame], dict[str, str]]  # runs -> data set -> why it cannot be tested there


def granted(runs: pd.DataFrame) -> dict[str, str]:
    """The premise of a claim that takes nothing for granted."""
    return {}


@dataclass(frozen=True)
class Claim:
    """What a paper claims or its tables suggest, and the test that decides it, stated before the numbers that do.

    `where`: section or figure of the paper; `compares`, `statistic`, `margin`: the test in words; `rests_on`: our
    figures and tables; `own`: in how many of the paper's own printed cells it holds, and in how many it could;
    `premise`: on which data sets what the claim takes for granted does not hold; the others decide. `than`: what an
    effect is measured against, in words, where the parts of the test do not say. `noticed`: what a reader should know
    of the test, whatever is found.
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
    than: str = ""
    own: Callable[[], Counted] | None = None
    premise: Premise = granted
    noticed: str = ""

    @property
    def rule(self) -> str:
        """The whole deciding rule in words, as the book prints it."""
        parts = (self.compares, self.statistic, f"Margin: {self.margin}", f"Test: {self.test.rule}", DECISION)
        return " ".join(part if part.endswith(".") else f"{part}." for part in parts)


@dataclass(frozen=True)
class Verdict:
    """A claim and what was found: a word of VERDICTS, and the numbers that decide.

    `effect`, `low`, `high`: in `unit`, of the part of the claim that decides; the interval is the one that decides, at
    `level`; `holds`: from where to where the effect supports the claim, None where that side is open. `n`: seeds on the
    data set that has fewest, 0 where nothing was judged, "exact" where chance plays no part. `p`: of what is favoured,
    corrected over the paper's claims. `cells`: in how many cells the mean lies on the claim's side, of how many.
    `reason`: why it is not decided, or what to know of the runs. `provisional`: judged on seeds that were known when
    the rule was stated.
    """

    claim: Claim
    verdict: str = NOT_RUN
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    level: float | None = None
    n: int | str = 0
    p: float | None = None
    part: str = ""
    holds: Side = (None, None)
    cells: Counted | None = None
    reason: str = ""
    edition: str | None = None
    provisional: bool = False

    @property
    def text(self) -> str:
        """The effect in words: "−1.20 points [−2.01, −0.39]", with the interval that decides."""
        if self.effect is None:
            return ""
        bounds = ""
        if self.low is not None and self.high is not None:
            bounds = f" [{number(self.low, 2)}, {number(self.high, 2)}]"
        return f"{number(self.effect, 2)} {self.unit}{bounds}"

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        claim = self.claim
        return {
            "id": claim.id,
            "paper": claim.paper,
            "statement": claim.statement,
            "where": claim.where,
            "edition": self.edition,
            "rule_version": RULE_VERSION,
            "rules_of": RULES_OF,
            "verdict": self.verdict,
            "provisional": self.provisional,
            "effect": self.effect,
            "interval": None if self.low is None else [self.low, self.high],
            "level": self.level,
            "unit": self.unit,
            "n": self.n,
            "p": self.p,
            "decided_by": self.part,
            "cells": self.cells,
            "own_cells": [int(count) for count in claim.own()] if claim.own else None,
            "rests_on": list(claim.rests_on),
            "rule": claim.rule,
            "reason": self.reason,
            "noticed": claim.noticed,
        }


def judge_all(claims: Sequence[Claim], runs: pd.DataFrame, provisional: bool = False) -> list[Verdict]:
    """Judge every claim on the runs of its paper, in the order given.

    Raises UserError where `runs` mixes editions: a verdict belongs to one.
    """
    one_edition(runs)
    found = [_found(claim, runs) for claim in claims]
    evidence = [Evidence(each) for each, _ in found]
    edition = str(runs["edition"].iloc[0]) if "edition" in runs and len(runs) else None
    verdicts: list[Verdict | None] = [None] * len(claims)
    for paper in dict.fromkeys(claim.paper for claim in claims):
        places = [i for i, claim in enumerate(claims) if claim.paper == paper]
        # A claim that waits for its runs counts as one that will not be decided: its turn changes no other's verdict
        # for the worse.
        adjusted, levels = holm([evidence[i].best if evidence[i].n else 1.0 for i in places], LEVEL)
        for i, p, level in zip(places, adjusted, levels, strict=True):
            own = decide(evidence[i], level)
            reason = "; ".join(filter(None, (own.pop("reason", ""), *found[i][1].values())))
            if own["verdict"] == NOT_RUN and found[i][1] and not found[i][0].lacking:
                own["verdict"] = UNTESTABLE
            one = Verdict(claims[i], **own, reason=reason, edition=edition, provisional=provisional)
            verdicts[i] = replace(one, p=p) if one.n and one.n != "exact" else one
    return [verdict for verdict in verdicts if verdict is not None]


def _found(claim: Claim, runs: pd.DataFrame) -> tuple[Found, dict[str, str]]:
    """What a claim's test finds on the data sets where its premise holds, and why it was left out on the others."""
    own = runs[runs["paper"] == claim.paper] if "paper" in runs else runs
    if own.empty:
        return Found(), {}
    without = claim.premise(own)
    return claim.test.run(own[~own["dataset"].isin(list(without))] if without else own), without


class Evidence:
    """What the comparisons and counts of a claim say together. `n`: seeds on the data set that has fewest."""

    def __init__(self, found: Found):
        self.found = found
        self.family = Family(found.comparisons)
        self.wrong = next((count for count in found.counts if not count.holds), None)
        self.exact = bool(found.counts) and (self.wrong is not None or not found.comparisons)
        self.whole = not found.lacking and bool(found.comparisons or found.counts)
        self.n = 0 if not self.whole else 1 if self.exact else self.family.n

    @property
    def best(self) -> float | None:
        """The p of what is favoured; None where nothing was tested."""
        if not self.whole or self.exact:
            return None
        known = (self.family.p, self.family.p_against, self.family.p_equal)
        return min((p for p in known if p is not None), default=None)

    def word(self, level: float) -> str:
        """The verdict at a level: no difference that matters comes first, since it says the most.

        A claim that forgives a little may hold and be broken within what it forgives: then nothing matters either.
        """
        if not self.whole or not self.n:
            return NOT_RUN
        if self.exact:
            return CONTRADICTED if self.wrong else SUPPORTED
        holds, same = (p is not None and p < level for p in (self.family.p, self.family.p_equal))
        fails = not same and self.family.fails(level)
        if same or (holds and fails):
            return NO_DIFFERENCE
        return SUPPORTED if holds else CONTRADICTED if fails else UNDECIDED

    def deciding(self, word: str) -> int:
        """The comparison that decides: the one that fails most; that is least sure to be small; that holds least."""
        if word == CONTRADICTED:
            return int(np.argmin(self.family.each_p_against))
        # None where a claim holds and is broken within what it forgives
        small = word == NO_DIFFERENCE and self.family.p_equal is not None
        return int(np.nanargmax(self.family.each_p_equal if small else self.family.each_p))


def decide(evidence: Evidence, level: float) -> dict[str, Any]:
    """Verdict, effect and interval of a claim at a level, as fields of Verdict."""
    found, word = evidence.found, evidence.word(level)
    if word == NOT_RUN:
        missing = f"{found.lacking} of {found.asked} runs are missing" if found.lacking else found.lost
        return {"verdict": word, "reason": missing}
    if evidence.exact:
        count = evidence.wrong or found.counts[0]
        return {"verdict": word, "effect": count.value, "unit": count.unit, "n": "exact", "part": count.part,
                "holds": count.side}  # fmt: skip
    own = {"verdict": word, "n": evidence.n, "level": 1 - level, "reason": found.lost}
    cells = np.sum([each.cells for each in found.comparisons], axis=0)
    own["cells"] = (int(cells[0]), int(cells[1])) if cells[1] else None
    if evidence.n < 2:
        i = int(np.argmin([each.sign * (mean - each.threshold) for each, mean in
                           zip(found.comparisons, evidence.family.mean, strict=True)]))  # fmt: skip
        bounds = None
    else:
        i = evidence.deciding(word)
        bounds = evidence.family.interval(i, level, alone=word == NO_DIFFERENCE)
    part = found.comparisons[i]
    effect, low, high = (
        None if value is None or not math.isfinite(value) else part.measure.back(float(value))
        for value in (evidence.family.mean[i], *(bounds or (None, None)))
    )
    limit = part.measure.back(part.threshold)
    holds = (limit, None) if part.more else (None, limit)
    return own | {"effect": effect, "low": low, "high": high, "unit": part.measure.unit, "part": part.part,
                  "holds": holds}  # fmt: skip
