"""The scoreboard: all claims of the papers with their verdicts, linked to their evidence."""

from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from netpress import editions, papers
from netpress.book import best_edition, evidence_links
from netpress.book.forest import Place, forest
from netpress.book.html import Html
from netpress.papers.together.answers import ANSWERS
from netpress.report.boards import effect, own_text, p_text, scoreboard, spoken, tag
from netpress.report.claims import MEANS, VERDICTS, Claim, Verdict
from netpress.report.findings import BY_PILOT, Finding, finding, of_pilot
from netpress.report.tables import Link, Table, Tag, listing
from netpress.report.tables import tag as tag_html

if TYPE_CHECKING:
    from netpress.book.page import Page

CARDS = "together/scoreboard.html"  # the page that has a card for every claim
BY_RULES = "the pilot's, by the first rules: the fresh seeds that decide are not all run yet"


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

    @property
    def all(self) -> list[Verdict]:
        """The verdicts of all papers, in order."""
        return [verdict for verdicts in self.verdicts.values() for verdict in verdicts]

    @cached_property
    def findings(self) -> list[Finding]:
        """What is shown of every claim: the verdict on fresh seeds, or the pilot's as long as these are not all run."""
        return [finding(verdict, self.pilot.get(verdict.claim.id)) for verdict in self.all]

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

    def forest(self) -> Html:
        """Every claim's effect with its interval and where the claim would hold; each row leads to the claim's card."""
        titles = {paper: papers.get(paper).title for paper in self.verdicts}
        places = {v.claim.id: Place(self.to(card(v)), titles[v.claim.paper]) for v in self.all}
        keys = "".join(f"<li>{tag_html(Tag(word))} {escape(MEANS[word])}</li>" for word in self.words)
        keys += f"<li>{tag_html(Tag('verdict', BY_PILOT))} {escape(BY_RULES)}</li>" if self.by_pilot else ""
        read = (
            "<p>Dot and line: the effect that decides, with its interval; hollow where it is the pilot's; an arrow "
            "where it lies further out. Shaded: where the claim would hold.</p>"
        )
        text = "\n".join(f"{f.claim.id} {spoken(f)}" for f in self.findings)
        html = f'{forest(self.findings, places)}<div class="np-forest-keys">{read}<ul>{keys}</ul></div>'
        return Html(html, text)

    @property
    def words(self) -> list[str]:
        """The verdicts that are shown."""
        return [word for word in VERDICTS if any(found.verdict == word for found in self.findings)]

    @property
    def by_pilot(self) -> bool:
        """Whether the pilot's verdict is shown of any claim."""
        return any(found.by for found in self.findings)

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

    def table(self) -> Table:
        """All claims, one row each: verdict, statement, effect, p."""
        pilot = self.pilot
        return scoreboard(self.all, pilot, "Every claim of the papers.", cards=self.to(CARDS))

    def cards(self, paper: str) -> Html:
        """One card a claim: all that is to be known of it."""
        found = [f for f in self.findings if f.claim.paper == paper]
        verdicts = self.verdicts.get(paper, [])
        text = "\n".join(f"{f.claim.id} {spoken(f)}" for f in found)
        cards = "".join(self._card(f, v) for f, v in zip(found, verdicts, strict=True))
        return Html(cards or "<p>No claims yet.</p>", text)

    def _card(self, f: Finding, v: Verdict) -> str:
        claim = f.claim
        links = ", ".join(
            f'<a class="np-ref" href="{escape(to)}">{escape(name.replace("_", " "))}</a>'
            for name, to in self.evidence(v).items()
        )
        p = f"p (Holm) {p_text(v)}" if p_text(v) and not f.by else ""
        found = [effect(f), p, f"decided by: {f.where}" if f.where else "", "" if f.by else v.notes]
        facts = {
            "Made in": escape(claim.where), "Compared": escape(claim.compares),
            "Edition": escape(self.page.editions[claim.paper]),
            "Found": escape("; ".join(part for part in found if part)),
            "Fresh seeds": escape(v.result.note) if f.by else "",
            "In the paper's own numbers": escape(own_text(claim)),
            "Pilot, first rules": escape(pilot_text(claim, self.pilot.get(claim.id))) if not f.by else "",
            "Seeds that would decide": v.seeds, "Evidence": links,
            "Command": f"<code>{escape(self.command(v))}</code>",
        }  # fmt: skip
        items = "".join(f"<dt>{name}</dt><dd>{fact}</dd>" for name, fact in facts.items() if fact)
        rule = f"<details><summary>The exact rule</summary><p>{escape(claim.rule)}</p></details>"
        own = f' <a class="np-permalink" href="#{anchor(v)}" title="The address of this card">Link</a>'
        head = f'<p class="np-box-title">{escape(claim.id)} {tag_html(tag(f))} {escape(claim.statement)}{own}</p>'
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
        """The verdict on every claim in every edition that has records of its paper, with its pilot's beside it."""
        held = {paper: [e for e in editions.EDITIONS if best_edition.have(paper, e)[0]] for paper in self.verdicts}
        columns: dict[str, dict[str, Finding]] = {}
        for edition in editions.EDITIONS:
            for paper in (paper for paper, names in held.items() if edition in names):
                verdicts, pilot = papers.verdicts(paper, edition), papers.pilot_verdicts(paper, edition)
                old = {v.claim.id: of_pilot(v.claim, pilot[v.claim.id]) for v in verdicts if v.claim.id in pilot}
                if old:
                    columns.setdefault(f"{edition}, pilot", {}).update(old)
                columns.setdefault(edition, {}).update({v.claim.id: finding(v) for v in verdicts})
        rows: list[dict[str, Any]] = [
            {"claim": v.claim.id} | {name: in_cell(found.get(v.claim.id)) for name, found in columns.items()}
            for v in self.all
        ]
        note = "Pilot: what the first rules said of seeds 0 to 2; beside it, what today's rules say of fresh seeds."
        piloted = any(name.endswith("pilot") for name in columns)
        return listing(rows, "Verdicts by edition, from the smallest scale to the largest.", note if piloted else "")


def pilot_text(claim: Claim, old: dict[str, Any] | None) -> str:
    """What the pilot said of a claim: "undecided (2.2 points below the parent; n = 3)"."""
    return spoken(replace(of_pilot(claim, old), by="")) if old else ""


def anchor(verdict: Verdict) -> str:
    """The id of a claim's card."""
    return f"claim-{verdict.claim.id}"


def card(verdict: Verdict) -> str:
    """The address of a claim's card."""
    return f"{CARDS}#{anchor(verdict)}"


def in_cell(found: Finding | None) -> Tag | str:
    """A verdict in a cell; a dash where the edition has none."""
    return Tag(found.verdict) if found else "–"
