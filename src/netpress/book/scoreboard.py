"""The scoreboard: all claims of the papers with their verdicts, linked to their evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from netpress import editions, papers
from netpress.book import best_edition, evidence_links
from netpress.book.html import Html
from netpress.papers.together.answers import ANSWERS
from netpress.report.claims import MEANS, NOT_RUN, VERDICTS, Verdict, spoken
from netpress.report.tables import Link, Table, Tag, Whole, listing, number

if TYPE_CHECKING:
    from netpress.book.page import Page

BY_PILOT = "in the pilot, by the first rules"
SIGNS = dict(zip(VERDICTS, ("\N{CHECK MARK}", "\N{BALLOT X}", "\N{ALMOST EQUAL TO}", "?", "\N{EN DASH}"), strict=True))


@dataclass(frozen=True)
class Scoreboard:
    """The verdicts of a page's papers, paper by paper, in the page's editions."""

    page: "Page"

    @cached_property
    def verdicts(self) -> dict[str, list[Verdict]]:
        """Paper -> its verdicts."""
        return {paper: papers.verdicts(paper, edition) for paper, edition in self.page.editions.items()}

    @cached_property
    def pilot(self) -> dict[str, dict[str, Any]]:
        """Claim -> what the first version of the rules said of the pilot's seeds."""
        found = (papers.pilot_verdicts(paper, edition) for paper, edition in self.page.editions.items())
        return {name: verdict for each in found for name, verdict in each.items()}

    def pilot_word(self, verdict: Verdict) -> Tag | str:
        """The pilot's verdict on a claim, for a cell."""
        known = self.pilot.get(verdict.claim.id)
        return Tag(known["verdict"]) if known else "–"

    @property
    def all(self) -> list[Verdict]:
        """The verdicts of all papers, in order."""
        return [verdict for verdicts in self.verdicts.values() for verdict in verdicts]

    def count(self, word: str) -> int:
        """How many claims have this verdict."""
        return sum(verdict.verdict == word for verdict in self.all)

    def to(self, address: str) -> str:
        """An address of the site as seen from the page."""
        return "../" * self.page.chapter.count("/") + address

    @cached_property
    def addresses(self) -> dict[str, dict[str, str]]:
        """Paper -> what its chapters show, and where."""
        return {paper: evidence_links.links(paper) for paper in self.verdicts}

    def evidence(self, verdict: Verdict) -> dict[str, str]:
        """What a verdict rests on -> its address; the page of verdicts where that is shown nowhere."""
        known = self.addresses[verdict.claim.paper]
        found = {name: self.to(known[name]) for name in verdict.claim.rests_on if name in known}
        return found or ({"verdicts": self.to(known[""])} if "" in known else {})

    # what pages show

    def glance(self) -> Html:
        """Every claim as a sign, one row a paper: the answer at a glance."""
        rows = "".join(self._row(paper, verdicts) for paper, verdicts in self.verdicts.items())
        keys = "".join(f"<li>{sign(word)} {escape(word)}: {escape(MEANS[word])}</li>" for word in VERDICTS)
        if any(v.verdict == NOT_RUN and v.claim.id in self.pilot for v in self.all):
            keys += f"<li>dashed: {escape(BY_PILOT)}; its fresh seeds are not all run yet</li>"
        text = "\n".join(f"{v.claim.id} {self.word_and_text(v)[1]}" for v in self.all)
        return Html(f'<div class="np-glance">{rows}<ul class="np-glance-keys">{keys}</ul></div>', text)

    def _row(self, paper: str, verdicts: Sequence[Verdict]) -> str:
        known = papers.get(paper)
        signs = "".join(
            f'<li><a class="np-sign np-{slug(word)}{pilot}" href="{escape(self.to(card(v)))}" '
            f'title="{escape(v.claim.statement)}"><span aria-hidden="true">{SIGNS[word]}</span> '
            f"{escape(v.claim.id)}"
            f'<span class="np-unseen"> {escape(spoken_word)}</span></a></li>'
            for v in verdicts
            for word, spoken_word in [self.word_and_text(v)]
            for pilot in [" np-by-pilot" if word != v.verdict else ""]
        )
        source = escape(f"{known.source}; edition {self.page.editions[paper]}")
        return (
            f'<div class="np-glance-paper"><p><b>{escape(known.title)}</b><br><span>{source}</span></p>'
            f"<ul>{signs}</ul></div>"
        )

    def word_and_text(self, verdict: Verdict) -> tuple[str, str]:
        """The verdict on fresh seeds, or the pilot's as long as these are not all run; and how to say it."""
        known = self.pilot.get(verdict.claim.id)
        if verdict.verdict != NOT_RUN or known is None:
            return verdict.verdict, verdict.verdict
        return known["verdict"], f"{known['verdict']} {BY_PILOT}"

    def short(self, paper: str) -> Table:
        """The claims of a paper with their verdicts, linked to the evidence."""
        rows = [
            {
                "claim": Link(v.claim.id, self.to(card(v))),
                "pilot": self.pilot_word(v),
                "fresh seeds": Tag(v.verdict),
                "statement": v.claim.statement,
            }
            | {"evidence": self._linked(v)}
            for v in self.verdicts.get(paper, [])
        ]
        edition = self.page.editions[paper]
        return listing(rows, f"The claims of {papers.get(paper).title}, edition {edition}.")

    def answers(self) -> Table:
        """What every approach costs or brings in points of accuracy, linked to the rest of it."""
        runs = {paper: papers.runs_frame(paper, edition) for paper, edition in self.page.editions.items()}
        rows = [
            {
                "paper": Link(answer.paper, self.to(self.addresses[answer.paper][answer.shown])),
                "points": answer.found(runs[answer.paper]), "of one over the other": answer.what,
            }
            for answer in ANSWERS if answer.paper in runs
        ]  # fmt: skip
        caption = "What each approach brings, in points of test accuracy; what is below 0 is lost."
        note = (
            "Differences within seeds, averaged over the data sets with both, with 95 % intervals over seeds. The "
            "best epoch's in the first two papers, as these report it, the last one's in the third. Sizes, not tests. "
            f"Editions: {', '.join(f'{paper} {edition}' for paper, edition in self.page.editions.items())}."
        )
        return listing(rows, caption, note)

    def _linked(self, verdict: Verdict) -> Link | str:
        for name, address in self.evidence(verdict).items():
            return Link(name.replace("_", " "), address)
        return ""

    def table(self) -> Table:
        """All claims, one row each: verdict, effect with interval, n, edition."""
        rows = [
            {
                "claim": Link(v.claim.id, f"#{anchor(v)}"), "pilot": self.pilot_word(v), "fresh seeds": Tag(v.verdict),
                "statement": v.claim.statement, "effect": Whole(v.effect), "n": v.n if v.result.n else None,
            }
            for v in self.all
        ]  # fmt: skip
        note = (
            "Pilot: the first rules on seeds 0 to 2, on which the second rules and the numbers of fresh seeds were "
            "chosen. Effects are those on fresh seeds, with the interval that decides. The cards have the rest."
        )
        return listing(rows, "Every claim of the papers.", note)

    def cards(self, paper: str) -> Html:
        """One card a claim: all that is to be known of it."""
        verdicts = self.verdicts.get(paper, [])
        text = "\n".join(f"{v.claim.id} {spoken(v)}" for v in verdicts)
        return Html("".join(self._card(v) for v in verdicts) or "<p>No claims yet.</p>", text)

    def _card(self, v: Verdict) -> str:
        claim, edition, r = v.claim, self.page.editions[v.claim.paper], v.result
        links = ", ".join(
            f'<a href="{escape(to)}">{escape(name.replace("_", " "))}</a>' for name, to in self.evidence(v).items()
        )
        decided_by = f"decided by: {r.decided_by}" if r.decided_by else ""
        p = f"p (Holm) {p_text(v)}" if p_text(v) else ""
        found = [v.effect, f"n = {v.n}" if r.n else "", p, decided_by, r.note]
        facts = {
            "Made in": escape(claim.where), "Compared": escape(claim.compares), "Edition": escape(edition),
            "Found": escape("; ".join(part for part in found if part)),
            "Pilot, first rules": escape(pilot_text(self.pilot.get(claim.id))),
            "Seeds that would decide": v.seeds, "Evidence": links,
            "Command": f"<code>{escape(self.command(v))}</code>",
        }  # fmt: skip
        items = "".join(f"<dt>{name}</dt><dd>{fact}</dd>" for name, fact in facts.items() if fact)
        rule = f"<details><summary>How it is decided</summary><p>{escape(claim.rule)}</p></details>"
        head = f'<p class="np-box-title">{escape(claim.id)} {tag_html(v.verdict)} {escape(claim.statement)}</p>'
        return f'<div class="np-box np-claim" id="{anchor(v)}">{head}<dl>{items}</dl>{rule}</div>'

    def command(self, verdict: Verdict) -> str:
        """What makes the page with the evidence anew; where there is none, what prints the verdicts."""
        paper, edition = verdict.claim.paper, self.page.editions[verdict.claim.paper]
        known = self.addresses[paper]
        chapters = [known[name].partition(".")[0] for name in verdict.claim.rests_on if name in known]
        if not chapters:
            return f"netpress claims --edition {edition}"
        return f"papermill chapters/{chapters[0]}.ipynb out.ipynb -k python3 -p edition {edition}"

    def by_edition(self) -> Table:
        """The verdict on every claim in every edition that has records of its paper."""
        held = {paper: [e for e in editions.EDITIONS if best_edition.have(paper, e)[0]] for paper in self.verdicts}
        shown = [e for e in editions.EDITIONS if any(e in names for names in held.values())]
        found = {(p, e): {v.claim.id: v for v in papers.verdicts(p, e)} for p, names in held.items() for e in names}
        rows: list[dict[str, Any]] = [
            {"claim": v.claim.id} | {e: in_cell(found.get((v.claim.paper, e), {}).get(v.claim.id)) for e in shown}
            for v in self.all
        ]
        return listing(rows, "Verdicts by edition, from the smallest scale to the largest.")


def pilot_text(verdict: dict[str, Any] | None) -> str:
    """What the pilot said of a claim: "undecided (−2.24 points, n = 3)"."""
    if verdict is None:
        return ""
    effect = "" if verdict["effect"] is None else f"{number(verdict['effect'], 2)} {verdict['unit']}, "
    return f"{verdict['verdict']} ({effect}n = {verdict['n']})"


def anchor(verdict: Verdict) -> str:
    """The id of a claim's card."""
    return f"claim-{verdict.claim.id}"


def card(verdict: Verdict) -> str:
    """The address of a claim's card."""
    return f"together/scoreboard.html#{anchor(verdict)}"


def in_cell(verdict: Verdict | None) -> Tag | str:
    """A verdict in a cell; a dash where the edition has none."""
    return Tag(verdict.verdict) if verdict else "–"


def p_text(verdict: Verdict) -> str | None:
    """The corrected p of a verdict as text, None where there is none."""
    return None if verdict.p is None else "below 0.001" if verdict.p < 0.001 else number(verdict.p, 3)


def slug(word: str) -> str:
    """A verdict as part of a CSS class: "not run" -> "not-run"."""
    return word.replace(" ", "-")


def sign(word: str) -> str:
    """The sign of a verdict as HTML, hidden from screen readers."""
    return f'<span class="np-sign np-{slug(word)}" aria-hidden="true">{SIGNS[word]}</span>'


def tag_html(word: str) -> str:
    """A verdict as a coloured tag."""
    return f'<span class="np-tag np-{slug(word)}">{escape(word)}</span>'
