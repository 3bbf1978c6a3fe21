"""The appendix's page on the rules of the claims: how often they decide wrongly, and how often at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from netpress import papers
from netpress.benchmarks import results
from netpress.benchmarks.rules import SEEDS
from netpress.report.claims import LEVEL, RULE_VERSION, RULES_OF, UNDECIDED
from netpress.report.sentences import listed
from netpress.report.tables import Table, listing, number

NAME = "rules"
POWER = 0.8  # planned for each claim, where the hours allow it
MUCH = 1.5  # times Bonferroni's t: where max-t asks for much more
NOT_MEASURED = "Not measured yet: `netpress bench rules` does."


def rules_text() -> str:
    """Which version of the rules is in force, and since when, as a sentence."""
    return f"Version {RULE_VERSION}, written down on {RULES_OF}; at most {100 * LEVEL:g} % wrong decisions a paper."


def table_errors() -> Table:
    """The chance that any claim of a paper is decided wrongly, with the planned seeds."""
    record = results.first(NAME)
    claims = record["claims"] if record else []
    rows = [
        {
            "paper": paper, "wrong decisions, %": 100 * bar["measured"], "at most, %": 5.0,
            "most of them": most_of_them(claims, paper),
        }
        for bar in (record["bars"] if record else ())
        for paper in [bar["name"].removeprefix("rules-")]
    ]  # fmt: skip
    caption = "The chance that any claim of a paper is decided wrongly, were each at the edge of what it says."
    return listing(rows, caption, drawn(record))


def most_of_them(claims: Sequence[Mapping[str, Any]], paper: str) -> str:
    """The claim of a paper that is wrongly decided most often, and how often."""
    errors = {row["claim"]: max(row["error_if_false"], row["error_if_true"]) for row in claims if row["paper"] == paper}
    name = max(errors, key=lambda claim: errors[claim], default="")
    return f"{name}, {100 * errors[name]:.1f} %" if name else ""


def table_power() -> Table:
    """Error and power of every claim that the pilot could be drawn from."""
    record = results.first(NAME)
    rows = [
        {
            "claim": row["claim"], "seeds": row["seeds"],
            "wrongly supported, %": 100 * row["error_if_false"], "wrongly contradicted, %": 100 * row["error_if_true"],
            "power, %": 100 * row["power"], "power, half decided, %": 100 * row["power_halfway"],
            **{f"with {n} seeds, %": 100 * row[f"power_halfway_{n}"] for n in SEEDS},
        }
        for row in (record["claims"] if record else ())
    ]  # fmt: skip
    caption = "How often each claim would be decided, were it as the pilot suggests, and how often wrongly."
    return listing(rows, caption, drawn(record))


def weak_text() -> str:
    """Which claims have less than the power that was planned for, as a sentence."""
    record = results.first(NAME)
    weak = [row for row in (record["claims"] if record else ()) if row["power"] < POWER]
    if not weak:
        return NOT_MEASURED if record is None else f"None has less than {100 * POWER:g} %."
    words = listed([f"{row['claim']} {number(100 * row['power'])}" for row in weak])
    return f"Less than the planned {100 * POWER:g} % have, in %: {words}."


def largest_t_text(editions: Mapping[str, str]) -> str:
    """For which claims max-t asks for a much larger t than Bonferroni's correction would, as sentences; of the editions
    that a page shows of the papers. T12 says that not all inequalities hold: the largest t would support it, so it is
    left out."""
    verdicts = [verdict for paper, edition in editions.items() for verdict in papers.verdicts(paper, edition)]
    found = [(v, t) for v in verdicts if (t := v.result.largest_t) and t.maxt > MUCH * t.bonferroni]
    if not found:
        return "No claim of the shown editions has such data sets."
    words = [f"{v.claim.id} {number(t.maxt)} (Bonferroni: {number(t.bonferroni)})" for v, t in found]
    turned = [v.claim.id for v, t in found if v.verdict == UNDECIDED and t.p < (v.result.alpha or 0.0)]
    then = f" With Bonferroni's correction {listed(turned)} would read contradicted." if turned else ""
    return f"The t that contradicts: {listed(words)}.{then}"


def drawn(record: dict | None) -> str:
    """How the numbers were made."""
    if record is None:
        return NOT_MEASURED
    return (
        f"{record['settings']['draws']:,} draws a claim (power: a quarter of them, or a tenth) of the pilot's spread "
        "and correlations, judged by the code that judges the runs, at the strictest level of Holm's correction; half "
        "decided: at the level that is left when half of the paper's claims are."
    )
