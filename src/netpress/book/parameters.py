"""A chapter's parameters: read from its notebook, and checked before a kernel starts and again inside it."""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netpress import editions, env, papers
from netpress.errors import UserError, known
from netpress.runs import records
from netpress.runs.run import Run

INJECTED = "# Parameters"  # the first line of the cell that papermill puts behind the chapter's own
BEST = "best"  # in place of an edition: of each paper the best one that has all its records
DEMO = "demo"  # the edition that a build trains, and the one to show where nothing is complete yet


def text_of(path: Path) -> str:
    """A notebook's text, without the byte-order mark that some editors write."""
    return path.read_text(encoding="utf-8-sig")


def notebook(path: Path) -> dict[str, Any]:
    """A notebook as written, without nbformat's conversions. Raises UserError for a file that is none."""
    try:
        found = json.loads(text_of(path))
        cells = found["cells"]
        if not all(isinstance(c.get("metadata", {}), dict) and isinstance(source(c), str) for c in cells):
            raise TypeError("a cell without a text")
    except FileNotFoundError:
        raise UserError(f"There is no chapter {path}: chapters are notebooks under chapters/.") from None
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a notebook ({type(error).__name__}: {error}): open it with JupyterLab and mend it, or "
            "restore it with `git checkout`."
        ) from None
    return dict(found)


def source(cell: Mapping[str, Any]) -> str:
    """A cell's text, which notebooks keep as one string or as a list of lines."""
    text: str | list[str] = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def has_tag(cell: Mapping[str, Any], tag: str) -> bool:
    """Whether a cell has a tag."""
    return tag in cell.get("metadata", {}).get("tags", [])


def literals(code: str) -> dict[str, Any]:
    """The names that a cell assigns, with their values; `...` where a value is no literal."""
    values: dict[str, Any] = {}
    for statement in ast.parse(code).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        try:
            found = ast.literal_eval(value) if value is not None else ...
        except (ValueError, TypeError, MemoryError, RecursionError):
            found = ...
        values |= {target.id: found for target in targets if isinstance(target, ast.Name) and value is not None}
    return values


def defaults(path: Path) -> dict[str, Any]:
    """What a chapter's parameters cell sets: name -> default."""
    cells = [c for c in notebook(path)["cells"] if c.get("cell_type") == "code" and has_tag(c, "parameters")]
    if not cells:
        raise UserError(f"{path} takes no parameters: no code cell is tagged `parameters`.")
    try:
        return literals(source(cells[0]))
    except SyntaxError as error:
        raise UserError(f"{path}: the cell tagged `parameters` is no Python ({error.msg}): mend it.") from None


def injected() -> dict[str, Any]:
    """What papermill's own cell has set in this kernel; empty outside a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return {}
    shell = get_ipython()
    values: dict[str, Any] = {}
    for code in shell.user_ns.get("In", []) if shell is not None else []:
        if code.startswith(INJECTED):
            values |= literals(code)
    return values


def check_names(given: Iterable[str], names: Iterable[str]) -> None:
    """Raise UserError for the first of the `given` names that is not in `names`, naming the nearest one that is."""
    takes = list(names)
    for name in given:
        known(name, takes, "parameter")


def chapter_of(path: Path) -> str:
    """chapters/triage/accuracy.ipynb -> triage/accuracy."""
    *_, last = path.with_suffix("").as_posix().rpartition("chapters/")
    return last if "chapters" in path.parts else path.stem


def papers_of(chapter: str) -> tuple[str, ...]:
    """The papers whose records a chapter shows: the one of its folder, or all; "yours" of a reader's own network."""
    folder = chapter.split("/")[0]
    return (folder,) if folder in (*papers.PAPERS, editions.YOURS) else papers.PAPERS


def editions_of(edition: str, names: Sequence[str]) -> dict[str, str]:
    """Paper -> the edition to show of it, where `edition` may be "best"."""
    return {paper: best(paper) if edition == BEST else edition for paper in names}


def best(paper: str, among: Sequence[str] = editions.EDITIONS, otherwise: str = DEMO) -> str:
    """The largest edition in which every run of a paper has a record to show; `otherwise` where no edition has."""
    for edition in reversed(among):
        done, total = have(paper, edition)
        if done == total:
            return edition
    return otherwise


def have(paper: str, edition: str) -> tuple[int, int]:
    """How many runs of a paper have a record to show, and how many there are."""
    if not (env.results_dir() / edition / paper).is_dir():
        return 0, 1
    states = papers.states(paper, edition)
    runs = papers.shown(paper, edition)
    return sum(states[run] in records.RESULTS for run in runs), len(runs)


def runs(paper: str, edition: str, dataset: str, seeds: Sequence[int]) -> tuple[Run, ...]:
    """The runs of a paper that a page shows, needs first; none where the paper does not use the data set."""
    if dataset not in ("all", *editions.settings(edition, paper).datasets):
        return ()
    chosen = papers.grid(paper, edition, seeds=tuple(seeds)) if seeds else papers.shown(paper, edition)
    return tuple(run for run in chosen if dataset in ("all", run.dataset))


def proper_edition(value: str, chapter: str) -> str:
    """An edition as its folder is named; UserError for an unknown one. A chapter of all papers also takes "best"."""
    return value if value == BEST and len(papers_of(chapter)) > 1 else editions.proper(value)
