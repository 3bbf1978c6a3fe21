"""From the assembled folder to a published site: Sphinx with warnings as errors, pruning, checks, one rename."""

import platform
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from netpress import digests, paths
from netpress.book.renderer import Renderer
from netpress.errors import UserError

MARK = ".netpress-site"  # says that a folder was made here and may be replaced; holds the key of what it was made from
TOOLS = ("sphinx", "jupyter-book", "myst-nb", "myst-parser", "sphinx-book-theme", "pydata-sphinx-theme",
         "sphinxcontrib-bibtex", "vl-convert-python")  # fmt: skip
MATHS = ("tex-chtml.js", "output/chtml/fonts")  # what a page needs of MathJax's 24 MB
ICONS = re.compile(rb"\s*<(?:script|link)\b[^>]*fontawesome\.js[^>]*>(?:</script>)?")
SEARCH = re.compile(rb'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>')
MATHJAX = re.compile(rb"\s*<script\b[^>]*mathjax/tex-chtml\.js[^>]*></script>")
FETCHED = re.compile(
    rb"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=[\"']?(?:https?:)?//[^\"'\s>]+"
    rb"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|icon|preconnect))[^>]*?\bhref=[\"']?(?:https?:)?//[^\"'\s>]+"
    rb"|@import\s+(?:url\()?[\"']?(?:https?:)?//[^\"'\s)]+|url\([\"']?(?:https?:)?//[^\"'\s)]+"
)


def replaceable(site: Path) -> None:
    """Raise UserError where `site` is something that was not made here: it would be lost."""
    own = paths.root() / "_build" / "html"  # which `jupyter-book build .` makes too, without our mark
    if site.is_dir() and any(site.iterdir()) and not (site / MARK).exists() and site != own:
        raise UserError(f"{site} is not a site of this book: choose an empty or a new folder with --out.")
    if site.exists() and not site.is_dir():
        raise UserError(f"{site} is a file: choose a folder with --out.")


def render(book: Path, site: Path, renderer: Renderer) -> None:
    """Make `site` from `book`, unless it has been made from the same files. Raises UserError for any warning."""
    key = key_of(book)
    if (site / MARK).exists() and (site / MARK).read_text() == key:
        print("The site is up to date.", file=sys.stderr)
        return
    renderer.render(book)
    made = book / "_build" / "html"
    prune(made)
    check(made)
    (made / MARK).write_text(key)
    publish(made, site)


def key_of(book: Path) -> str:
    """A digest of every file that Sphinx reads, and the versions of Python and of what renders."""
    return " ".join([digests.of_folder(book), platform.python_version(), *map(version, TOOLS)])


def prune(html: Path) -> None:
    """Leave what a page needs; drop maps, sources, and icons as a script (the style sheet has them)."""
    maths = html / "_static" / "mathjax"
    for file in sorted(html.rglob("*"), reverse=True):
        unused = maths in file.parents and not file.relative_to(maths).as_posix().startswith(MATHS)
        if file.is_file() and (unused or file.name == "fontawesome.js" or file.suffix == ".map"):
            file.unlink()
        elif file.is_dir() and not any(file.iterdir()):
            file.rmdir()
    for page in html.rglob("*.html"):
        page.write_bytes(lightened(page.read_bytes(), searches=page == html / "search.html"))
    (html / ".buildinfo").unlink(missing_ok=True)
    shutil.rmtree(html / "_sources", ignore_errors=True)


def lightened(page: bytes, searches: bool) -> bytes:
    """A page without scripts that it loads for nothing: the search on all pages, maths where there is none."""
    page = ICONS.sub(b"", page)
    page = page if searches else SEARCH.sub(b"", page)
    return page if b'class="math' in page else MATHJAX.sub(b"", page)


def check(html: Path) -> None:
    """Raise UserError for a page that fetches something from elsewhere or names a folder of this machine."""
    home = str(Path.home()).encode()
    for page in sorted(html.rglob("*.html")):
        content = page.read_bytes()
        fetched = FETCHED.search(content)
        if fetched:
            raise UserError(f"{page.relative_to(html)} fetches from another site: {fetched[0].decode()[:200]}.")
        if str(html).encode() in content or (len(home) > 2 and home + b"/" in content):
            raise UserError(f"{page.relative_to(html)} names a folder of this machine: mend what prints it.")


def publish(made: Path, site: Path) -> None:
    """Put the new site in the place of the old one by renaming; a build that dies leaves one of the two."""
    site.parent.mkdir(parents=True, exist_ok=True)
    new, old = (site.parent / f".{site.name}.{word}" for word in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        shutil.move(made, new)
        if site.exists():
            site.replace(old)
        new.replace(site)
    finally:  # a full disk leaves no part of the new one, and the old one in its place
        if not site.exists() and old.exists():
            old.replace(site)
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
