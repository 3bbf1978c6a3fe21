"""The parameters of a chapter: read from its notebook, and checked before a kernel starts and again inside it."""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netpress import editions, papers
from netpress.book import best_edition
from netpress.errors import UserError, known

INJECTED = "# Parameters"  # the first line of the cell that papermill puts behind the chapter's own


def notebook(path: Path) -> dict[str, Any]:
    """A notebook as written, without nbformat's conversions; UserError where it is none."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no chapter {path}: chapters are notebooks under chapters/.") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not a notebook ({error}): restore it with `git checkout`.") from None
    if not isinstance(cells, dict) or not isinstance(cells.get("cells"), list) or not all(map(is_cell, cells["cells"])):
        raise UserError(f"{path} is not a notebook: a JSON object with a list of cells is expected.")
    return cells


def is_cell(cell: object) -> bool:
    """Whether it is a cell's object, with a text as notebooks keep it."""
    return (
        isinstance(cell, dict)
        and isinstance(cell.get("metadata", {}), dict)
        and isinstance(cell.get("source", ""), str | list)
    )


def source(cell: Mapping[str, Any]) -> str:
    """A cell's text, which notebooks keep as one string or as a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def tagged(cells: Iterable[Mapping[str, Any]], tag: str) -> list[Mapping[str, Any]]:
    """The code cells with a tag."""
    return [c for c in cells if c.get("cell_type") == "code" and tag in c.get("metadata", {}).get("tags", [])]


def literals(code: str) -> dict[str, Any]:
    """The names that a cell assigns, with their values; `...` where a value is no literal."""
    values: dict[str, Any] = {}
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            values |= assigned([statement.target], statement.value)
        elif isinstance(statement, ast.Assign):
            values |= assigned(statement.targets, statement.value)
    return values


def assigned(targets: Sequence[ast.expr], value: ast.expr) -> dict[str, Any]:
    """What one assignment gives to plain names."""
    return {target.id: literal(value) for target in targets if isinstance(target, ast.Name)}


def literal(node: ast.expr) -> Any:
    """A literal's value, or `...`."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return ...


def defaults(path: Path) -> dict[str, Any]:
    """What a chapter's parameters cell sets: name -> default."""
    cells = tagged(notebook(path)["cells"], "parameters")
    if not cells:
        raise UserError(f"{path} takes no parameters: no code cell is tagged `parameters`.")
    try:
        return literals(source(cells[0]))
    except SyntaxError as error:
        raise UserError(f"{path}: the cell tagged `parameters` is no Python ({error.msg}): mend it.") from None


def parameter(text: str) -> tuple[str, Any]:
    """ "seeds=[0, 1]" -> ("seeds", [0, 1]): a Python literal, true or false, else the text itself."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"-p {text!r} sets nothing: write NAME=VALUE, for example -p edition=demo.")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return name, value


def check_names(given: Iterable[str], names: Iterable[str]) -> None:
    """Raise UserError for the first name that the chapter does not take, naming the nearest one that it does."""
    takes = list(names)
    for name in given:
        known(name, takes, "parameter")


def notebooks_in(home: Path) -> list[Path]:
    """The notebooks in a folder and below, without the copies that JupyterLab keeps of them."""
    return sorted(path for path in home.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def chapter_of(path: Path) -> str:
    """chapters/triage/accuracy.ipynb -> triage/accuracy."""
    parts = path.with_suffix("").parts
    if "chapters" not in parts:
        return path.stem
    last = len(parts) - 1 - parts[::-1].index("chapters")
    return "/".join(parts[last + 1 :])


def papers_of(chapter: str) -> tuple[str, ...]:
    """The papers whose records a chapter shows: the one of its folder, or all; "yours" of a reader's own network."""
    folder = chapter.split("/")[0]
    return (folder,) if folder in (*papers.PAPERS, editions.YOURS) else papers.PAPERS


def proper_edition(value: str, chapter: str) -> str:
    """An edition as its folder is named; UserError for an unknown one. A chapter of all papers also takes "best"."""
    return value if value == best_edition.BEST and len(papers_of(chapter)) > 1 else editions.proper(value)


def check_dataset(value: str, edition: str, chapter: str) -> None:
    """ "all", or a data set that the chapter's papers use in the edition."""
    shown = best_edition.of(edition, papers_of(chapter)).items() if value != "all" else ()
    of_papers = [(paper, name) for paper, name in shown if paper in papers.PAPERS]
    used = sorted({dataset for paper, name in of_papers for dataset in editions.settings(name, paper).datasets})
    known(value, ["all", *used], f"data set in edition {edition}")


def check_seeds(value: list[int]) -> None:
    """Different whole numbers from 0."""
    if len(set(value)) != len(value):
        raise UserError("a seed is named twice: name each once.")
    if any(not 0 <= seed < editions.MOST_SEEDS for seed in value):
        raise UserError(f"a seed is a whole number from 0 to {editions.MOST_SEEDS - 1}: give such numbers alone.")


def injected() -> dict[str, Any]:
    """What papermill's own cell has set in this kernel; empty outside a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return {}
    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell is not None else []
    values: dict[str, Any] = {}
    for code in cells:
        if code.startswith(INJECTED):
            values |= literals(code)
    return values


def runs(paper: str, edition: str, dataset: str, seeds: Iterable[int]) -> tuple[Any, ...]:
    """The runs of a paper that a page shows, needs first; none where the paper does not use the data set."""
    if dataset not in ("all", *editions.settings(edition, paper).datasets):
        return ()
    chosen = papers.grid(paper, edition, seeds=tuple(seeds)) if seeds else papers.shown(paper, edition)
    return tuple(run for run in chosen if dataset in ("all", run.dataset))
