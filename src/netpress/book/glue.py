"""What a notebook shows: numbers and sentences for the prose, captions and CSVs of figures and tables, small boxes.

Numbers are written out here, once; whatever comes from a record is escaped.
"""

import math
import numbers
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from netpress.errors import UserError

NOT_RUN = "not run"
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

    def __add__(self, other: "Html") -> "Html":
        return Html(self.html + other.html, f"{self.text}\n\n{other.text}")


def listing(title: str, rows: Iterable[tuple[str, str]], kind: str) -> Html:
    """Box with a title and a list of names and values; rows without a value are left out."""
    kept = [(name, value) for name, value in rows if value]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in kept)
    text = "\n".join([title, *(f"  {name}: {value}" for name, value in kept)])
    head = f'<p class="np-box-title">{escape(title)}</p>'
    return Html(f'<div class="np-box np-{kind}">{head}<dl>{items}</dl></div>', text)


def glue(name: str, value: object, form: str = "", caption: str = "") -> None:
    """See `Page.glue`. Raises UserError for a number without `form`, and for what cannot be shown in HTML."""
    from IPython.display import display

    if isinstance(value, str | numbers.Number) or is_missing(value):
        text = written(name, value, form)
        display({"text/plain": f"{name}: {text}"}, raw=True, metadata=HERE)
        bundle, about = {"text/plain": repr(text)}, {}
    else:
        display(value, metadata=HERE)
        bundle, about = shown(name, value), {"caption": caption or own_caption(value), "csv": csv_of(value)}
    metadata = {"scrapbook": {"name": name, "mime_prefix": KEPT}, "netpress": about}
    display({KEPT + mime: content for mime, content in bundle.items()}, raw=True, metadata=metadata)


def say(text: str, **values: object) -> None:
    """See `Page.say`."""
    from IPython.display import display

    sentence = Sentence().vformat(text, (), values)
    display({"text/markdown": sentence, "text/plain": re.sub(r"\\(.)", r"\1", sentence)}, raw=True)


class Sentence(string.Formatter):
    """Formats as `str.format`, but writes values as `written` does, and plain where Markdown would read them."""

    def format_field(self, value: object, format_spec: str) -> str:
        return MARKDOWN.sub(r"\\\1", written("in a sentence", value, format_spec))


def is_missing(value: Any) -> bool:
    """Whether `value` is None, nan, or what pandas has in their place."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, numbers.Number) and math.isnan(float(value))  # type: ignore[arg-type]


def written(name: str, value: Any, form: str) -> str:
    """`value` as the prose shows it: a text as it is, a number by `form`, a missing one as "not run"."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return NOT_RUN
    if math.isinf(float(value)):
        return "infinite" if value > 0 else "minus infinite"
    if not form:
        raise UserError(f"The number {name!r} needs a format, such as page.glue({name!r}, value, '.1%').")
    number = int(value) if form.endswith("d") else float(value)
    text = format(number, form)
    if not text.strip("-+0.,%"):  # a small negative number, rounded to zero
        return text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}", 1) if number < 0 else text


def own_caption(value: object) -> str:
    """Caption that a figure or table of `netpress.report` carries; "" for others."""
    return str(getattr(getattr(value, "words", value), "caption", "") or "")


def csv_of(value: Any) -> str:
    """Numbers of a table, or behind a figure, as comma-separated values with all their digits; "" without any."""
    frame = value if type(value).__name__ == "DataFrame" else value.to_frame() if hasattr(value, "to_frame") else None
    if frame is None or not len(frame):
        return ""
    if frame.columns.nlevels > 1:
        frame = frame.set_axis([", ".join(map(str, key)) for key in frame.columns], axis=1)
    return str(frame.to_csv(index=frame.index.name is not None, lineterminator="\n"))


def shown(name: str, value: Any) -> dict[str, str]:
    """Figure or table as HTML without its own caption and frame, which the page gives it, and as a text."""
    if type(value).__name__ == "DataFrame":
        content = value.to_html(border=0, escape=True, index=value.index.name is not None)
        content = f'<div class="np-scroll" tabindex="0" role="region" aria-label="{escape(name)}">{content}</div>'
    elif hasattr(value, "_repr_html_"):
        content = value._repr_html_()
    else:
        raise UserError(f"{name!r} is a {type(value).__name__}: a number, a text, a figure or a table is expected.")
    if content.startswith("<figure"):
        content = re.sub(r"^<figure[^>]*>|<figcaption>.*?</figcaption>|</figure>$", "", content, flags=re.S)
        content = f'<div class="np-figure">{content}</div>'
    content = re.sub(r"<caption>.*?</caption>", "", content, count=1, flags=re.S)
    return {"text/html": content, "text/plain": own_caption(value) or name}
