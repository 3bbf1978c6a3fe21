"""Which edition a page shows: the one that is named, or "best": of each paper the best one that has all its records."""

from collections.abc import Sequence

from netpress import editions, papers, paths

BEST = "best"
LAST_RESORT = "demo"  # trained in minutes, where nothing is complete yet


def of(edition: str, names: Sequence[str]) -> dict[str, str]:
    """Paper -> the edition to show of it."""
    return {paper: best(paper) if edition == BEST else edition for paper in names}


def best(paper: str, among: Sequence[str] = editions.EDITIONS, otherwise: str = LAST_RESORT) -> str:
    """The largest edition in which every run of a paper has a record to show; `otherwise` where no edition has."""
    for edition in reversed(among):
        done, total = have(paper, edition)
        if done == total:
            return edition
    return otherwise


def have(paper: str, edition: str) -> tuple[int, int]:
    """How many runs of a paper have a record to show, and how many there are."""
    from netpress.runs import records

    if not (paths.results_dir() / edition / paper).is_dir():
        return 0, 1
    states = papers.states(paper, edition)
    runs = papers.shown(paper, edition)
    return sum(states[run] in records.RESULTS for run in runs), len(runs)
