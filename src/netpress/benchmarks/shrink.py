"""What `netpress shrink` picks of three networks of torchvision within one point, on CIFAR-10 in the edition small.

ResNet-18 and VGG16 with a quarter of their channels, as this edition has all networks of the papers: about four hours
of one CPU core, where the full width takes about 33. Every network that is trained has its record, so the same command,
`netpress bench shrink`, goes on where it was stopped.
"""

import sys
from typing import Any

from netpress.benchmarks import results
from netpress.benchmarks.arms import source
from netpress.training.compute import choose
from netpress.yours import story
from netpress.yours.prepare import prepare
from netpress.yours.shrink import Shrunk, shrink
from netpress.yours.wanted import Wanted

LEAST = 2.0  # times fewer multiply-adds or parameters
MOST = 1.0  # points
EDITION = "small"
SEEDS = (0, 1, 2)
PX = 32
NETWORKS = {  # and what is asked of each
    "netpress:resnet18_quarter": LEAST,
    "netpress:vgg16_bn_quarter": LEAST,
    "torchvision:mobilenet_v3_small": None,
}


def measure() -> dict[str, Any]:
    """The record: per network how many times smaller it became, and every step."""
    found = {model: picked(model) for model in NETWORKS}
    bars, rows = [], []
    for model, shrunk in found.items():
        name, factors = story.source(model), story.factors(shrunk)
        best = max(factors["parameters"], factors["multiply-adds"])
        what = f"{name}, times fewer multiply-adds or parameters within {MOST:g} point"
        bars.append(results.bar("shrink", what, [best], least=NETWORKS[model]))
        bars += [
            results.bar("shrink", f"{name}, times fewer {key}", [factors[key]]) for key in ("multiply-adds", "bytes")
        ]
        rows.append({"model": name, "summary": story.summary(shrunk), "tests": shrunk.tests, "steps": steps(shrunk)})
    task = next(iter(found.values())).prepared.task
    settings = {"dataset": source(), "images": task.settings.images, "edition": EDITION, "seeds": list(SEEDS)}
    return results.content("shrink", choose(), bars, settings, networks=rows, why=why(found, bars))


def picked(model: str) -> Shrunk:
    """One network, shrunk."""
    wanted = Wanted(model, source(), most=MOST, seeds=SEEDS, px=PX, edition=EDITION)
    return shrink(prepare(wanted), tell=lambda text: print(f"{model}: {text}", file=sys.stderr))[0]


def steps(shrunk: Shrunk) -> list[dict[str, Any]]:
    """What was tried, with the points lost and whether it was taken."""
    return [
        {"what": t.what, "kind": t.kind, "lost": round(t.lost.mean, 4) if t.lost.n else None, "taken": t.accepted}
        for t in shrunk.decision.tried
    ]


def why(found: dict[str, Shrunk], bars: list[dict[str, Any]]) -> str | None:
    """For a network that did not become small enough: the block that could not be spared, and what it costs."""
    missed = [bar["what"].split(",")[0] for bar in bars if bar["met"] is False]
    reasons = []
    for model, shrunk in found.items():
        kept = [t for t in shrunk.decision.tried if t.kind == "replaced" and not t.accepted]
        if story.source(model) in missed and kept:
            named = ", ".join(f"{t.what} ({t.lost.mean:.1f} points)" for t in kept)
            reasons.append(f"of {story.source(model)} these blocks cost more than the budget: {named}")
    return "; ".join(reasons) or None
