"""One notebook on several pages: labels and titles of further editions get the edition's name."""

import re
from collections.abc import Iterable
from typing import Any

# a label is written (label)=, "$$ (label)", ":name: label", ":label: label", or in a cell's metadata
DEFINED = re.compile(r"^(?:\$\$ *)?\(([^)\s]+)\)=?\s*$|^\s*:(?:name|label):\s*(\S+)\s*$", re.MULTILINE)
UPWARDS = re.compile(r'(href=")\.\./')
TITLE = re.compile(r"^# (.+?)\s*$", re.MULTILINE)


def labels(notebook: Any) -> list[str]:
    """Every label that a notebook defines, in order, doubles included."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found += [first or second for first, second in DEFINED.findall(cell.source)]
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        found += [name] if name else []
    return found


def renamed(text: str, known: Iterable[str], ending: str) -> str:
    """The text with every known label, wherever it stands as a whole word, ending in `-<ending>`."""
    names = sorted(known, key=len, reverse=True)
    if not names:
        return text
    whole = re.compile(rf"(?<![\w:-])({'|'.join(map(re.escape, names))})(?![\w:-])")
    return whole.sub(lambda match: f"{match[1]}-{ending}", text)


def for_edition(notebook: Any, edition: str, known: Iterable[str]) -> Any:
    """A copy of an executed notebook as a further edition's page.

    `known` are the labels of all pages that the edition has: links between them stay in the edition, others lead to
    the main pages. The title gets the edition's name.
    """
    import copy

    ending = slug(edition)
    page = copy.deepcopy(notebook)
    named = False
    for cell in page.cells:
        if cell.cell_type != "markdown":
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            if "name" in figure:
                figure["name"] = renamed(figure["name"], known, ending)
            for output in cell.get("outputs", []):
                deeper(output.get("data", {}))
            continue
        cell.source = renamed(cell.source, known, ending)
        if not named:
            cell.source, count = TITLE.subn(rf"# \1 (edition {edition})", cell.source, count=1)
            named = count > 0
    return page


def deeper(bundle: dict[str, Any]) -> None:
    """Make links of HTML that lead out of a page's folder lead there from two folders further down."""
    for kind, content in bundle.items():
        if kind.endswith("text/html"):
            bundle[kind] = UPWARDS.sub(r"\1../../../", content)


def slug(edition: str) -> str:
    """An edition's name as part of a label or a file's name: "demo+epochs=2" -> "demo-epochs-2"."""
    return re.sub(r"[^a-z0-9]+", "-", edition.lower()).strip("-")
