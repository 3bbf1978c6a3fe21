"""Where a chapter begins: `page = start("triage/result", edition=edition, ...)` in its second cell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netpress.book import parameters
from netpress.book.page import Page
from netpress.book.your_page import YourPage
from netpress.editions import YOURS


def start(chapter: str, **given: Any) -> Page:
    """Check a chapter's parameters and return its `Page`; chapters about a reader's own network have another class.

    `chapter`: the notebook's path under chapters/, without its ending. Raises UserError as `Page` does.
    """
    of_yours = parameters.papers_of(chapter) == (YOURS,)
    return (YourPage if of_yours else Page)(chapter=chapter, **given)


def check_parameters(path: str | Path, given: Mapping[str, object]) -> Page:
    """Check parameters for the chapter in the notebook `path` without starting a kernel; return its Page.

    Raises UserError, naming the parameter, for a name that the chapter does not take, a value of the wrong type,
    and a value that its paper and edition do not have.
    """
    known = parameters.defaults(Path(path))
    parameters.check_names(given, known)
    return start(parameters.chapter_of(Path(path)), **known | dict(given))
