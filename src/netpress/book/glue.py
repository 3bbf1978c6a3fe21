"""What a notebook shows: sentences with numbers, captions and CSVs of figures and tables, small boxes.

Numbers are written out here, once; whatever comes from a record is escaped.
"""

import math
import numbers
import re
import string
from dataclasses import dataclass
from typing import Any

from netpress.errors import UserError

KEPT = "application/papermill.record/"  # before a mime type: kept for the prose, not displayed
HERE = {"netpress": "only in the notebook"}  # the page shows what is glued where the prose asks for it
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>$~|#])")


@dataclass(frozen=True)
class Html:
    """HTML that a notebook displays, with the same content as text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def unframed(content: str) -> str:
    """A figure or a table without its own caption and frame, which the page gives it."""
    if content.startswith("<figure"):
        content = re.sub(r"^<figure[^>]*>|<figcaption>.*?</figcaption>|</figure>$", "", content, flags=re.S)
        content = f'<div class="np-figure">{content}</div>'
    return re.sub(r"<caption>.*?</caption>", "", content, count=1, flags=re.S)


class Sentence(string.Formatter):
    """Formats as `str.format`, but writes values as `written` does, and plain where Markdown would read them."""

    def format_field(self, value: object, format_spec: str) -> str:
        return MARKDOWN.sub(r"\\\1", written(value, format_spec))


def written(value: Any, form: str) -> str:
    """`value` as the prose shows it: a text as it is, a number by `form`, a missing one as "not run".

    Raises UserError for a number without `form`.
    """
    if isinstance(value, str):
        return value
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    if missing or (isinstance(value, numbers.Number) and math.isnan(float(value))):  # type: ignore[arg-type]
        return "not run"
    if math.isinf(float(value)):
        return "infinite" if value > 0 else "minus infinite"
    if not form:
        raise UserError(f"The number {value} in a sentence needs a format, such as {{name:.1f}}.")
    number = int(value) if form.endswith("d") else float(value)
    text = format(number, form)
    if not text.strip("-+0.,%"):  # a small negative number, rounded to zero
        return text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}", 1) if number < 0 else text
