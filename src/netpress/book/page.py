"""What a chapter makes of its parameters, and all that it shows with: `page = start("triage/result", ...)`."""

import shlex
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from netpress.book import glue, parameters
from netpress.book.glue import Html
from netpress.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from netpress.book.live import Live
    from netpress.report.claims import Verdict
    from netpress.runs.run import Run

EXPECTED = {
    "edition": 'an edition in quotes, such as "demo"',
    "dataset": 'the name of a data set in quotes, or "all"',
    "seeds": "a list of whole numbers such as [0, 1], or [] for all (papermill: -y 'seeds: [0, 1]')",
    "run_missing": "True or False (papermill: -p run_missing True)",
}


class Page(BaseModel):
    """The checked parameters of a chapter: made once, in its second cell.

    chapter: the notebook's path under chapters/, without its ending. edition, dataset, seeds: what the page shows; the
    edition "best" of a chapter on all papers is the best complete one of each.
    run_missing: whether `records` trains the runs that have no record yet.

    Raises UserError, naming the parameter and the nearest right value, for unknown names (those that papermill has
    put into this kernel included), wrong types, and values that the chapter's paper and edition do not have.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    chapter: str
    edition: str
    dataset: str = "all"
    seeds: list[int] = []
    run_missing: bool = True

    def __init__(self, **given: Any):
        fields = list(type(self).model_fields)
        parameters.check_names(given, fields)
        parameters.check_names(parameters.injected(), [name for name in fields if name != "chapter"])
        if isinstance(edition := given.get("edition"), str):
            with suppress(UserError):  # what is wrong with it is told below
                given["edition"] = parameters.proper_edition(edition, str(given.get("chapter")))
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise UserError(explained(error)) from None

    @model_validator(mode="after")
    def _exists(self) -> "Page":
        """Values that the chapter's paper and edition have."""
        checked("edition", self.edition, lambda: parameters.proper_edition(self.edition, self.chapter))
        checked("dataset", self.dataset, lambda: parameters.check_dataset(self.dataset, self.edition, self.chapter))
        checked("seeds", self.seeds, lambda: parameters.check_seeds(self.seeds))
        return self

    # what the page shows

    @cached_property
    def editions(self) -> dict[str, str]:
        """Paper -> the edition that the page shows of it: the same for all, unless it shows the best of each."""
        return parameters.editions_of(self.edition, parameters.papers_of(self.chapter))

    @cached_property
    def parts(self) -> "dict[str, tuple[Run, ...]]":
        """Edition -> the runs that the page shows of it, needs first."""
        found: dict[str, tuple[Run, ...]] = {}
        for paper, edition in self.editions.items():
            found[edition] = found.get(edition, ()) + parameters.runs(paper, edition, self.dataset, self.seeds)
        return found

    @property
    def runs(self) -> "tuple[Run, ...]":
        """The runs that the page shows, needs first."""
        return tuple(run for runs in self.parts.values() for run in runs)

    def records(self) -> "pd.DataFrame":
        """One row a run; those without a record are trained first where `run_missing` says so.

        Columns as in `netpress.runs.records.frame`; accuracies are fractions in 0..1. Raises UserError where there
        is nothing to show.
        """
        if self.run_missing:
            self._run_missing()
        table = self.table()
        if table["time"].isna().all():
            raise UserError(
                f"No run of edition {self.edition} has a record: run `{self._sweep_command()}` first, "
                "or open this page with run_missing=True."
            )
        return table

    def table(self) -> "pd.DataFrame":
        """Like `records`, but nothing is trained, and it may be empty."""
        import pandas as pd

        from netpress.runs import records

        tables = [records.frame(runs, edition) for edition, runs in self.parts.items()]
        if not tables:
            return pd.DataFrame(columns=["time"])
        return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]

    def history(self) -> "pd.DataFrame":
        """One row an epoch of the runs that have a record: losses, and accuracies as fractions in 0..1."""
        import pandas as pd

        from netpress.runs import records

        histories = [records.history(runs, edition) for edition, runs in self.parts.items()]
        return pd.concat(histories, ignore_index=True) if len(histories) > 1 else histories[0]

    def verdicts(self) -> "list[Verdict]":
        """Every claim of the page's paper: judged on fresh seeds where the edition has any; on the page's runs alone,
        where a data set or seeds were chosen."""
        from netpress import papers

        ((paper, edition),) = self.editions.items()
        if self.dataset == "all" and not self.seeds:
            return papers.verdicts(paper, edition)
        return papers.verdicts_on(self.runs, edition)

    def glue(self, name: str, value: object, form: str = "", caption: str = "") -> None:
        """Keep a number, a sentence, a table or a figure under `name` for the prose.

        A number needs `form`, such as ".1%", and is used as {glue:text}`name`; a missing one (None, nan) reads
        "not run". A figure is used as {glue-figure}, a table as {glue-table}: with the caption that the object has,
        or `caption`. All are also displayed, so that the notebook shows them where they are made.
        """
        glue.glue(name, value, form, caption)

    def say(self, text: str, **values: object) -> None:
        """Show a sentence in Markdown, in a notebook and on the site alike: its {name:.1f} are filled with `values`.

        Formats are Python's; a missing value (None, nan) reads "not run". Roles of MyST need doubled braces.
        """
        glue.say(text, **values)

    @cached_property
    def live(self) -> "Live":
        """What the page trains while its reader looks on: `page.live.compare(run, run.with_stage(...))`."""
        from netpress.book.live import Live

        return Live(self.editions, self.run_missing)

    def made_with(self) -> Html:
        """What a page ends with, folded: where its numbers come from, and the exact command that remakes it."""
        from netpress.book.made_with import made_with

        return made_with(self.parts, self.table(), self.command())

    def command(self, out: str = "out.ipynb") -> str:
        """The papermill command that remakes this page, to be typed in the project's folder."""
        words = ["papermill", f"chapters/{self.chapter}.ipynb", out, "-k", "python3", "-p", "edition", self.edition]
        if self.dataset != "all":
            words += ["-p", "dataset", self.dataset]
        if self.seeds:
            words += ["-y", f"seeds: {self.seeds}"]
        return shlex.join(words)

    def _run_missing(self) -> None:
        from netpress import papers
        from netpress.runs import sweep

        for edition in dict.fromkeys(self.editions.values()):
            shown = [paper for paper, other in self.editions.items() if other == edition]
            papers.check_changes(edition, partial(papers.grids, shown))
        for edition, runs in self.parts.items():
            sweep.ensure(runs, edition)

    def _sweep_command(self) -> str:
        papers = parameters.papers_of(self.chapter)
        edition = parameters.DEMO if self.edition == parameters.BEST else self.edition
        words = ["netpress", "run", papers[0] if len(papers) == 1 else "all", "--edition", edition]
        words += ["--dataset", self.dataset] if self.dataset != "all" else []
        words += ["--seeds", ",".join(map(str, self.seeds))] if self.seeds else []
        return shlex.join(words)


def checked(name: str, value: object, check: Callable[[], object]) -> None:
    """Do a check; its UserError names the parameter and its value."""
    try:
        check()
    except UserError as error:
        raise UserError(f"Parameter {name} = {value!r}: {error}") from None


def explained(error: ValidationError) -> str:
    """The first thing that is wrong, in one sentence."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    if first["type"] == "missing":
        return f"Parameter {name} is missing: {EXPECTED.get(name, 'a value')} is expected."
    reason = f"{EXPECTED[name]} is expected" if name in EXPECTED else first["msg"].replace("Input", "it")
    return f"Parameter {name} = {first['input']!r} is not possible: {reason}."
