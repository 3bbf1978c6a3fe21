"""Sphinx begins before there is anything to render; pages are run in an order that saves work."""

from importlib import metadata
from pathlib import Path

import psutil
import pytest

from netpress.book import render, renderer, site
from netpress.book.renderer import Renderer
from netpress.errors import UserError


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def test_a_renderer_that_was_not_needed_is_gone_afterwards() -> None:
    before = children()
    with Renderer() as waiting:
        waiting.begin()
        waiting.begin()  # has begun
        assert len(children() - before) == 1
    assert children() <= before


def test_it_tells_what_is_wrong_with_a_book_that_cannot_be_rendered(tmp_path: Path) -> None:
    (tmp_path / "_config.yml").write_text("title: Wrong\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: nowhere\n")
    with Renderer() as one, pytest.raises(UserError, match=r"(?s)The site was not built: .*nowhere"):
        one.render(tmp_path)


def test_warnings_alone_are_told_and_all_that_was_said_where_there_is_none() -> None:
    said = "reading\n\x1b[31m/b/a.md:1: WARNING: no such label\x1b[0m\nwriting\n"
    assert renderer.warnings(said, Path("/b")) == "a.md:1: WARNING: no such label"
    assert renderer.warnings("Killed\nat once", Path("/b")) == "Killed\nat once"


def test_papers_take_turns_then_come_pages_of_all_then_further_editions() -> None:
    names = ("triage/a", "triage/b", "pyramid/a", "pyramid/b", "together/c")
    made = dict.fromkeys(names[:4], ("small", "demo")) | {names[4]: ("best",), "index": ("best",)}
    pages = site.Plan(Path(), {}, made).pages()
    first = ["triage/a", "pyramid/a", "triage/b", "pyramid/b"]
    assert pages[:4] == [("small", name) for name in first] and pages[6:] == [("demo", name) for name in first]
    assert set(pages[4:6]) == {("best", "together/c"), ("best", "index")}


def test_a_site_is_made_again_with_another_version_of_what_renders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.md").write_text("# Page")
    before = render.key_of(tmp_path)
    assert render.key_of(tmp_path) == before
    monkeypatch.setattr(render, "version", lambda name: "0" if name == "sphinx-book-theme" else metadata.version(name))
    assert render.key_of(tmp_path) != before
