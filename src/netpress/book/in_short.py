"""What every page opens with: a few sentences that say what was found, made from the records of the page."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from netpress.book.html import Html

if TYPE_CHECKING:
    from netpress.book.page import Page

NOTHING_YET = "Nothing can be told yet: no network of this page has a record."


def sentences(page: "Page") -> list[str]:
    """What a page found, in sentences."""
    return [NOTHING_YET]


def box(said: Sequence[str]) -> Html:
    """The sentences as the box under a page's title."""
    text = " ".join(said)
    html = f'<div class="np-box np-short"><p class="np-box-title">In short</p><p>{escape(text)}</p></div>'
    return Html(html, f"In short: {text}")
