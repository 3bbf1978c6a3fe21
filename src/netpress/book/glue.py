"""Values for the prose: what a notebook glues, MyST-NB pastes. Numbers are written out here, once."""

import math
import numbers
import re
import string
from html import escape
from typing import Any

from netpress.errors import UserError

NOT_RUN = "not run"
INFINITE = "infinite"
KEPT = "application/papermill.record/"  # before a mime type: kept for the prose, not displayed


def glue(name: str, value: object, form: str = "", caption: str = "") -> None:
    """See `Page.glue`. Raises UserError for a number without `form`, and for what cannot be shown in HTML."""
    from IPython.display import display

    if isinstance(value, str | numbers.Number) or is_single(value):
        bundle, about = {"text/plain": repr(written(name, value, form))}, {}
    else:
        display(value)  # where it is made; the page shows the copy that is kept, where its caption is
        bundle, about = shown(name, value), {"caption": caption or own_caption(value), "csv": csv_of(value)}
    metadata = {"scrapbook": {"name": name, "mime_prefix": KEPT}, "netpress": about}
    display({KEPT + mime: content for mime, content in bundle.items()}, raw=True, metadata=metadata)


def is_single(value: object) -> bool:
    """Whether a value is missing, and no table or figure."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def written(name: str, value: Any, form: str) -> str:
    """A number as the prose shows it; a missing one as "not run"."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return NOT_RUN
    if math.isinf(float(value)):
        return INFINITE if value > 0 else f"minus {INFINITE}"
    if not form:
        raise UserError(f"The number {name!r} needs a format, such as page.glue({name!r}, value, '.1%').")
    number = int(value) if form.endswith("d") else float(value)
    text = format(number, form)
    if not text.strip("-0.,%"):  # a small negative number, rounded to zero
        return text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}", 1) if number < 0 else text


def is_missing(value: Any) -> bool:
    """Whether a number is none: None, nan, or what pandas has in its place."""
    return is_single(value) or math.isnan(float(value))


def own_caption(value: object) -> str:
    """The caption that a figure or table of `netpress.report` carries."""
    return str(getattr(getattr(value, "words", value), "caption", "") or "")


def csv_of(value: Any) -> str:
    """The numbers of a table, or behind a figure, as comma-separated values with all their digits; "" without any."""
    frame = value if type(value).__name__ == "DataFrame" else value.to_frame() if hasattr(value, "to_frame") else None
    if frame is None or not len(frame):
        return ""
    if frame.columns.nlevels > 1:
        frame = frame.set_axis([", ".join(map(str, key)) for key in frame.columns], axis=1)
    return str(frame.to_csv(index=frame.index.name is not None, lineterminator="\n"))


def shown(name: str, value: Any) -> dict[str, str]:
    """A figure or table as HTML without its own caption, and as a text that is the same in every build."""
    if type(value).__name__ == "DataFrame":
        content = value.to_html(border=0, escape=True, index=value.index.name is not None)
        content = f'<div class="np-scroll" tabindex="0" role="region" aria-label="{escape(name)}">{content}</div>'
    elif hasattr(value, "_repr_html_"):
        content = without_caption(value._repr_html_())
    else:
        raise UserError(f"{name!r} is a {type(value).__name__}: a number, a text, a figure or a table is expected.")
    return {"text/html": content, "text/plain": own_caption(value) or name}


def without_caption(content: str) -> str:
    """HTML of a figure or table without the caption and the frame that the page gives it anyway."""
    if content.startswith("<figure"):
        content = re.sub(r"^<figure[^>]*>|<figcaption>.*?</figcaption>|</figure>$", "", content, flags=re.S)
        return f'<div class="np-figure">{content}</div>'
    return re.sub(r"<caption>.*?</caption>", "", content, count=1, flags=re.S)


MARKDOWN = re.compile(r"([\\`*_{}\[\]<>$|#])")


def say(text: str, **values: object) -> None:
    """See `Page.say`."""
    from IPython.display import display

    sentence = Sentence().vformat(text, (), values)
    display({"text/markdown": sentence, "text/plain": sentence}, raw=True)


class Sentence(string.Formatter):
    """Formats as `str.format`, but writes values as `written` does, and plain where Markdown would read them."""

    def format_field(self, value: object, format_spec: str) -> str:
        """One value."""
        return MARKDOWN.sub(r"\\\1", written("in a sentence", value, format_spec))
