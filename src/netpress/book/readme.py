"""The results in README.md: one figure, one finding a paper, all from the committed records.

python -m netpress.book.readme      writes the section between the marks anew
"""

import re

from netpress import env, errors, papers
from netpress.book import pages
from netpress.editions import COMMITTED
from netpress.errors import UserError
from netpress.files import write_atomic
from netpress.report.sentences import held

BEGIN, END = "<!-- results: written by `python -m netpress.book.readme` -->", "<!-- /results -->"
MARKED = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
FIGURE = "docs/results.svg"
TOLD = ("T1", "P4a", "K6")  # a claim of each paper
ON_PAPER = "color:#1f2328;background:#ffffff;"  # a picture of its own does not follow the reader's theme


def section(edition: str = COMMITTED[0]) -> str:
    """The section of the README, its marks included."""
    verdicts = [verdict for paper in papers.PAPERS for verdict in papers.verdicts(paper, edition)]
    lines = [
        f"- *{papers.get(v.claim.paper).title}*: “{v.claim.statement}” **{held(v).capitalize()}**: {pages.effect(v)}."
        for v in verdicts
        if v.claim.id in TOLD
    ]
    words = [held(verdict) for verdict in verdicts]
    counted = (
        f"{words.count('held here')} of {len(words)} claims held here, {words.count('did not hold here')} did not."
    )
    if any(verdict.provisional for verdict in verdicts):
        counted += " All are provisional: the seeds that decide by the rules in force are not run yet."
    return "\n".join([BEGIN, "", f"![What each trick costs]({FIGURE})", "", *lines, "", counted, "", END])


def picture(edition: str = COMMITTED[0]) -> str:
    """The figure as a file of its own: times smaller against points lost."""
    from netpress.papers import together

    drawn = together.tradeoff(together.networks(dict.fromkeys(papers.PAPERS, edition)), "bytes").svg
    return drawn.replace('style="', f'style="{ON_PAPER}', 1) + "\n"


def main() -> None:
    """Write README.md and its figure: each is whole, whenever this is stopped."""
    readme, figure = env.root() / "README.md", env.root() / FIGURE
    with errors.stoppable("the same command goes on from there"):
        text, drawn = readme.read_text(encoding="utf-8"), picture()
        if not MARKED.search(text):
            raise UserError(f"README.md lacks the marks {BEGIN} and {END}: put them where the results belong.")
        write_atomic(readme, MARKED.sub(lambda _: section(), text).encode())
        write_atomic(figure, drawn.encode())


if __name__ == "__main__":
    errors.run(main)
