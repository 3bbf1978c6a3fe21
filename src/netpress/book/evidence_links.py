"""Where the book shows what: from the name that a chapter glues to the place of its figure or table in the site."""

import re
from pathlib import Path

from netpress import paths
from netpress.book import parameters, toc

# ```{glue-figure} figure_2
# :name: fig-triage-figure-2
SHOWN = re.compile(r"^```\{glue[-:](?:figure|table)\} *(\S+)\n(?::(?!name)\w+:.*\n)*:name: *(\S+)", re.MULTILINE)


def links(paper: str, project: Path | None = None) -> dict[str, str]:
    """Glued name -> address from the site's root, such as "triage/accuracy.html#fig-triage-figure-2".

    The names are those that claims rest on. "" is the page of the paper's verdicts. Empty without chapters.
    """
    home = project or paths.root()
    found: dict[str, str] = {}
    for chapter in chapters(paper, home):
        file = home / "chapters" / f"{chapter}.ipynb"
        for name, label in shown(file) if file.exists() else ():
            found.setdefault(name, f"{chapter}.html#{label}")
        if chapter.endswith("/verdicts"):
            found[""] = f"{chapter}.html"
    return found


def chapters(paper: str, project: Path) -> list[str]:
    """The chapters of a paper in the table of contents, in reading order."""
    names = [name.removeprefix("chapters/") for name in toc.files(toc.read(project))]
    return [name for name in names if name.startswith(f"{paper}/")]


def shown(file: Path) -> list[tuple[str, str]]:
    """(glued name, label) of every figure and table of a notebook."""
    cells = parameters.notebook(file)["cells"]
    return [
        pair for cell in cells if cell["cell_type"] == "markdown" for pair in SHOWN.findall(parameters.source(cell))
    ]
