"""One word for one thing: the glossary of the book and the names in the code agree."""

from pkgutil import resolve_name

import books
import pytest

GLOSSARY = (books.ROOT / "chapters" / "appendix" / "glossary.md").read_text(encoding="utf-8")

# what the glossary explains, and where it is in the code
TERMS = {
    "run": "netpress.runs.run.Run",
    "stage": "netpress.training.stage.Stage",
    "grid": "netpress.papers.grid",
    "edition": "netpress.editions.EDITIONS",
    "record": "netpress.runs.records.Record",
    "fingerprint": "netpress.runs.run.fingerprint",
    "sweep": "netpress.runs.sweep.ensure",
    "worker": "netpress.runs.sweep.Worker",
    "checkpoint": "netpress.training.checkpoint.Checkpoint",
    "claim": "netpress.report.claims.Claim",
    "verdict": "netpress.report.claims.Verdict",
    "level": "netpress.nets.levels.LEVELS",
    "approach": "netpress.papers.together",
    "distillation": "netpress.training.losses.distillation",
    "function matching": "netpress.training.losses.function_matching",
    "magnitude pruning": "netpress.compress.edits.Prune",
    "weight sharing": "netpress.compress.edits.ShareWeights",
    "interval": "netpress.report.estimates.interval",
}


def entries() -> list[str]:
    """The terms of the glossary: lines that are not indented, between its fences."""
    body = GLOSSARY.split("```{glossary}\n")[1].split("```")[0]
    return [term.strip() for line in body.splitlines() if line and line[0] != " " for term in line.split(",")]


@pytest.mark.parametrize(("term", "place"), list(TERMS.items()))
def test_a_word_of_the_glossary_is_that_of_the_code(term: str, place: str) -> None:
    assert term in entries()
    resolve_name(place)  # raises where it is not there


def test_the_glossary_explains_each_word_once() -> None:
    found = entries()
    assert len(set(found)) == len(found)
