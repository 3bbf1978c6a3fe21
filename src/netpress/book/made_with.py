"""The end of a page: where its numbers come from, and the command that remakes it."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from netpress import editions
from netpress.book.glue import Html, listing
from netpress.runs import records
from netpress.runs.cost import Spell, spent
from netpress.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd


def made_with(parts: Mapping[str, Sequence[Run]], table: "pd.DataFrame", command: str) -> Html:
    """Edition, data, seeds, runs and what was not run, devices, commits, dates, cost; `command` remakes the page.

    `parts`: edition -> the runs shown of it, `table`: one row a run.
    """
    runs = [run for shown in parts.values() for run in shown]
    states = [records.state(run, edition) for edition, shown in parts.items() for run in shown]
    others = [f"{states.count(s)} {'not run' if s == 'missing' else s}" for s in dict.fromkeys(states) if s != "done"]
    rows = [
        ("Edition", names((edition_text(edition) for edition in parts), between="; ")),
        ("Data", names(run.dataset for run in runs)),
        ("Seeds", names(run.seed for run in runs)),
        ("Runs", ", ".join([f"{states.count('done')} of {len(states)} done", *others])),
    ]
    made = table.dropna(subset=["time"])
    if len(made):
        days = sorted({str(time)[:10] for time in made["time"]})
        rows += [
            ("Device", names(made["device"])),
            ("Code", "commit " + names(made["commit"])),
            ("Made", " to ".join(dict.fromkeys([days[0], days[-1]]))),
            ("Cost", f"{took(spells(made))} for the runs above, measuring included"),
        ]
    if "empty_layers" in made and len(emptied := made.dropna(subset=["empty_layers"])):
        pairs = zip(emptied["name"], emptied["empty_layers"], strict=True)
        rows += [("Pruned away", names((f"{run}: no weight is left in {which}" for run, which in pairs), between="; "))]
    return foot(rows if runs else [], command)


def foot(rows: Sequence[tuple[str, str]], command: str) -> Html:
    """The folded end of a page: `rows` of facts, none where nothing was run, and the `command` that remakes it."""
    box = listing("Made with", rows, "made") if rows else Html("", "")
    again = (
        '<div class="np-box np-rerun"><p class="np-box-title">Re-run this page</p>'
        "<p>In the project's folder, with the environment of <code>make book</code> "
        "(<code>source .venv/bin/activate</code>):</p>"
        '<div class="highlight-shell notranslate">'
        f'<div class="highlight"><pre>{escape(command)}</pre></div></div></div>'
    )
    folded = f'<details class="np-foot"><summary>Where these numbers come from</summary>{box.html}{again}</details>'
    return Html(folded, f"{box.text}\n\nRe-run this page:\n  {command}")


def spells(made: "pd.DataFrame") -> list[Spell]:
    """What did the runs of a table, and when."""
    rows = made[["kind", "device", "time", "took"]].fillna({"took": 0.0})
    return [Spell(*row) for row in rows.itertuples(index=False)]


def took(runs: Iterable[Spell]) -> str:
    """How long runs took; where some were done on a GPU, apart."""
    kinds: dict[str, float] = {}
    for (kind, _), seconds in spent(runs).items():
        kinds[kind] = kinds.get(kind, 0.0) + seconds
    if len(kinds) == 1:
        return duration(*kinds.values())
    units = {kind: "core" if kind == "cpu" else "GPU" for kind in kinds}
    return " and ".join(f"{duration(seconds)} of a {units[kind]}" for kind, seconds in sorted(kinds.items()))


def edition_text(edition: str) -> str:
    """The edition's name and what it is meant for."""
    base, changes = editions.parse(edition)
    changed = ", with " + ", ".join(f"{n} = {editions.shown(v)}" for n, v in changes.items()) if changes else ""
    return f"{base} ({editions.MEANT_FOR[base]}){changed}"


def names(values: Iterable[object], most: int = 6, between: str = ", ") -> str:
    """Each value once, in the order in which it comes; the first `most` of them."""
    once = [str(value) for value in dict.fromkeys(values)]
    more = f" and {len(once) - most} more" if len(once) > most else ""
    return between.join(once[:most]) + more


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
