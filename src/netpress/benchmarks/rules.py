"""How often the rules of the claims decide wrongly, and how often they decide at all, on drawn numbers.

Every comparison of a claim is drawn anew: its mean as the pilot found it or exactly at its threshold, its spread as the
pilot's, and its correlation with the claim's other comparisons as the pilot's, shrunk to full rank. The drawn numbers
go through the very code that judges the runs, whole claims at a time, with each data set's own number of seeds. Error:
of all that can be decided wrongly, where every claim's truth is the one in which that is likeliest; power: how often
what the pilot suggests is found.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from netpress import editions, papers
from netpress.benchmarks import bar, content
from netpress.report import claims as rules
from netpress.report.tests import Comparison, Family, Found, Stratum

EDITION = "small"
DRAWS = 400
SEEDS = (2, 4, 6, 8, 12, 16, 24)  # beside the planned numbers
PASSES = 5  # of a timing
# Columns of the frames of runs that claims are judged on
JUDGED = (
    "best", "last", "passage", "rate", "over_parent", "over_scratch", "change", "overfit", "measures.agreement",
    "measures.filter_cosine", "measures.cka",
)  # fmt: skip
SMALLEST_P = 4000  # draws of the smallest p within each draw: enough to tell 0.05 / 15

# Before there were controls, the parent retrained for as long gained this much (two seeds on CIFAR-100, one on
# CIFAR-10); on the other data sets it is taken to gain nothing. For the simulation alone: no claim is judged on it.
GAINS = {"cifar100": 0.011, "cifar10": -0.001}


@dataclass(frozen=True)
class Simulated:
    """One claim on drawn numbers: what the pilot found, and at which truth it is drawn: "pilot"; "false" (the weakest
    comparison just fails); "true" (every comparison just does not fail)."""

    found: Found
    truth: str

    @cached_property
    def family(self) -> Family:
        """The pilot's comparisons."""
        return Family(self.found.comparisons)

    @cached_property
    def strata(self) -> dict[str, Stratum]:
        """Data set -> the comparisons on it."""
        names = dict.fromkeys(name for each in self.found.comparisons for name in each.values)
        return dict(zip(names, self.family.strata, strict=True))

    def draw(self, seeds: Mapping[str, int], generator: np.random.Generator) -> rules.Evidence:
        """What the claim's numbers say with so many seeds on each data set."""
        values: list[dict[str, np.ndarray]] = [{} for _ in self.found.comparisons]
        for name, stratum in self.strata.items():
            noise = stratum.root @ generator.standard_normal((len(stratum.own), seeds[name]))
            for i, mean, own in zip(stratum.own, stratum.mean, noise, strict=True):
                values[i][name] = mean + self.shifts[i] + own
        drawn = [replace(one, values=own) for one, own in zip(self.found.comparisons, values, strict=True)]
        return rules.Evidence(replace(self.found, comparisons=tuple(drawn), lacking=0))

    @cached_property
    def shifts(self) -> np.ndarray:
        """From the pilot's means to those of this truth."""
        centres = [self._centre(i, comparison) for i, comparison in enumerate(self.found.comparisons)]
        return np.array(centres) - self.family.mean

    def _centre(self, i: int, comparison: Comparison) -> float:
        mean, sign = self.family.mean[i], comparison.sign
        if self.truth == "pilot":
            return mean
        if self.truth == "true":
            return comparison.threshold if comparison.fails_at is None else comparison.fails_at
        weakest = int(np.nanargmax(self.family.each_p))
        return comparison.threshold if i == weakest else sign * max(sign * mean, sign * comparison.threshold)

    def share(self, seeds: Mapping[str, int], level: float, words: tuple[str, ...], draws: int = DRAWS) -> float:
        """How often one of the words is found; never where a data set has no seeds."""
        if not all(seeds.values()):
            return 0.0
        generator = np.random.default_rng(0)
        return float(np.mean([self.draw(seeds, generator).word(level) in words for _ in range(draws)]))


def pilot(paper: str) -> Iterator[tuple[rules.Claim, Found]]:
    """The claims of a paper that chance decides, with what the seeds before FRESH say of them."""
    runs = tuple(run for run in papers.grid(paper, EDITION) if run.seed < editions.FRESH)
    frame = with_controls(papers.frame(runs, EDITION)) if paper == "triage" else papers.frame(runs, EDITION)
    frame = frame[~frame["status"].isin(("missing", "stale"))]
    for claim in papers.get(paper).claims:
        found = claim.test.run(frame[~frame["dataset"].isin(list(claim.premise(frame)))])
        if found.comparisons and Family(found.comparisons).n > 1:
            yield claim, found


def with_controls(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with controls made of the parents: see GAINS."""
    controls = frame[frame["method"] == "parent"]
    gains = controls["dataset"].map(GAINS).fillna(0.0)
    made = controls.assign(method="control", best=controls["best"] + gains)
    return pd.concat([frame, made], ignore_index=True)


def seeds_planned(claim: rules.Claim, datasets: Iterable[str]) -> dict[str, int]:
    """Data set -> fresh seeds that the claim will have on it: those for which its test finds numbers, were every fresh
    run done."""
    runs = tuple(run for run in papers.grid(claim.paper, EDITION) if run.seed >= editions.FRESH)
    frame = papers.frame(runs, EDITION).assign(status="done")
    numbers = np.random.default_rng(0).uniform(1, 2, size=(len(frame), len(JUDGED)))
    found = claim.test.run(frame.assign(**dict(zip(JUDGED, numbers.T, strict=True))))
    counts = {name: stratum.n for name, stratum in Simulated(found, "pilot").strata.items()}
    return {name: PASSES if name == "passes" else counts.get(name, 0) for name in datasets}


def error_and_power(claim: rules.Claim, found: Found, claims: int) -> dict[str, Any]:
    """Error and power of one claim, with the planned seeds and with other numbers of them.

    Error at the strictest level of Holm's correction, which holds while no claim is decided; power at the level that is
    left when half of the claims are.
    """
    strictest, halfway = rules.LEVEL / claims, rules.LEVEL / max(1, claims // 2)
    as_found = Simulated(found, "pilot")
    plan = seeds_planned(claim, as_found.strata)
    powers = {n: as_found.share(dict.fromkeys(as_found.strata, n), halfway, rules.DECIDED, DRAWS // 5) for n in SEEDS}
    return {
        "claim": claim.id, "paper": claim.paper, "seeds": plan,
        "error_if_false": Simulated(found, "false").share(plan, strictest, (rules.SUPPORTED,)),
        "error_if_true": Simulated(found, "true").share(plan, strictest, (rules.CONTRADICTED,)),
        "power": as_found.share(plan, halfway, rules.DECIDED, DRAWS // 2),
        "powers": {str(n): power for n, power in powers.items()},
    }  # fmt: skip


def measure() -> dict[str, Any]:
    """Error and power of every claim, and of every paper the chance that any of its claims is decided wrongly."""
    from netpress.training.compute import choose

    rows, bars = [], []
    Family.draws, whole = SMALLEST_P, Family.draws
    try:
        for paper in papers.PAPERS:
            claims = len(papers.get(paper).claims)
            own = [error_and_power(claim, found, claims) for claim, found in pilot(paper)]
            rows += own
            error = 1 - np.prod([1 - max(row["error_if_false"], row["error_if_true"]) for row in own])
            bars.append(bar(f"rules-{paper}", "chance of a wrong decision among its claims", [float(error)], most=0.05))
    finally:
        Family.draws = whole
    return content("rules", choose(), bars, {"draws": DRAWS, "edition": EDITION}, claims=rows)
