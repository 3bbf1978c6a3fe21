"""The results in README.md: one table, one figure, one finding a paper, all from the committed records.

    python -m netpress.book.readme      writes the section between the marks anew

The demo edition is left out: its records are made on the reader's own machine.
"""

import re

from netpress import ends, papers, paths
from netpress.atomic import write_atomic
from netpress.book import best_edition
from netpress.editions import COMMITTED
from netpress.errors import UserError
from netpress.report import findings
from netpress.report.claims import DECIDED, NOT_RUN, VERDICTS

BEGIN, END = "<!-- results: written by `python -m netpress.book.readme` -->", "<!-- /results -->"
MARKED = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
FIGURE = "docs/results.svg"
ON_PAPER = "color:#1f2328;background:#ffffff;"  # a picture of its own does not follow the reader's theme


def shown() -> dict[str, str]:
    """Paper -> its best complete committed edition, "" where there is none."""
    return {paper: best_edition.best(paper, COMMITTED, "") for paper in papers.PAPERS}


def section(editions: dict[str, str]) -> str:
    """The section of the README, its marks included."""
    lines = [
        BEGIN, "",
        " | ".join(["| paper", "edition", "judged", *VERDICTS]) + " |", "|---|---|---|" + "---|" * len(VERDICTS),
        *(line for paper, edition in editions.items() for line in rows(paper, edition)), "",
    ]  # fmt: skip
    if any(editions.values()):
        lines += [f"![{alternative(editions)}]({FIGURE})", ""]
    lines += [finding(paper, edition) for paper, edition in editions.items()]
    return "\n".join([*lines, "", END])


def rows(paper: str, edition: str) -> list[str]:
    """How many claims of a paper have which verdict: on fresh seeds, and in the pilot by its own rules."""
    if not edition:
        return [row(paper, NOT_RUN, "", [])]
    pilot = {v["id"]: v["verdict"] for v in papers.pilot_verdicts(paper, edition).values()}
    found = [row(paper, edition, "fresh seeds", [verdict.verdict for verdict in papers.verdicts(paper, edition)])]
    return [*found, row(paper, edition, "pilot, first rules", list(pilot.values()))] if pilot else found


def row(paper: str, edition: str, judged: str, words: list[str]) -> str:
    """One line of the table."""
    counts = [str(words.count(word)) if words else "–" for word in VERDICTS]
    return " | ".join([f"| {papers.get(paper).title}", edition, judged, *counts]) + " |"


def finding(paper: str, edition: str) -> str:
    """One claim of a paper that is decided on fresh seeds, and how; where none is yet, that."""
    if not edition:
        return f"- **{papers.get(paper).title}**: not run yet on real images (`netpress run {paper} --edition small`)."
    known = {verdict.claim.id: verdict for verdict in papers.verdicts(paper, edition)}
    decided = [known[name] for name in papers.get(paper).headline if name in known and known[name].verdict in DECIDED]
    if not decided:
        return (
            f"- **{papers.get(paper).title}**: no claim is decided yet. The pilot's verdicts are on the scoreboard; "
            "the fresh seeds that decide are not all run."
        )
    chosen = decided[0]
    size = "counted" if chosen.n == "exact" else f"{chosen.n} fresh seeds"
    effect_found = findings.finding(chosen)
    effect = f": {effect_found.words}" if effect_found.words else ""
    first, _, _ = chosen.claim.noticed.partition("; ")
    noticed = f" {first[0].upper()}{first[1:]}." if first else ""
    facts = [effect_found.interval, chosen.result.note, size, f"claim {chosen.claim.id}", f"edition {edition}"]
    return (
        f"- **{papers.get(paper).title}** says: “{chosen.claim.statement}” **{chosen.verdict.capitalize()}**{effect} "
        f"({'; '.join(fact for fact in facts if fact)}).{noticed}"
    )


def picture(editions: dict[str, str]) -> str:
    """The figure as a file of its own: all networks, weights against accuracy."""
    from netpress.papers import together
    from netpress.papers.together import figures

    known = {paper: edition for paper, edition in editions.items() if edition}
    drawn = figures.figure_size(together.networks(known)).svg
    return drawn.replace('style="', f'style="{ON_PAPER}', 1) + "\n"


def alternative(editions: dict[str, str]) -> str:
    """The figure's alternative text."""
    names = ", ".join(sorted({edition for edition in editions.values() if edition}))
    return f"Weights against accuracy of all networks on the same images, with what no other beats (edition {names})"


def written(text: str) -> str:
    """The README with its section made anew; UserError where the marks are missing."""
    if not MARKED.search(text):
        raise UserError(f"README.md lacks the marks {BEGIN} and {END}: put them where the results belong.")
    return MARKED.sub(lambda _: section(shown()), text)


def main() -> None:
    """Write README.md and its figure: each is whole, whenever this is stopped."""
    readme, figure = paths.root() / "README.md", paths.root() / FIGURE
    with ends.stoppable("the same command goes on from there"):
        text, drawn = written(readme.read_text(encoding="utf-8")), picture(shown()) if any(shown().values()) else ""
        write_atomic(readme, text.encode())
        if drawn:
            write_atomic(figure, drawn.encode())
        else:
            figure.unlink(missing_ok=True)


if __name__ == "__main__":
    ends.run(main)
