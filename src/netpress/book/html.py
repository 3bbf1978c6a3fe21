"""Small pieces of HTML that every chapter ends with. Everything that comes from a record is escaped."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from netpress import editions

if TYPE_CHECKING:
    import pandas as pd

    from netpress.book.page import Page


@dataclass(frozen=True)
class Html:
    """HTML that a notebook displays, with the same content as text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def listing(title: str, rows: Iterable[tuple[str, str]], kind: str) -> Html:
    """A titled list of names and values."""
    kept = [(name, value) for name, value in rows if value]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in kept)
    text = "\n".join([title, *(f"  {name}: {value}" for name, value in kept)])
    head = f'<p class="np-box-title">{escape(title)}</p>'
    return Html(f'<div class="np-box np-{kind}">{head}<dl>{items}</dl></div>', text)


def made_with(page: "Page") -> Html:
    """Where the numbers of a page come from."""
    table = page.table().dropna(subset=["time"])
    rows = [
        ("Edition", names((edition_said(edition) for edition in page.parts), between="; ")),
        ("Data", names(run.dataset for run in page.runs)),
        ("Seeds", names(run.seed for run in page.runs)),
        ("Runs", runs_said(page, table)),
    ]
    if len(table):
        rows += [
            ("Device", names(table["device"])),
            ("Code", "commit " + names(table["commit"])),
            ("Made", dates(table["time"])),
            ("Cost", duration(float(table["seconds"].sum())) + " of training"),
        ]
    return listing("Made with", rows, "made")


def edition_said(edition: str) -> str:
    """The edition's name and what it is meant for."""
    base, changes = editions.parse(edition)
    changed = ", with " + ", ".join(f"{n} = {editions.shown(v)}" for n, v in changes.items()) if changes else ""
    return f"{base} ({editions.MEANT_FOR[base]}){changed}"


def names(values: Iterable[Any], most: int = 6, between: str = ", ") -> str:
    """Each value once, in the order in which it comes."""
    once = [str(value) for value in dict.fromkeys(values)]
    more = f" and {len(once) - most} more" if len(once) > most else ""
    return between.join(once[:most]) + more


def runs_said(page: "Page", table: "pd.DataFrame") -> str:
    """How many of the page's runs there are, and what became of the others."""
    from netpress.runs import records

    states = [records.state(run, edition) for edition, runs in page.parts.items() for run in runs]
    others = {state: states.count(state) for state in dict.fromkeys(states) if state != "done"}
    said = [f"{count} {'not run' if state == 'missing' else state}" for state, count in others.items()]
    return ", ".join([f"{states.count('done')} of {len(states)} done", *said])


def dates(times: Iterable[str]) -> str:
    """The first and the last day."""
    days = sorted({str(time)[:10] for time in times})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def rerun(page: "Page") -> Html:
    """The command that remakes a page, ready to be copied."""
    command = page.command()
    html = (
        '<div class="np-box np-rerun"><p class="np-box-title">Re-run this page</p>'
        f'<div class="highlight-shell notranslate"><div class="highlight"><pre>{escape(command)}</pre></div></div>'
        "<p>In the project's folder, with the environment of <code>make book</code>: "
        "<code>source .venv/bin/activate</code>.</p></div>"
    )
    return Html(html, f"Re-run this page:\n  {command}")
