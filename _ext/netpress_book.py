"""What this book adds to Sphinx: figures and tables that notebooks have glued, numbered and captioned.

A plain `jupyter-book build .` shows what `netpress book` has run last; before that, chapters without outputs.
"""

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from myst_nb.core.variables import RetrievalError
from myst_nb.ext.glue.directives import PasteFigureDirective
from myst_nb.ext.glue.utils import retrieve_glue_data
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxTranslator

DATA = "_data"  # where a site has the numbers of its tables and figures


class glued_table(nodes.General, nodes.Element):
    """A table that a notebook glued, with its caption: numbered with the other tables of the book."""


class GlueFigure(PasteFigureDirective):
    """`{glue-figure} key`: as `{glue:figure}`; without content, the caption is the one that the object has."""

    def run(self) -> list[nodes.Node]:
        if not self.content:
            self.content = StringList([self.own_caption()], source="glue")
        return [self.with_links(node) for node in super().run()]

    def with_links(self, node: nodes.Node) -> nodes.Node:
        """The figure or table with a line below it: its own address, and its numbers as a file."""
        if not isinstance(node, nodes.figure) or not node["names"] or not (csv := self.said().get("csv", "")):
            return node
        label = node["names"][0]
        env = self.document.settings.env
        builder = env.app.builder
        if builder.name != "html":
            return node
        folder = Path(builder.outdir, DATA)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{label}.csv").write_text(csv, encoding="utf-8")
        up = "../" * env.docname.count("/")
        name = html.escape(label)
        links = f'<a href="#{html.escape(node["ids"][0])}">Link</a> <a href="{up}{DATA}/{name}.csv" download>CSV</a>'
        node += nodes.raw("", f'<p class="np-take">{links}</p>', format="html")
        return node

    def said(self) -> dict[str, Any]:
        """What came with the object: its caption, and its numbers."""
        try:
            return retrieve_glue_data(self.document, self.arguments[0]).metadata.get("netpress", {})
        except RetrievalError:
            return {}

    def own_caption(self) -> str:
        """The caption that came with the object, with what Markdown would read as its own made plain."""
        caption = self.said().get("caption", "")
        return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>$~|" else letter for letter in caption)


class GlueTable(GlueFigure):
    """`{glue-table} key`: the same for a table: "Table 3" instead of "Figure 3", and the caption comes first."""

    def run(self) -> list[nodes.Node]:
        figure, *rest = super().run()
        if not isinstance(figure, nodes.figure):
            return [figure, *rest]
        captions = [child for child in figure if isinstance(child, nodes.caption)]
        others = [child for child in figure if not isinstance(child, nodes.caption)]
        table = glued_table("", *captions, *others, ids=figure["ids"], names=figure["names"])
        table.source, table.line = figure.source, figure.line
        for name in figure["names"]:  # the label was noted for the figure: it names the table now
            self.document.ids[self.document.nameids[name]] = table
        return [table, *rest]


def _caption(node: nodes.Element) -> str | None:
    """What a cross-reference prints for a table."""
    for caption in node.findall(nodes.caption):
        return caption.astext()
    return None


def _open(self: SphinxTranslator, node: nodes.Element) -> None:
    self.body.append(self.starttag(node, "figure", CLASS="glued-table"))


def _close(self: SphinxTranslator, node: nodes.Element) -> None:
    self.body.append("</figure>\n")


def show_executed(app: Sphinx, page: str, content: list[str]) -> None:
    """Put the executed copy of a committed notebook in its place."""
    executed = Path(app.srcdir, "_build", "book", page.removeprefix("chapters/")).with_suffix(".ipynb")
    if executed.exists():
        content[0] = executed.read_text(encoding="utf-8")


REFERENCE = re.compile(r'(<a class="np-ref"[^>]*href="[^"#]*#([\w-]+)"[^>]*>)[^<]*(</a>)')
KINDS = {"figure": "Figure", "table": "Table"}


def with_numbers(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Links from cards of claims to figures and tables say these as the book numbers them: "Figure 3"."""
    if 'class="np-ref"' not in context.get("body", ""):
        return
    numbers = {
        name: f"{KINDS[kind]} {'.'.join(map(str, number))}"
        for placed in app.env.toc_fignumbers.values()
        for kind, found in placed.items()
        if kind in KINDS
        for name, number in found.items()
    }
    context["body"] = REFERENCE.sub(
        lambda link: f"{link[1]}{numbers[link[2]]}{link[3]}" if link[2] in numbers else link[0], context["body"]
    )


def no_longer_ours(app: Sphinx, error: Exception | None) -> None:
    """A site that was built into is not the one that `netpress book` has published: let it be made again."""
    Path(app.outdir, ".netpress-site").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_enumerable_node(glued_table, "table", _caption, html=(_open, _close))
    app.add_directive("glue-figure", GlueFigure)
    app.add_directive("glue-table", GlueTable)
    app.connect("source-read", show_executed)
    app.connect("html-page-context", with_numbers)
    app.connect("build-finished", no_longer_ours)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
