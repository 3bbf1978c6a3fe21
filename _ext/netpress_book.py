"""What this book adds to Sphinx: figures and tables that notebooks have glued, numbered and captioned; what can be
taken away from a page.

A plain `jupyter-book build .` shows what `netpress book` has run last; before that, chapters without outputs.
"""

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from docutils import nodes
from docutils.statemachine import StringList
from myst_nb.core.variables import RetrievalError
from myst_nb.ext.glue.directives import PasteFigureDirective
from myst_nb.ext.glue.utils import retrieve_glue_data
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxTranslator

from netpress.report import explorer

DATA = "_data"  # where a site has the numbers of its tables and figures
NOTEBOOKS = "_notebooks"  # where a site has the notebooks of its pages, as they were committed
PDF = "netpress.pdf"  # beside index.html, once it was printed
FURTHER = "editions/"  # pages of further editions
LAST = 950  # after Sphinx and the theme have done their part


class glued_table(nodes.General, nodes.Element):
    """A table that a notebook glued, with its caption: numbered with the other tables of the book."""


class GlueFigure(PasteFigureDirective):
    """`{glue-figure} key`: as `{glue:figure}`; without content, the caption is the one that the object has."""

    def run(self) -> list[nodes.Node]:
        try:
            said = retrieve_glue_data(self.document, self.arguments[0]).metadata.get("netpress", {})
        except RetrievalError:
            said = {}
        if not self.content:
            caption = re.sub(r"([\\`*_{}\[\]<>$~|])", r"\\\1", said.get("caption", ""))
            self.content = StringList([caption], source="glue")
        return [self.with_links(node, said.get("csv", "")) for node in super().run()]

    def with_links(self, node: nodes.Node, csv: str) -> nodes.Node:
        """The figure or table with a line below it: its own address, and its numbers as a file."""
        env = self.document.settings.env
        if not csv or env.app.builder.name != "html" or not isinstance(node, nodes.figure) or not node["names"]:
            return node
        label = node["names"][0]
        place = Path(env.app.builder.outdir, DATA, f"{label}.csv")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(csv, encoding="utf-8")
        file = f"{'../' * env.docname.count('/')}{DATA}/{html.escape(label)}.csv"
        links = f'<a href="#{html.escape(node["ids"][0])}">Link</a> <a href="{file}" download>CSV</a>'
        node += nodes.raw("", f'<p class="np-take">{links}</p>', format="html")
        return node


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


def caption_of(node: nodes.Element) -> str | None:
    """What a cross-reference prints for a table."""
    return next((caption.astext() for caption in node.findall(nodes.caption)), None)


def open_table(self: SphinxTranslator, node: nodes.Element) -> None:
    self.body.append(self.starttag(node, "figure", CLASS="glued-table"))


def close_table(self: SphinxTranslator, node: nodes.Element) -> None:
    self.body.append("</figure>\n")


def show_executed(app: Sphinx, page: str, content: list[str]) -> None:
    """Put the executed copy of a committed notebook in its place."""
    executed = Path(app.srcdir, "_build", "book", page.removeprefix("chapters/")).with_suffix(".ipynb")
    if executed.exists():
        content[0] = executed.read_text(encoding="utf-8")


def number_further(app: Sphinx, env: Any) -> list[str]:
    """Number figures and tables on each page of a further edition: Sphinx does so only in its tree of contents."""
    for page in sorted(name for name in env.found_docs if name.startswith(FURTHER)):
        count: dict[str, int] = {}
        numbers = env.toc_fignumbers[page] = {}
        for node in env.get_doctree(page).findall(nodes.Element):
            kinds = (domain.get_enumerable_node_type(node) for domain in env.domains.values())
            if node.get("ids") and (kind := next(filter(None, kinds), "")):
                count[kind] = count.get(kind, 0) + 1
                numbers.setdefault(kind, {})[node["ids"][0]] = (count[kind],)
    return []


def buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """A menu at the top of a page: what can be taken away. Pages of further editions have no source to be edited."""
    if doctree is None or "header_buttons" not in context:
        return
    if page.startswith(FURTHER):
        kept = [b for b in context["header_buttons"] if b.get("label") not in ("launch-buttons", "source-buttons")]
        context["header_buttons"][:] = kept
    up, chapter = "../" * page.count("/"), re.sub(f"^{FURTHER}[^/]+/", "", page)
    links = {"The book as PDF": f"{up}{PDF}"} if Path(app.srcdir, PDF).exists() else {}
    if Path(app.srcdir, NOTEBOOKS, f"{chapter}.ipynb").exists():
        links["This page's notebook"] = f"{up}{NOTEBOOKS}/{chapter}.ipynb"
    menu = [{"type": "link", "text": t, "tooltip": t, "url": u, "icon": "", "label": t} for t, u in links.items()]
    group = {"type": "group", "tooltip": "Take away", "icon": "fas fa-download", "buttons": menu, "label": "take-away"}
    context["header_buttons"][:0] = [group] if menu else []


def explore(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The scripts of the explorer, on the page that has one and nowhere else; its data are a file of their own."""
    if f'id="{explorer.ELEMENT}"' not in context.get("body", ""):
        return
    scripts = [name for name in explorer.FILES if name.endswith(".js")]
    if app.builder.name == "html":
        context["body"], data = explorer.split(context["body"])
        scripts.insert(0, f"{explorer.ELEMENT}-{page.replace('/', '-')}.js")
        Path(app.outdir, "_static", scripts[0]).write_text(data, encoding="utf-8")
    for name in scripts:
        app.add_js_file(name, loading_method="defer")
    for name in set(explorer.FILES) - set(scripts):
        app.add_css_file(name)


def files(app: Sphinx, error: Exception | None) -> None:
    """Beside the pages: their notebooks, the PDF, and the explorer's scripts."""
    out = Path(app.outdir)
    (out / ".netpress-site").unlink(missing_ok=True)  # what is built into is not the site that was published
    if error or app.builder.name != "html":
        return
    taken = [path.relative_to(app.srcdir) for path in Path(app.srcdir, NOTEBOOKS).rglob("*.ipynb")]
    for name in [*taken, *([PDF] if Path(app.srcdir, PDF).exists() else [])]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(Path(app.srcdir, name).read_bytes())
    for name, text in explorer.assets().items():
        (out / "_static" / name).write_text(text, encoding="utf-8")


def addresses(app: Sphinx, config: Any) -> None:
    """What follows from the address of the site and from that of the code, each of which is one setting."""
    config.ogp_site_url = config.html_baseurl and f"{config.html_baseurl.rstrip('/')}/"  # or its last folder is lost
    config.notfound_urls_prefix = f"{urlsplit(config.html_baseurl).path.rstrip('/')}/"
    if config.html_theme_options.get("repository_url"):
        for name in ("use_repository_button", "use_edit_page_button", "use_issues_button"):
            config.html_theme_options[name] = True
        config.html_theme_options["launch_buttons"] = {
            "binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com",
            "notebook_interface": "jupyterlab",
        }  # fmt: skip


class Unquoted(SphinxTransform):
    """Pictures whose names hold blanks: Markdown writes them as in an address, and Sphinx looks for files."""

    default_priority = 1

    def apply(self) -> None:
        for image in self.document.findall(nodes.image):
            if "://" not in image["uri"] and not image["uri"].startswith("data:"):
                image["uri"] = unquote(image["uri"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(Unquoted)
    app.add_enumerable_node(glued_table, "table", caption_of, html=(open_table, close_table))
    app.add_directive("glue-figure", GlueFigure)
    app.add_directive("glue-table", GlueTable)
    app.connect("config-inited", addresses, priority=100)
    app.connect("source-read", show_executed)
    app.connect("env-get-updated", number_further, priority=LAST)
    app.connect("html-page-context", buttons, priority=LAST)
    app.connect("html-page-context", explore, priority=LAST)
    app.connect("build-finished", files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
