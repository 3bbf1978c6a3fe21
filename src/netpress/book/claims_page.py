"""What came of the claims: a row each, with its verdict in words, its effect on a strip, and what it rests on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from netpress import env, papers
from netpress.book.glue import Html
from netpress.report.claims import DECIDED
from netpress.report.sentences import held
from netpress.report.tables import number

if TYPE_CHECKING:
    from netpress.book.page import Page
    from netpress.report.claims import Verdict

ADDRESS = "together/claims.html"  # of the page that has a row for every claim
CENTRAL = ("T1", "T2a", "T8", "P4a", "P5a", "P2", "K1", "K6", "K3a")  # three of each paper
WIDE, HIGH = 300.0, 22.0  # of a strip
# in a notebook: ```{glue-figure} figure_2, and in the next line :name: fig-triage-figure-2
SHOWN = re.compile(r"^```\{glue-(?:figure|table)\} *(\S+)\n:name: *(\S+)", re.MULTILINE)


def verdicts(page: Page) -> dict[str, Verdict]:
    """Claim -> the verdict on it in the edition that `page` shows of its paper, in the order of the papers."""
    found = (verdict for paper, edition in page.editions.items() for verdict in papers.verdicts(paper, edition))
    return {verdict.claim.id: verdict for verdict in found}


def board(page: Page, claims: Sequence[str], facts: bool = False) -> Html:
    """The rows of `claims`; with `facts` each opens and says what it rests on, else it leads there."""
    known = verdicts(page)
    chosen = [known[name] for name in claims if name in known]
    rows = "".join(row(page, verdict, facts) for verdict in chosen)
    text = "\n".join(f"{v.claim.statement} {held(v).capitalize()}. {effect(v)}" for v in chosen)
    return Html(f'<div class="np-board">{rows or "<p>No claim is judged yet.</p>"}</div>', text)


def row(page: Page, verdict: Verdict, facts: bool) -> str:
    """One claim: its sentence, its verdict, its strip."""
    anchor, kind = f"claim-{verdict.claim.id}", verdict.verdict.replace(" ", "-")
    head = (
        f'<span class="np-board-claim">{escape(verdict.claim.statement)}</span>'
        f'<span class="np-board-said"><b class="np-tag np-{kind}">{escape(held(verdict))}</b> '
        f"<small>{escape(effect(verdict))}</small>{why(verdict)}</span>{strip(verdict)}"
    )
    if not facts:
        return f'<a class="np-board-row" href="{to(page, ADDRESS)}#{anchor}">{head}</a>'
    items = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in told(page, verdict).items() if text)
    return f'<details class="np-board-row"><summary>{head}</summary><dl id="{anchor}">{items}</dl></details>'


def why(verdict: Verdict) -> str:
    """Why a claim is not decided, where that is known."""
    return f"<small>{escape(verdict.reason)}</small>" if verdict.verdict not in DECIDED and verdict.reason else ""


def to(page: Page, address: str) -> str:
    """An address of the site as seen from `page`."""
    return "../" * page.chapter.count("/") + address


def told(page: Page, verdict: Verdict) -> dict[str, str]:
    """What a row says when it is opened, as HTML."""
    claim, edition = verdict.claim, page.editions[verdict.claim.paper]
    cells = "" if verdict.cells is None else "{} of {}".format(*verdict.cells)
    printed = "" if claim.own is None else "{} of {}".format(*claim.own())
    p = "" if verdict.p is None else "below 0.001" if verdict.p < 0.001 else f"{verdict.p:.3f}"
    places = evidence(claim.paper)
    links = [(name, to(page, places[name])) for name in claim.rests_on if name in places]
    chapter = next((places[n].partition(".")[0] for n in claim.rests_on if n in places), "together/claims")
    return {
        "Code": claim.id,
        "In the paper": escape(claim.where),
        "Why": escape(verdict.reason),
        "Compared": escape(claim.compares),
        "Decided by": escape(verdict.part),
        "Seeds": f"{verdict.n}{', known before the rule was stated: provisional' if verdict.provisional else ''}",
        "Cells on its side": cells,
        "In the paper's own numbers": printed,
        "p, corrected": p,
        "Rule": escape(claim.rule),
        "Noticed": escape(claim.noticed),
        "Shown in": ", ".join(f'<a class="np-ref" href="{escape(href)}">{escape(name)}</a>' for name, href in links),
        "Records": f"<code>netpress results {claim.paper} --edition {edition} --format csv</code>",
        "Again": f"<code>papermill chapters/{chapter}.ipynb out.ipynb -k python3 -p edition {edition}</code>",
    }


def effect(verdict: Verdict) -> str:
    """The effect with its interval, signed alike: "−2.0 points (−2.4 to −1.5), n = 4"."""
    if verdict.effect is None or not math.isfinite(verdict.effect):
        return ""
    sign = verdict.unit not in ("times",)
    texts = [number(v, 1 if verdict.unit in ("points", "epochs", "times") else 2, sign) for v in
             (verdict.effect, verdict.low, verdict.high) if v is not None]  # fmt: skip
    bounds = f" ({texts[1]} to {texts[2]})" if len(texts) == 3 else ""
    seeds = f", n = {verdict.n}" if isinstance(verdict.n, int) else ""
    return f"{texts[0]} {verdict.unit}{bounds}{seeds}"


def strip(verdict: Verdict) -> str:
    """The effect as a dot, its interval as a line, a mark at no effect; shaded: where the claim holds."""
    if verdict.effect is None or not math.isfinite(verdict.effect):
        return "<span></span>"
    none = 1.0 if verdict.unit == "times" else 0.0
    edges = [edge for edge in verdict.holds if edge is not None]
    values = [v for v in (verdict.effect, verdict.low, verdict.high, none, *edges) if v is not None]
    low, high = min(values), max(values)
    room = 0.15 * (high - low) or 1.0

    def x(value: float) -> float:
        return WIDE * (value - low + room) / (high - low + 2 * room)

    left, right = (at if edge is None else x(edge) for edge, at in zip(verdict.holds, (0.0, WIDE), strict=True))
    marks = [f'<line class="np-board-none" x1="{x(none):.1f}" x2="{x(none):.1f}" y1="0" y2="{HIGH:g}"/>']
    if edges:
        marks.insert(0, f'<rect class="np-board-holds" x="{left:.1f}" width="{right - left:.1f}" height="{HIGH:g}"/>')
    if verdict.low is not None and verdict.high is not None:
        ends = f'x1="{x(verdict.low):.1f}" x2="{x(verdict.high):.1f}" y1="{HIGH / 2:g}" y2="{HIGH / 2:g}"'
        marks.append(f'<line class="np-board-bar" {ends}/>')
    marks.append(f'<circle class="np-board-dot" cx="{x(verdict.effect):.1f}" cy="{HIGH / 2:g}" r="5"/>')
    return f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" aria-hidden="true">{"".join(marks)}</svg>'


def evidence(paper: str) -> dict[str, str]:
    """Glued name -> the address of its figure or table, such as "triage/result.html#fig-triage-heat"."""
    found: dict[str, str] = {}
    for file in sorted((env.root() / "chapters" / paper).glob("*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        found |= {name: f"{paper}/{file.stem}.html#{label}" for name, label in SHOWN.findall(text)}
    return found
