"""Claims of the papers and their verdicts.

A claim is decided by a rule that was stated before looking: what is compared, which statistic, which margin.
The p-values of a paper's claims are corrected together (Holm, 5 %). A claim that rests on chance is never decided
by one seed; one that does not (a count) is, and its n is called exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from netpress.report.evidence import (
    ACCURACY,
    EPOCHS,
    LAST,
    LEVEL,
    Contrast,
    Evidence,
    Judge,
    Measure,
    certainty,
    weakest,
)
from netpress.report.frames import finished, one_edition
from netpress.report.judges import (
    all_of,
    difference_judge,
    equivalence_judge,
    exact_judge,
    noninferiority_judge,
    trend_judge,
)
from netpress.report.statistics import holm, seeds_needed
from netpress.report.tables import Lines, Link, Table, Tag, Whole, listing, number

__all__ = [
    "ACCURACY",
    "EPOCHS",
    "LAST",
    "Claim",
    "Contrast",
    "Evidence",
    "Judge",
    "Measure",
    "Verdict",
    "all_of",
    "difference_judge",
    "equivalence_judge",
    "exact_judge",
    "judge_all",
    "noninferiority_judge",
    "rules",
    "scoreboard",
    "spoken",
    "trend_judge",
    "weakest",
]

SUPPORTED, CONTRADICTED, UNDECIDED, NOT_RUN = VERDICTS = ("supported", "contradicted", "undecided", "not run")
DECISION = (
    "Supported or contradicted where p, corrected by Holm over the claims of the paper, is below 0.05; "
    "undecided otherwise, and with a single seed."
)


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper and the test that decides it, stated before looking at any number.

    `where`: section or figure of the paper; `compares`, `statistic`, `margin`: the test in words; `judge`: takes
    the runs (one row a run) and the history of epochs and returns Evidence; `rests_on`: our figures and tables.
    """

    id: str
    paper: str
    statement: str
    where: str
    compares: str
    statistic: str
    margin: str
    judge: Callable[[pd.DataFrame, pd.DataFrame], Evidence]
    rests_on: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The whole deciding rule in words, as the book prints it."""
        test = getattr(self.judge, "rule", "")
        return _sentences(self.compared, f"Test: {test}" if test else "", DECISION)

    @property
    def compared(self) -> str:
        """What is compared, in which statistic, and the margin."""
        return _sentences(self.compares, self.statistic, f"Margin: {self.margin}")


@dataclass(frozen=True)
class Verdict:
    """A claim, what was found, and the verdict: supported, contradicted, undecided or not run.

    `p`: of the likelier side, corrected over the paper's claims; `seeds_needed`: of an undecided claim, for 80 %
    power, None where it cannot be told or no affordable number would do.
    """

    claim: Claim
    evidence: Evidence
    verdict: str
    p: float | None
    seeds_needed: int | None
    edition: str | None = None

    @property
    def n(self) -> int | str:
        """Seeds, or "exact" where nothing is random."""
        return "exact" if self.evidence.exact is not None else self.evidence.n

    @property
    def effect(self) -> str:
        """The effect in words: "−1.20 points [−2.01, −0.39]"."""
        e = self.evidence
        if e.effect is None or not math.isfinite(e.effect):
            return ""
        bounds = "" if e.low is None or e.high is None else f" [{number(e.low, 2)}, {number(e.high, 2)}]"
        return f"{number(e.effect, 2)} {e.unit}{bounds}"

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        claim, e = self.claim, self.evidence
        bounded = e.low is not None and e.high is not None
        return {
            "id": claim.id,
            "paper": claim.paper,
            "statement": claim.statement,
            "where": claim.where,
            "edition": self.edition,
            "verdict": self.verdict,
            "effect": _plain(e.effect),
            "interval": [_plain(e.low), _plain(e.high)] if bounded else None,
            "level": e.level,
            "unit": e.unit,
            "n": self.n,
            "p": _plain(self.p),
            "seeds_needed": self.seeds_needed,
            "rests_on": list(claim.rests_on),
            "rule": claim.rule,
            "note": e.note,
        }


def _sentences(*parts: str) -> str:
    return " ".join(f"{part[0].upper()}{part[1:].rstrip('.')}." for part in parts if part)


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def spoken(verdict: Verdict) -> str:
    """A verdict in words, for the prose: "contradicted (-1.20 points [-2.01, -0.39], n = 3; weakest of 4: dogs)"."""
    if verdict.verdict == NOT_RUN:
        return NOT_RUN
    if verdict.n == "exact":
        return f"{verdict.verdict} ({verdict.effect}, exact)"
    found = ", ".join(part for part in (verdict.effect, f"n = {verdict.n}") if part)
    return f"{verdict.verdict} ({'; '.join(part for part in (found, verdict.evidence.note) if part)})"


def judge_all(
    claims: Sequence[Claim], runs: pd.DataFrame, history: pd.DataFrame | None = None
) -> list[Verdict]:
    """Judge every claim on the runs of its paper, in the order given.

    Raises UserError where `runs` mixes editions: a verdict belongs to one.
    """
    one_edition(runs)
    found = [_look(claim, runs, pd.DataFrame() if history is None else history) for claim in claims]
    corrected = _corrected(claims, found)
    editions = runs["edition"].unique() if "edition" in runs else []
    edition = str(editions[0]) if len(editions) else None
    return [
        _decide(claim, evidence, *corrected[i], edition)
        for i, (claim, evidence) in enumerate(zip(claims, found, strict=True))
    ]


def _look(claim: Claim, runs: pd.DataFrame, history: pd.DataFrame) -> Evidence:
    own = runs[runs["paper"] == claim.paper] if "paper" in runs else runs
    if finished(own).empty:
        return Evidence(None, None, None, 0, "")
    if "name" in history and "name" in own:
        history = history[history["name"].isin(set(own["name"]))]
    return claim.judge(own, history)


def _corrected(claims: Sequence[Claim], found: Sequence[Evidence]) -> list[tuple[float | None, int]]:
    """For each claim its corrected p and how many of its paper's claims were tested."""
    likelier = [_likelier(evidence) for evidence in found]
    result: list[tuple[float | None, int]] = [(None, 1)] * len(found)
    for paper in dict.fromkeys(claim.paper for claim in claims):
        places = [i for i, claim in enumerate(claims) if claim.paper == paper]
        adjusted = holm([likelier[i] for i in places])
        tested = max(1, sum(p is not None for p in adjusted))
        for i, p in zip(places, adjusted, strict=True):
            result[i] = (p, tested)
    return result


def _likelier(evidence: Evidence) -> float | None:
    """The p of the side that the evidence favours; None where chance plays no part or nothing was tested."""
    sides = [p for p in (evidence.p, evidence.p_against) if p is not None]
    return min(sides) if sides and evidence.exact is None else None


def _decide(claim: Claim, evidence: Evidence, p: float | None, tested: int, edition: str | None) -> Verdict:
    if not evidence.n:
        return Verdict(claim, evidence, NOT_RUN, None, None, edition)
    if evidence.exact is not None:
        return Verdict(claim, evidence, SUPPORTED if evidence.exact else CONTRADICTED, None, None, edition)
    if p is None or p >= LEVEL:
        return Verdict(claim, evidence, UNDECIDED, p, _seeds(evidence, tested), edition)
    supports, against = certainty(evidence)
    favours = against is None or (supports is not None and supports <= against)
    return Verdict(claim, evidence, SUPPORTED if favours else CONTRADICTED, p, None, edition)


def _seeds(evidence: Evidence, tested: int) -> int | None:
    """Seeds for 80 % power at the strictest level of Holm's correction, if the effect is what it seems to be."""
    if evidence.spread is None or evidence.distance is None:
        return None
    needed = seeds_needed(evidence.spread, evidence.distance, 1 - (1 - evidence.level) / tested)
    return None if needed is None else max(needed, evidence.n + 1)


def scoreboard(
    verdicts: Sequence[Verdict], caption: str, links: Mapping[str, str] | None = None, note: str = ""
) -> Table:
    """All claims at a glance. `links`: claim id -> where its evidence is shown."""
    rows = [
        {
            "claim": Link(v.claim.id, links[v.claim.id]) if links and v.claim.id in links else v.claim.id,
            "verdict": Tag(v.verdict),
            "statement": v.claim.statement,
            "effect": Whole(v.effect),
            "n": v.n if v.evidence.n else None,
            "p (Holm)": None if v.p is None else "below 0.001" if v.p < 0.001 else number(v.p, 3),
            "made in": v.claim.where,
            "compared": v.claim.compares,
            "seeds that would decide": v.seeds_needed,
            "rests on": ", ".join(v.claim.rests_on),
        }
        for v in verdicts
    ]
    return listing(rows, caption, note)


def rules(verdicts: Sequence[Verdict], caption: str) -> Table:
    """The deciding rule of every claim in words, with what was noticed while deciding."""
    rows = [
        {
            "claim": v.claim.id,
            "compared": v.claim.compared,
            "test": Lines(_tests(v.claim.judge)),
            "noticed": v.evidence.note,
        }
        for v in verdicts
    ]
    return listing(rows, caption, f"Of several tests all must hold, and one that fails contradicts. {DECISION}")


def _tests(judge: Callable[[pd.DataFrame, pd.DataFrame], Evidence]) -> tuple[str, ...]:
    return getattr(judge, "parts", ()) or (getattr(judge, "rule", ""),)
