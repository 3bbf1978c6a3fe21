"""One word for one thing: the glossary of the book and the names in the code agree."""

import io
import keyword
import re
import tokenize
from pkgutil import resolve_name

import books
import pytest

PACKAGE = books.ROOT / "src" / "netpress"
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
# words that were given up, and the one that says it now
GIVEN_UP = {
    "shelf": "store", "basket": "store", "bench": "workspace", "doing": "state", "lacks": "missing", "speed": "config",
    "material": "train_test", "said": "settings, metadata or text", "told": "settings, metadata or text",
}  # fmt: skip
KEPT = {  # where such a word means something else
    "cli.py": {"bench"},  # the command `netpress bench`
    "papers/pyramid": {"speed"},  # how fast networks classify, which the paper asks
    "papers/compressing": {"told"},
    "benchmarks": {"speed"},  # of a sweep, and of the pyramid
    "console.py": {"speed"},
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


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_words_that_were_given_up_name_nothing(path) -> None:
    place = str(path.relative_to(PACKAGE))
    kept = {word for start, words in KEPT.items() if place.startswith(start) for word in words}
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME and not keyword.iskeyword(token.string)}
    found = {name: GIVEN_UP[word] for name in names for word in parts(name) if word in GIVEN_UP and word not in kept}
    assert not found, f"name it otherwise: {found}"


def parts(name: str) -> list[str]:
    """ "RunState" and "run_state" -> ["run", "state"]."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
