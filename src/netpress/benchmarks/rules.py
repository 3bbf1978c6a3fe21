"""How often the rules of the claims decide wrongly, and how often they decide at all, on drawn numbers.

Every comparison of a claim is drawn anew: its mean as the pilot found it or exactly at its threshold, its spread and
its correlation with the claim's other comparisons within a data set as the pilot's, normal. The drawn numbers go
through the very code that judges the runs. Error: of all that can be decided wrongly, where every claim's truth is the
one in which that is likeliest; power: how often what the pilot suggests is found with the planned number of seeds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from netpress import editions, papers
from netpress.benchmarks import results
from netpress.report import claims as rules
from netpress.report.comparisons import Comparison, Family
from netpress.report.evidence import Findings, Part, deciding, tested
from netpress.report.trends import Trend
from netpress.runs import records

EDITION = "small"
DRAWS = 2000
SEEDS = (4, 6, 8)  # beside the planned number
LARGEST_T = 4000  # draws of the largest t within each draw: enough to tell 0.05 / 15


@dataclass(frozen=True)
class Simulated:
    """One claim on drawn numbers: the pilot's findings, and at which truth they are drawn."""

    findings: Findings
    truth: str  # "pilot", "false" (the weakest part just fails) or "true" (every part just holds)

    @cached_property
    def residuals(self) -> dict[str, dict[Any, np.ndarray]]:
        """What is drawn together -> part or group -> deviations from its mean, one a seed."""
        return _residuals(self.findings)

    @cached_property
    def weakest(self) -> Part:
        """The part that decides in the pilot."""
        return deciding(self.findings, equal=False)

    def draw(self, seeds: int, generator: np.random.Generator) -> Findings:
        """Findings with `seeds` seeds on every data set."""
        drawn = {name: _noise(table, seeds, generator) for name, table in self.residuals.items()}
        weakest = self.weakest
        parts = tuple(self._part(i, part, part is weakest, drawn, seeds) for i, part in enumerate(self.findings.parts))
        return replace(self.findings, parts=parts)

    def _part(self, i: int, part: Part, weakest: bool, drawn: dict[str, dict[Any, np.ndarray]], seeds: int) -> Part:
        if isinstance(part, Comparison):
            centre = self._centre(part, weakest)
            shift = centre - part.found.mean
            values = {name: own.mean() + shift + drawn[name][i] for name, own in part.values.items()}
            return replace(part, values=values)
        if isinstance(part, Trend):
            centre = part.rows.mean() if self.truth == "pilot" else part.rows.mean() * 0
            parts = [
                pd.DataFrame(
                    {c: centre[c] + drawn[f"{i} {dataset}"][c] for c in part.rows.columns}, columns=part.rows.columns
                )
                for dataset in _datasets(part)
            ]
            return replace(part, rows=pd.concat(parts, ignore_index=True))
        return part

    def _centre(self, part: Comparison, weakest: bool) -> float:
        if self.truth == "pilot":
            return part.found.mean
        if self.truth == "true":  # as near to failing as a true claim can be
            return part.threshold
        return part.threshold if weakest else max(part.sign * part.found.mean, part.sign * part.threshold) * part.sign


def _datasets(trend: Trend) -> list[str]:
    names = trend.rows.index.names
    return list(dict.fromkeys(trend.rows.index.get_level_values("dataset"))) if "dataset" in names else ["all"]


def _residuals(findings: Findings) -> dict[str, dict[Any, np.ndarray]]:
    found: dict[str, dict[Any, np.ndarray]] = {}
    for i, part in enumerate(findings.parts):
        if isinstance(part, Comparison):
            for dataset, values in part.values.items():
                found.setdefault(dataset, {})[i] = values - values.mean()
        elif isinstance(part, Trend):
            for dataset in _datasets(part):
                rows = part.rows.xs(dataset, level="dataset") if dataset != "all" else part.rows
                found[f"{i} {dataset}"] = {c: rows[c].to_numpy() - rows[c].mean() for c in rows}
    return found


def _noise(residuals: dict[Any, np.ndarray], seeds: int, generator: np.random.Generator) -> dict[Any, np.ndarray]:
    """Normal deviations of `seeds` seeds with the covariance of the residuals."""
    table = np.array(list(residuals.values()))
    n = table.shape[1]
    drawn = table @ generator.standard_normal((n, seeds)) / np.sqrt(max(n - 1, 1))
    return dict(zip(residuals, drawn, strict=True))


def share(simulated: Simulated, seeds: int, level: float, wrong: Sequence[str], draws: int = DRAWS) -> float:
    """How often one of the words is found."""
    generator = np.random.default_rng(0)
    return float(np.mean([_word(simulated.draw(seeds, generator), level) in wrong for _ in range(draws)]))


def _word(findings: Findings, level: float) -> str:
    """The verdict, with fewer draws of the largest t than the book takes."""
    default, Family.draws_taken = Family.draws_taken, LARGEST_T
    try:
        return rules.word(tested(findings), level)
    finally:
        Family.draws_taken = default


def pilot(paper: str) -> Iterator[tuple[rules.Claim, Findings]]:
    """The claims of a paper that chance decides, with what the pilot's seeds say of them."""
    runs = tuple(run for run in papers.grid(paper, EDITION) if run.seed < editions.FRESH)
    frame = papers.frame(runs, EDITION)
    frame = frame[~frame["status"].isin(("missing", "stale"))]
    history = records.history(runs, EDITION)
    for claim in papers.get(paper).claims:
        findings = claim.test.run(frame, history)
        if any(isinstance(part, Comparison | Trend) for part in findings.parts) and tested(findings).n > 1:
            yield claim, findings


def row_of(claim: rules.Claim, findings: Findings, planned: int, claims: int) -> dict[str, Any]:
    """Error and power of one claim.

    Error at the strictest level of Holm's correction, which holds while no claim is decided; power there and at the
    level that is left when half of the claims are.
    """
    strictest, halfway = rules.LEVEL / claims, rules.LEVEL / max(1, claims // 2)
    false, true = (rules.CONTRADICTED, rules.SUPPORTED) if findings.opposite else (rules.SUPPORTED, rules.CONTRADICTED)
    decided = [rules.SUPPORTED, rules.CONTRADICTED, rules.NO_DIFFERENCE]
    as_pilot = Simulated(findings, "pilot")
    return {
        "claim": claim.id, "paper": claim.paper, "seeds": planned,
        "error_if_false": share(Simulated(findings, "false"), planned, strictest, [false]),
        "error_if_true": share(Simulated(findings, "true"), planned, strictest, [true]),
        "power": share(as_pilot, planned, strictest, decided, DRAWS // 4),
        "power_halfway": share(as_pilot, planned, halfway, decided, DRAWS // 4),
        **{f"power_halfway_{n}": share(as_pilot, n, halfway, decided, DRAWS // 10) for n in SEEDS},
    }  # fmt: skip


def planned(paper: str) -> int:
    """Fresh seeds on the data set that has most, where claims that need many are decided."""
    fresh = editions.settings(EDITION, paper).fresh
    return max(fresh.values()) if isinstance(fresh, dict) else fresh


def measure() -> dict[str, Any]:
    """Error and power of every claim, and of every paper the chance that any of its claims is decided wrongly."""
    from netpress.training.compute import choose

    rows, bars = [], []
    for paper in papers.PAPERS:
        claims = len(papers.get(paper).claims)
        own = [row_of(claim, findings, planned(paper), claims) for claim, findings in pilot(paper)]
        rows += own
        error = 1 - np.prod([1 - max(row["error_if_false"], row["error_if_true"]) for row in own])
        bars.append(
            results.bar(f"rules-{paper}", "chance of a wrong decision among its claims", [float(error)], most=0.05)
        )
    return results.content("rules", choose(), bars, {"draws": DRAWS, "edition": EDITION}, claims=rows)
