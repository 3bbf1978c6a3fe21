"""One page made anew in a site that is there, in seconds: for whoever writes a chapter and wants to see it.

Numbers of figures and tables, the search and other pages stay as they were; the next `netpress book` makes them right.
"""

import shutil
from pathlib import Path

from filelock import FileLock

from netpress import paths
from netpress.atomic import write_atomic
from netpress.book import render, site, toc, warm
from netpress.book.renderer import Renderer
from netpress.errors import UserError, known


def preview(chapter: str) -> Path:
    """Run a chapter in its main edition and put its page into the site in `_build/html`. Returns the page.

    Raises UserError for an unknown chapter, where no site was built yet, where a cell fails, and for a warning of
    Sphinx; the site is then as it was.
    """
    project = paths.root()
    name = chapter.removeprefix("chapters/").removesuffix(".ipynb")
    contents = toc.read(project)
    known(name, site.chapters_of(contents, project), "chapter")
    book, html = project / "_build" / "book", project / "_build" / "html"
    page = html / f"{name}.html"
    if not page.exists() or not (book / "_build" / ".doctrees").is_dir():
        raise UserError(f"There is no site with a page {name} yet: build it with `netpress book` first.")
    shared = site.shared_by_pages()  # before the kernel imports the code
    with FileLock(project / "_build" / "lock"), Renderer() as renderer:
        warm.begin()
        renderer.begin()
        plan = site.planned(contents, project, ())
        edition = plan.editions[name][0]
        job = site.job_of(project, name, edition, shared)
        source = book / f"{name}.ipynb"
        made = book / "_build" / "html"
        site.run_all(site.outdated([job]))
        shutil.copy(job.source, book / site.NOTEBOOKS / f"{name}.ipynb")
        site.place(source, job.target.read_text(encoding="utf-8"))
        made.mkdir(exist_ok=True)
        shutil.copy(html / "searchindex.js", made)  # Sphinx wants to add to it
        renderer.render(book, page=source)
        render.prune(made)
        render.check(made)
        replace(made, html, name)
    return page


def replace(made: Path, html: Path, name: str) -> None:
    """Put what belongs to one page in the place of the old. The site is no longer the one that its mark tells of."""
    (html / render.MARK).unlink(missing_ok=True)
    notebook = Path(site.NOTEBOOKS) / f"{name}.ipynb"
    for file in (made / f"{name}.html", made / notebook, *(made / "_data").glob("*")):
        write_atomic(html / file.relative_to(made), file.read_bytes())
    shutil.rmtree(made)
