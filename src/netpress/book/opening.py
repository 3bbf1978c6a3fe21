"""What every page opens with: a few sentences that say what was found, made from the records of the page."""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from netpress import editions, papers
from netpress.book.html import Html
from netpress.report.sentences import count, listed
from netpress.report.tables import number

if TYPE_CHECKING:
    import pandas as pd

    from netpress.book.page import Page
    from netpress.report.findings import Finding

TIED = re.compile(r"n = \d+|[\d.]+ ± [\d.]+(?: %| points)?|[\d.]+ (?:%|points)")
NOTHING_YET = "Nothing can be told yet: the networks of this page are not run."


def sentences(page: "Page") -> list[str]:
    """What a page found, in sentences; that nothing can be told where its records do not say anything."""
    home, _, name = page.chapter.rpartition("/")
    if home in papers.PAPERS and name != "verdicts":
        found = [line for line in of_paper(home).get(name, nothing)(frame(page)) if line]
    elif home in papers.PAPERS:
        found = [line for line in judged(page.findings()) if line]
    else:
        found = [line for line in PAGES.get(page.chapter, nothing)(page) if line]
    return found or [NOTHING_YET]


def nothing(_: object) -> list[str]:
    """The sentences of a page that has none."""
    return []


def frame(page: "Page") -> "pd.DataFrame":
    """The runs of a paper's page, with the paper's own columns."""
    ((_, edition),) = page.editions.items()
    return papers.frame(page.runs, edition)


def short_of(paper: str) -> ModuleType | None:
    """A paper's module of sentences; None where it has none."""
    name = f"netpress.papers.{paper}.short"
    return import_module(name) if find_spec(name) else None


def of_paper(paper: str) -> Mapping[str, Callable[["pd.DataFrame"], list[str]]]:
    """Page of a paper -> what makes its sentences."""
    return getattr(short_of(paper), "SENTENCES", {})


def tied(text: str) -> str:
    """The text as HTML; numbers and what belongs to them stay on one line."""
    kept = TIED.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return escape(kept)


def in_short(page: "Page") -> Html:
    """The box under a page's title: what was found, in sentences made from its records."""
    text = " ".join(sentences(page))
    html = f'<div class="np-box np-short"><p class="np-box-title">In short</p><p>{tied(text)}</p></div>'
    return Html(html, f"In short: {text}")


def found(page: "Page") -> Html:
    """The same for the landing page: one sentence below the other."""
    lines = sentences(page)
    items = "".join(f"<li>{tied(one)}</li>" for one in lines)
    return Html(f'<ul class="np-findings">{items}</ul>', "\n".join(f"- {one}" for one in lines))


# the landing page


def headlines(page: "Page") -> list[str]:
    """What was found of each paper in plain sentences, in the order of the papers."""
    frames = {paper: papers.runs_frame(paper, edition) for paper, edition in page.editions.items()}
    found = [headline(runs) for paper, runs in frames.items() for headline in getattr(short_of(paper), "HEADLINES", ())]
    return [line for line in found if line] or [NOTHING_YET]


def scale(page: "Page") -> str:
    """At what scale: networks, images, weights to begin from, what stands for what."""
    once = dict.fromkeys(page.editions.values())
    return " ".join(scale_of(page, edition) for edition in once)


def scale_of(page: "Page", edition: str) -> str:
    """The scale of one edition."""
    own = [paper for paper, chosen in page.editions.items() if chosen == edition]
    chosen = editions.settings(edition, own[0])
    images = "all training images" if chosen.images is None else f"at most {chosen.images:,} training images"
    begin = "from random weights" if chosen.weights != "pretrained" else "from pretrained weights"
    width = "whole" if chosen.width == 1 else f"at {number(chosen.width, 3).rstrip('0')} of its width"
    base = editions.parse(edition)[0]
    replaced = {"demo": ", digits in the place of every data set", "small": INSTEAD, "large": INSTEAD}.get(base, "")
    what = listed([papers.get(paper).title for paper in own])
    return f"{what}: VGG {width} and with {images}, {begin}{replaced} (edition {edition})."


INSTEAD = ", CIFAR-10 in the place of STL10, dogs at 64 px"


# pages of verdicts


def judged(findings: "Sequence[Finding]") -> list[str]:
    """How many claims have which verdict, and which they are."""
    from netpress.report.claims import NOT_RUN, VERDICTS

    shown = {word: [f.claim.id for f in findings if f.verdict == word] for word in VERDICTS}
    parts = [f"{len(ids)} {word} ({', '.join(ids)})" for word, ids in shown.items() if ids and word != NOT_RUN]
    lines = f"Of {count(len(findings), 'claim')}: " + (f"{listed(parts)}." if parts else "none is judged yet.")
    rest = shown[NOT_RUN]
    piloted = [f.claim.id for f in findings if f.by]
    waits = f"{count(len(rest), 'claim')} {'waits' if len(rest) == 1 else 'wait'} for fresh seeds ({', '.join(rest)})."
    return [
        lines,
        f"{len(piloted)} of these verdicts are the pilot's, by its first rules: the fresh seeds that decide are not "
        "all run." if piloted else "",
        waits if rest else "",
    ]  # fmt: skip


# what is about all papers, and the appendix


def scoreboard(page: "Page") -> list[str]:
    """How many claims of all papers have which verdict."""
    from netpress.book.scoreboard import Scoreboard

    return judged(Scoreboard(page).findings)


def shrink(page: "Page") -> list[str]:
    """The smallest network within a point, by each size."""
    from netpress.papers import together
    from netpress.papers.together import figures

    networks = together.networks(page.editions)
    if networks.empty:
        return []
    lines = [figures.advice_text(networks, 1.0, size) for size in together.SIZES]
    return ["Within one point of the best uncompressed network:", f"{'; '.join(lines)}."]


def explorer(page: "Page") -> list[str]:
    """How many networks there are to look at."""
    runs = page.table()
    done = runs[runs["status"] == "done"]
    where = f"{count(done['dataset'].nunique(), 'data set')} and {count(done['paper'].nunique(), 'paper')}"
    return (
        [f"{count(len(done), 'network')} on {where}, each with its learning curves and its record."]
        if len(done)
        else []
    )


def rules(page: "Page") -> list[str]:
    """How often a paper's claims are decided wrongly."""
    from netpress.book import rules_page

    wrong = [row for _, row in rules_page.table_errors().cells.iterrows()]
    if not wrong:
        return [rules_page.NOT_MEASURED]
    most = max(row["wrong decisions, %"] for row in wrong)
    return [
        f"The chance that any claim of a paper is decided wrongly is {number(most)} % at most. The rules aim at 5 %."
    ]


def settings(page: "Page") -> list[str]:
    """What the records cost."""
    from netpress.book import cost_page

    cells = cost_page.table_cost().cells
    if not len(cells):
        return []
    total = int(cells["networks"].iloc[-1])
    return [
        f"{count(total, 'network')} have a record; they took about {number(cost_page.total_energy(), 2)} kWh.",
        "Settings were chosen on validation images alone, on uncompressed networks but for how long networks are "
        "retrained until they settle, and are the same for every method.",
    ]


def speed(page: "Page") -> list[str]:
    """How much faster the grid is than a plain loop."""
    from netpress.book import benchmark_page

    ratio = benchmark_page.value("triage-grid", "31 networks")
    if ratio is None:
        return [benchmark_page.unmeasured("triage-grid")]
    lines = [f"For the 31 networks of one data set a plain loop takes {number(ratio, 2)} times as long."]
    reached = [row for _, row in benchmark_page.table_bars().cells.iterrows()]
    met = sum(row["reached"] == "yes" for row in reached)
    return [
        *lines,
        f"Of {count(len(reached), 'aim')} {met} {'is' if met == 1 else 'are'} reached; the table says which.",
    ]


def sweeps(page: "Page") -> list[str]:
    """What more workers gain."""
    from netpress.book import sweeps_page

    cells = sweeps_page.table_scaling().cells
    if not len(cells):
        return [sweeps_page.conditions()]
    best = max((row for _, row in cells.iterrows()), key=lambda row: row["speed-up"])
    return [
        f"A sweep that is stopped, killed or run twice loses seconds. With {best['workers']} workers it was "
        f"{number(best['speed-up'], 2)} times as fast as with one."
    ]


def data(page: "Page") -> list[str]:
    """Which data sets the shown editions use."""
    used = {run.dataset for run in page.runs}
    return [f"The pages show {count(len(used), 'data set')}; every file is checked by its digest before it is parsed."]


PAGES: Mapping[str, Callable[["Page"], list[str]]] = {
    "index": headlines, "together/scoreboard": scoreboard, "together/shrink": shrink, "together/explorer": explorer,
    "appendix/rules": rules, "appendix/settings": settings, "appendix/speed": speed, "appendix/sweeps": sweeps,
    "appendix/data": data,
}  # fmt: skip
