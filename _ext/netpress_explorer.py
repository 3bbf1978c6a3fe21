"""The scripts of the explorer, on the page that has one and nowhere else. Nothing comes from another site."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from netpress.report import explorer

MARK = f'id="{explorer.ELEMENT}"'
PRIORITY = 900  # after everything else


def _write(app: Sphinx) -> None:
    """Put the scripts and the style into the site."""
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in explorer.assets().items():
        (folder / name).write_text(text, encoding="utf-8")


def _load(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Load them where there is an explorer; on a page of a site its data are a file of their own."""
    if MARK not in context.get("body", ""):
        return
    if app.builder.name == "html":
        context["body"], data = explorer.split(context["body"])
        name = f"{explorer.ELEMENT}-{page.replace('/', '-')}.js"
        (Path(app.outdir) / "_static" / name).write_text(data, encoding="utf-8")
        app.add_js_file(name, loading_method="defer")
    for name in explorer.FILES:
        if name.endswith(".css"):
            app.add_css_file(name)
        else:
            app.add_js_file(name, loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _write)
    app.connect("html-page-context", _load, priority=PRIORITY)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
