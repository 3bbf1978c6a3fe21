"""What a page ends with: where its numbers come from, and the command that remakes it."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from netpress import editions, papers
from netpress.book.html import Html, listing
from netpress.report.sentences import listed
from netpress.runs import records
from netpress.runs.run import Run
from netpress.runs.spent import Spell, spent

if TYPE_CHECKING:
    import pandas as pd

UNITS = {"cpu": "core"}  # of the time of a kind of device


def made_with(
    parts: Mapping[str, Sequence[Run]], table: "pd.DataFrame", of_pilot: Sequence[tuple[str, str]] = ()
) -> Html:
    """Where the numbers of a page come from; `parts`: edition -> the runs shown of it, `table`: one row a run,
    `of_pilot`: (paper, edition) of the papers of which only the pilot is shown."""
    runs = [run for shown in parts.values() for run in shown]
    made = table.dropna(subset=["time"])
    rows = [
        ("Edition", names((edition_text(edition) for edition in parts), between="; ")),
        ("Data", names(run.dataset for run in runs)),
        ("Seeds", names(run.seed for run in runs)),
        *([("Shown", pilots_text(of_pilot, alone=len({run.paper for run in runs}) == 1))] if of_pilot else []),
        ("Runs", runs_text(parts)),
    ]
    if len(made):
        rows += [
            ("Device", names(made["device"])),
            ("Code", "commit " + names(made["commit"])),
            ("Made", dates(made["time"])),
            ("Cost", f"{took(spells(made))} for the runs above, measuring included"),
        ]
    if "empty_layers" in made and len(emptied := made.dropna(subset=["empty_layers"])):
        pairs = zip(emptied["name"], emptied["empty_layers"], strict=True)
        rows += [("Pruned away", names((f"{run}: no weight is left in {which}" for run, which in pairs), between="; "))]
    return listing("Made with", rows, "made")


def pilots(shown: Mapping[str, str]) -> list[tuple[str, str]]:
    """(paper, edition) of the papers of which only the pilot is shown; `shown`: paper -> its edition."""
    return [(p, edition) for p, edition in shown.items() if p in papers.PAPERS and papers.pilot_alone(p, edition)]


def pilots_text(of_pilot: Sequence[tuple[str, str]], alone: bool) -> str:
    """What is shown of these papers, and what their verdicts rest on; `alone`: the page shows no other paper."""
    last = max(editions.settings(edition, paper).seeds for paper, edition in of_pilot) - 1
    of = "" if alone else f"of {listed([papers.get(paper).title for paper, _ in of_pilot])} "
    seeds = "seed 0" if last == 0 else f"seeds 0 to {last}"
    return (
        f"{of}the pilot, {seeds}; verdicts: fresh seeds from {editions.FRESH} on, or the pilot's where those of a "
        "claim are not all run"
    )


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
    return " and ".join(f"{duration(seconds)} of a {UNITS.get(kind, 'GPU')}" for kind, seconds in sorted(kinds.items()))


def edition_text(edition: str) -> str:
    """The edition's name and what it is meant for."""
    base, changes = editions.parse(edition)
    changed = ", with " + ", ".join(f"{n} = {editions.shown(v)}" for n, v in changes.items()) if changes else ""
    return f"{base} ({editions.MEANT_FOR[base]}){changed}"


def names(values: Iterable[object], most: int = 6, between: str = ", ") -> str:
    """Each value once, in the order in which it comes."""
    once = [str(value) for value in dict.fromkeys(values)]
    more = f" and {len(once) - most} more" if len(once) > most else ""
    return between.join(once[:most]) + more


def runs_text(parts: Mapping[str, Sequence[Run]]) -> str:
    """How many of the runs there are, and what became of the others."""
    states = [records.state(run, edition) for edition, runs in parts.items() for run in runs]
    others = {state: states.count(state) for state in dict.fromkeys(states) if state != "done"}
    rest = [f"{count} {'not run' if state == 'missing' else state}" for state, count in others.items()]
    return ", ".join([f"{states.count('done')} of {len(states)} done", *rest])


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


def rerun(command: str) -> Html:
    """The command that remakes a page, ready to be copied."""
    html = (
        '<div class="np-box np-rerun"><p class="np-box-title">Re-run this page</p>'
        f'<div class="highlight-shell notranslate"><div class="highlight"><pre>{escape(command)}</pre></div></div>'
        "<p>In the project's folder, with the environment of <code>make book</code>: "
        "<code>source .venv/bin/activate</code>.</p></div>"
    )
    return Html(html, f"Re-run this page:\n  {command}")
