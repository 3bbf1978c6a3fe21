"""Tables of verdicts: a paper's claims at a glance, and the rule that decides each of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from netpress.report.claims import DECISION, Claim, Verdict
from netpress.report.findings import BY_PILOT, Finding, finding
from netpress.report.tables import Lines, Link, Table, Tag, Whole, listing, number

Pilot = Mapping[str, Mapping[str, object]]  # claim -> what the pilot's record says of it
PILOT_NOTE = (
    "“Pilot”: what the first rules said of the pilot's seeds; the fresh seeds that decide are not all run for these."
)
NOTE = (
    "Behind each effect stands the interval that decides. Its bounds have a sign: below 0 means less or falling; of a "
    "quotient (“times”), below 1 means less. The interval is corrected over all parts of the test, so the effect need "
    "not lie in its middle. n counts seeds, on the data set with the fewest; where networks took turns at being timed, "
    "it counts passes. p is corrected over the claims of the paper (Holm)."
)
OWN = "in the paper's own numbers"


def scoreboard(verdicts: Sequence[Verdict], pilot: Pilot, caption: str, cards: str = "") -> Table:
    """The claims of a paper: verdict, statement, effect, p. `cards`: the address of the page with the rest of it."""
    found = [finding(verdict, pilot.get(verdict.claim.id)) for verdict in verdicts]
    rows = [line(one, verdict, cards) for one, verdict in zip(found, verdicts, strict=True)]
    if any(one.claim.own for one in found):
        rows = [row | {OWN: own_text(one.claim) or None} for row, one in zip(rows, found, strict=True)]
    notes = [NOTE, *([PILOT_NOTE] if any(one.by for one in found) else [])]
    return listing(rows, caption, " ".join(notes))


def line(found: Finding, verdict: Verdict, cards: str) -> dict[str, Any]:
    """A claim in one line."""
    claim = found.claim
    return {
        "claim": Link(claim.id, f"{cards}#claim-{claim.id}") if cards else claim.id,
        "verdict": tag(found), "statement": claim.statement, "effect": effect(found) or None,
        "p": None if found.by else p_text(verdict),
    }  # fmt: skip


def effect(found: Finding) -> str:
    """ "5.6 points below FitNet (forward); −6.8 to −4.5, n = 3"."""
    behind = ", ".join(part for part in (found.interval, found.size) if part)
    return "; ".join(part for part in (found.words, behind) if part)


def tag(found: Finding) -> Tag:
    """The verdict as a label that says whose it is."""
    return Tag(found.verdict, found.by)


def own_text(claim: Claim) -> str:
    """ "7 of 8 cells": where a claim holds in the paper's own tables; "" where it cannot be counted in them."""
    if claim.own is None:
        return ""
    held, of = claim.own()
    return f"{held} of {of} cells"


def p_text(verdict: Verdict) -> Whole | None:
    """The corrected p of a verdict as text, None where there is none."""
    return None if verdict.p is None else Whole("below 0.001" if verdict.p < 0.001 else number(verdict.p, 3))


def spoken(found: Finding) -> str:
    """A verdict in words, for the prose: "contradicted (5.6 points below FitNet (forward); −6.8 to −4.5, n = 3)"."""
    behind = f" ({effect(found)})" if effect(found) else ""
    before = "in the pilot, by the first rules, " if found.by == BY_PILOT else ""
    return f"{before}{found.verdict}{behind}"


def rules(verdicts: Sequence[Verdict], caption: str) -> Table:
    """The deciding rule of every claim in words, with what is to be known of its test."""
    rows = [
        {
            "claim": v.claim.id,
            "compared": v.claim.compared,
            "the exact rule": Lines(v.claim.test.parts or (v.claim.test.rule,), "the exact rule"),
            "noticed": v.notes,
        }
        for v in verdicts
    ]
    return listing(rows, caption, f"Of several tests all must hold, and one that fails contradicts. {DECISION}")
