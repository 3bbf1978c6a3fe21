"""From the assembled folder to a published site: Sphinx with warnings as errors, pruning, checks, one rename."""

import html
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from netpress import env
from netpress.errors import UserError
from netpress.files import digest_of_files

NOTEBOOKS = "_notebooks"  # where a site has the notebooks of its pages, as they were committed
MARK = ".netpress-site"  # says that a folder was made here and may be replaced; holds the key of what it was made from
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SHOWN = 40  # lines of what Sphinx warned of
MATHS = ("tex-chtml.js", "output/chtml/fonts")  # what a page needs of MathJax's 24 MB
ICONS = re.compile(rb"\s*<(?:script|link)\b[^>]*fontawesome\.js[^>]*>(?:</script>)?")
MATHJAX = re.compile(rb"\s*<script\b[^>]*mathjax/tex-chtml\.js[^>]*></script>")
LATE = re.compile(rb"(/(?:mystnb\.\w+\.css|tex-chtml\.js))\?v=\w+")  # a checksum where an earlier build left the file
FETCHED = re.compile(
    rb"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=[\"']?(?:https?:)?//[^\"'\s>]+"
    rb"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|icon|preconnect))[^>]*?\bhref=[\"']?(?:https?:)?//[^\"'\s>]+"
    rb"|@import\s+(?:url\()?[\"']?(?:https?:)?//[^\"'\s)]+|url\([\"']?(?:https?:)?//[^\"'\s)]+"
)
MOVED = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8" /><title>Moved</title>'
    '<meta http-equiv="refresh" content="0; url={to}" /><link rel="canonical" href="{to}" />'
    '<meta name="robots" content="noindex" /><link rel="icon" href="data:," /></head>'
    '<body><main><h1>This page has moved</h1><p><a href="{to}">It is here.</a></p></main></body></html>\n'
)


@cache
def packages() -> str:
    """Every installed package with its version: what a page comes from, beside code and records."""
    return " ".join(sorted({f"{one.name} {one.version}" for one in distributions()}))


def replaceable(site: Path) -> None:
    """Raise UserError where `site` is something that was not made here: it would be lost."""
    own = env.root() / "_build" / "html"  # which `jupyter-book build .` makes too, without our mark
    if site.is_dir() and any(site.iterdir()) and not (site / MARK).exists() and site != own:
        raise UserError(f"{site} is not a site of this book: choose an empty or a new folder with --out.")
    if site.exists() and not site.is_dir():
        raise UserError(f"{site} is a file: choose a folder with --out.")


def render(book: Path, site: Path) -> None:
    """Make `site` from `book`, unless it has been made from the same files. Raises UserError for any warning."""
    files = (file for file in book.rglob("*") if file.is_file() and book / "_build" not in file.parents)
    key = f"{digest_of_files(files, book)} {platform.python_version()} {packages()}"
    if (site / MARK).exists() and (site / MARK).read_text() == key:
        print("The site is up to date.", file=sys.stderr)
        return
    made = sphinx(book)
    site.parent.mkdir(parents=True, exist_ok=True)
    new, old = (site.parent / f".{site.name}.{word}" for word in ("new", "old"))
    try:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(made, new, ignore=shutil.ignore_patterns("*.map", "fontawesome.js", "_sources", ".buildinfo"))
        prune(new)
        redirect(book, new)
        check(new)
        (new / MARK).write_text(key)
        if site.exists():
            site.replace(old)
        new.replace(site)
    finally:  # a full disk leaves no part of the new one, and the old one in its place
        if not site.exists() and old.exists():
            old.replace(site)
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


def sphinx(book: Path, builder: str = "html") -> Path:
    """Render a book with jupyter-book, in a process of its own; the folder with what it made.

    Only what has changed since the last time is read. Raises UserError with what Sphinx warned of where it fails.
    """
    state = book / "_build"
    tied = [book / name for name in ("_config.yml", "_toc.yml", "_redirects.json")]  # of which Sphinx would not see all
    key = digest_of_files([*(f for f in tied if f.exists()), *(book / "_ext").rglob("*.py")], book) + packages()
    if not (state / "key").exists() or (state / "key").read_text() != key:
        shutil.rmtree(state, ignore_errors=True)
    program = (  # jsonschema would build grammars for addresses, in two seconds, that nothing here checks
        "import sys; sys.modules.setdefault('rfc3987_syntax', None); from jupyter_book.cli.main import main; main()"
    )
    words = ["build", str(book), "--builder", builder, "-W", "-n", "--keep-going", "-q"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    if done.returncode:
        shutil.rmtree(state, ignore_errors=True)  # it would not warn again of a page that it has read
        lines = COLOURS.sub("", done.stdout).replace(f"{book}/", "").splitlines()
        noted = [line for line in lines if re.search(r"WARNING|ERROR|Error|error", line)] or lines
        raise UserError(
            "The site was not built: Sphinx warns, and here a warning is an error.\n" + "\n".join(noted[-SHOWN:])
        )
    (state / "key").write_text(key)
    return state / builder


def prune(site: Path) -> None:
    """Leave what a page needs: of MathJax a part, and its script only where there is maths; icons as a style sheet."""
    maths = site / "_static" / "mathjax"
    for file in sorted(maths.rglob("*"), reverse=True):
        if file.is_file() and not file.relative_to(maths).as_posix().startswith(MATHS):
            file.unlink()
        elif file.is_dir() and not any(file.iterdir()):
            file.rmdir()
    for page in site.rglob("*.html"):
        text = LATE.sub(rb"\1", ICONS.sub(b"", page.read_bytes()))
        page.write_bytes(text if b'class="math' in text else MATHJAX.sub(b"", text))
    (site / ".nojekyll").touch()  # or a host drops every folder that begins with _


def redirect(book: Path, site: Path) -> None:
    """Pages at old addresses that lead on, as `_redirects.json` says: {"old": "new#place"}, without .html."""
    place = book / "_redirects.json"
    for old, new in json.loads(place.read_text(encoding="utf-8")).items() if place.exists() else ():
        page, target = site / f"{old}.html", new.partition("#")[0]
        if not (site / f"{target}.html").exists() or page.exists():
            continue
        to = os.path.relpath(f"{target}.html", Path(old).parent) + new.removeprefix(target)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(MOVED.format(to=html.escape(to)), encoding="utf-8")


def check(site: Path) -> None:
    """Raise UserError for a page that fetches something from elsewhere or names a folder of this machine."""
    home = str(Path.home()).encode()
    for page in sorted(site.rglob("*.html")):
        content = page.read_bytes()
        fetched = FETCHED.search(content)
        if fetched:
            raise UserError(f"{page.relative_to(site)} fetches from another site: {fetched[0].decode()[:200]}.")
        if f"{env.root()}/".encode() in content or (len(home) > 2 and home + b"/" in content):
            raise UserError(f"{page.relative_to(site)} names a folder of this machine: mend what prints it.")
