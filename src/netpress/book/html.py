"""Small pieces of HTML that a notebook displays. Everything that comes from a record is escaped."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape


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
        """One below the other."""
        return Html(self.html + other.html, f"{self.text}\n\n{other.text}")


def listing(title: str, rows: Iterable[tuple[str, str]], kind: str) -> Html:
    """A titled list of names and values."""
    kept = [(name, value) for name, value in rows if value]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in kept)
    text = "\n".join([title, *(f"  {name}: {value}" for name, value in kept)])
    head = f'<p class="np-box-title">{escape(title)}</p>'
    return Html(f'<div class="np-box np-{kind}">{head}<dl>{items}</dl></div>', text)
