"""What a site needs beside its pages: what can be taken away from each, how it is found and shared, where it is edited.

Nothing is fetched from elsewhere. Links to a repository are there where `_config.yml` names one.
"""

import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

NOTEBOOKS = "_notebooks"  # where a site has the notebooks of its pages, as they were committed
PDF = "netpress.pdf"  # beside index.html, once it was printed
LAST = "editions/"  # pages of further editions: found last
LONGEST, DESCRIBED = 20_000, 200  # letters of a page that the search looks through, and of its description
PRIORITY = 950  # after the theme has made its own buttons
UNREAD = (nodes.raw, nodes.literal_block, nodes.comment, nodes.math, nodes.math_block)  # no words for an excerpt


def chapter_of(app: Sphinx, page: str) -> str:
    """The chapter that a page was made from, such as "triage/accuracy"; "" for a page that has none."""
    chapter = re.sub(rf"^{LAST}[^/]+/", "", page.removeprefix("chapters/"))
    return chapter if any(found(app, chapter, ending) for ending in ("ipynb", "md")) else ""


def found(app: Sphinx, chapter: str, ending: str) -> Path | None:
    """The file of a chapter, in the assembled book or in the project; None where there is none."""
    places = [Path(app.srcdir, f"{chapter}.{ending}"), Path(app.srcdir, "chapters", f"{chapter}.{ending}")]
    return next((place for place in places if place.exists()), None)


def source(app: Sphinx, chapter: str) -> Path | None:
    """The committed notebook of a chapter: beside the executed one in the assembled book, else the chapter itself."""
    kept = Path(app.srcdir, NOTEBOOKS, f"{chapter}.ipynb")
    return kept if kept.exists() else found(app, chapter, "ipynb")


# buttons -------------------------------------------------------------------------------------------------------------


def buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """At the top of a page: take away, and where a repository is named: edit, issue, open elsewhere."""
    if doctree is None or "header_buttons" not in context:
        return
    chapter, up = chapter_of(app, page), "../" * page.count("/")
    taken = [link("Cite this", context["pathto"](cite(app)))]
    taken += [link("The book as PDF", f"{up}{PDF}")] if Path(app.srcdir, PDF).exists() else []
    if chapter and source(app, chapter):
        taken.insert(0, link("This page's notebook", f"{up}{NOTEBOOKS}/{chapter}.ipynb"))
    groups = [
        ("Take away", "fas fa-download", taken),
        ("Edit, ask, run", "fas fa-pencil-alt", repository(app, chapter)),
    ]
    for name, icon, held in groups:
        if held:
            group = {
                "type": "group",
                "tooltip": name,
                "icon": icon,
                "buttons": held,
                "label": re.sub("[^a-z]+", "-", name.lower()),
            }
            context["header_buttons"].insert(0, group)


def link(text: str, url: str) -> dict[str, str]:
    """A button of the theme's menus."""
    return {
        "type": "link",
        "text": text,
        "url": url,
        "tooltip": text,
        "icon": "",
        "label": re.sub("[^a-z]+", "-", text.lower()),
    }


def cite(app: Sphinx) -> str:
    """The page that says how the book is cited."""
    return next((name for name in ("appendix/cite", "chapters/appendix/cite") if name in app.env.found_docs), "index")


def repository(app: Sphinx, chapter: str) -> list[dict[str, str]]:
    """Links to the committed source of a page; empty where no repository is named, or the page has no source."""
    options = app.config.html_theme_options
    url, branch = options.get("repository_url", "").rstrip("/"), options.get("repository_branch") or "main"
    if not url or not chapter:
        return []
    ending = "ipynb" if source(app, chapter) else "md"
    path = f"chapters/{chapter}.{ending}"
    links = [
        link("The repository", url),
        link("Edit this page", f"{url}/edit/{branch}/{path}"),
        link("Open an issue", f"{url}/issues/new?title={quote(f'On the page {chapter}')}"),
    ]
    place = urlsplit(url)
    if place.netloc == "github.com" and ending == "ipynb":
        name = place.path.strip("/")
        links.append(link("Run on Binder", f"https://mybinder.org/v2/gh/{name}/{branch}?urlpath=lab/tree/{path}"))
        links.append(link("Run on Colab", f"https://colab.research.google.com/github/{name}/blob/{branch}/{path}"))
    return links


# how a page is shared and found --------------------------------------------------------------------------------------


def described(doctree: nodes.document) -> str:
    """A page's first sentences: what the box "In short" says, else its first paragraph."""
    short = [node.astext() for node in doctree.findall(nodes.raw) if "np-short" in node.astext()]
    plain = [text(found) for found in short] or [node.astext() for node in doctree.findall(nodes.paragraph)]
    words = " ".join(next(filter(None, plain), "").split())
    return words if len(words) <= DESCRIBED else words[:DESCRIBED].rsplit(" ", 1)[0] + " …"


def text(markup: str) -> str:
    """HTML without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", " ", markup))


def shared(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Open Graph: title and description of a page, and its address where the site's is known."""
    if doctree is None:
        return
    said = {
        "title": text(context.get("title", "")),
        "type": "article",
        "site_name": app.config.html_title or "netpress",
    }
    said["description"] = described(doctree)
    base = app.config.html_baseurl.rstrip("/")
    if base:
        said |= {"url": f"{base}/{page}.html", "image": f"{base}/_static/logo.svg"}
    tags = [f'<meta property="og:{name}" content="{html.escape(held)}" />' for name, held in said.items() if held]
    tags.append(f'<meta name="description" content="{html.escape(said["description"])}" />')
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(tags)


def files(app: Sphinx, error: Exception | None) -> None:
    """Beside the pages: their notebooks, what the search shows of them, the map of the site, a page for the lost."""
    if error or app.builder.name != "html":
        return
    out = Path(app.outdir)
    (out / ".nojekyll").write_text("", encoding="utf-8")  # or a host drops every folder that begins with _
    for page in sorted(app.env.found_docs):
        chapter = chapter_of(app, page)
        if chapter and (notebook := source(app, chapter)):
            place = out / NOTEBOOKS / f"{chapter}.ipynb"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(notebook.read_bytes())
    if Path(app.srcdir, PDF).exists():
        (out / PDF).write_bytes(Path(app.srcdir, PDF).read_bytes())
    texts = {page: searched(app.env.get_doctree(page)) for page in sorted(app.env.found_docs)}
    content = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    (out / "_static" / "np-texts.js").write_text(f"window.npTexts = {content};\n", encoding="utf-8")
    base = app.config.html_baseurl.rstrip("/")
    (out / "404.html").write_text(lost(urlsplit(base).path.rstrip("/") if base else ""), encoding="utf-8")
    if base:
        addresses = "".join(f"<url><loc>{html.escape(f'{base}/{page}.html')}</loc></url>\n" for page in texts)
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        (out / "sitemap.xml").write_text(f"{head}{addresses}</urlset>\n", encoding="utf-8")


def searched(doctree: nodes.document) -> str:
    """A page's words for excerpts: prose, captions and outputs, without code and without what only a script reads."""
    words = []
    for node in doctree.findall(nodes.Text):
        if not isinstance(node.parent, UNREAD) and not cited(node):
            words.append(node.astext())
    return " ".join(" ".join(words).split())[:LONGEST]


def cited(node: nodes.Node) -> bool:
    """Whether a text is the key of a reference or a label, in the place of which a page shows something else."""
    around = [up for up in (node.parent, node.parent.parent) if isinstance(up, addnodes.pending_xref)]
    return any(up.get("refdomain") == "cite" or not up.get("refexplicit") for up in around)


def lost(root: str) -> str:
    """The page for an address that leads nowhere. It may stand at any depth, so that it needs no other file."""
    home = f"{root}/index.html" if root else "index.html"
    script = (
        "" if root else ("<script>if (location.protocol !== 'file:') document.querySelector('a').href = '/';</script>")
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8" /><title>No such page: netpress</title>'
        '<link rel="icon" href="data:," />'  # or a browser looks for one
        '<meta name="viewport" content="width=device-width, initial-scale=1" /><meta name="robots" content="noindex" />'
        "<style>body{font-family:system-ui,sans-serif;line-height:1.5;margin:15vh auto;max-width:36rem;padding:0 1rem}"
        "@media (prefers-color-scheme: dark){body{background:#121212;color:#ddd}a{color:#7fc4dc}}</style></head>"
        "<body><main><h1>There is no such page</h1><p>It may have moved: pages have the names of their chapters. "
        f'<a href="{html.escape(home)}">The first page of the book</a> leads to all others.</p></main>{script}'
        "</body></html>\n"
    )


def search_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The search page, and it alone, loads what it shows of the pages."""
    if template == "search.html":
        app.add_js_file("np-texts.js")
        app.add_js_file("np-search.js")


# how it is cited -----------------------------------------------------------------------------------------------------


class CiteThis(SphinxDirective):
    """`{cite-this}`: the entry for BibTeX that CITATION.cff makes."""

    def run(self) -> list[nodes.Node]:
        place = next((folder / "CITATION.cff" for folder in (Path(self.env.srcdir), *Path(self.env.srcdir).parents)
                      if (folder / "CITATION.cff").exists()), None)  # fmt: skip
        entry = bibtex(yaml.safe_load(place.read_text(encoding="utf-8"))) if place else "% no CITATION.cff here"
        block = nodes.literal_block(entry, entry)
        block["language"] = "bibtex"
        return [block]


def bibtex(cff: dict[str, Any]) -> str:
    """CITATION.cff as an entry for BibTeX."""
    authors = " and ".join(
        f"{{{person['name']}}}" if "name" in person else f"{person['family-names']}, {person['given-names']}"
        for person in cff["authors"]
    )
    fields = {"author": authors, "title": f"{{{cff['title']}}}", "version": cff["version"], "note": "Software"}
    fields |= {"year": str(cff["date-released"])[:4]} if "date-released" in cff else {}
    fields |= {"url": cff["url"]} if "url" in cff else {}
    lines = ",\n".join(f"  {name} = {{{held}}}" for name, held in fields.items())
    return f"@software{{netpress,\n{lines}\n}}"


# how it is built -----------------------------------------------------------------------------------------------------


def in_parallel(app: Sphinx) -> None:
    """Read and write pages in two processes, which gives the same bytes; jupyter-book offers no option for it.

    Extensions that do not say whether pages may be read so are taken to allow it: a test compares the bytes.
    """
    app.parallel = 2
    for extension in app.extensions.values():
        if extension.parallel_read_safe is None:
            extension.parallel_read_safe = True


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("cite-this", CiteThis)
    app.connect("builder-inited", in_parallel)
    for listener in (buttons, shared, search_scripts):
        app.connect("html-page-context", listener, priority=PRIORITY)
    app.connect("build-finished", files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
