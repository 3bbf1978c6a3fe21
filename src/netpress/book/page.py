"""What a chapter makes of its parameters, and all that it shows with: `page = book.Page(chapter="triage/result", ...)`.

A chapter about a network of the reader's own takes a `YourPage`.
"""

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython import display
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from netpress import editions, env, papers, words, yours
from netpress.book import glue, parameters
from netpress.book.glue import Html
from netpress.errors import UserError, known
from netpress.runs import records
from netpress.runs.cost import Spell, spent

if TYPE_CHECKING:
    import pandas as pd

    from netpress.book.live import Live
    from netpress.report.claims import Verdict
    from netpress.runs.run import Run
    from netpress.yours.shrink import Shrunk

EXPECTED = {
    "edition": 'an edition in quotes, such as "demo"',
    "dataset": 'the name of a data set in quotes, or "all"',
    "seeds": "a list of whole numbers such as [0, 1], or [] for all (papermill: -y 'seeds: [0, 1]')",
    "run_missing": "True or False (papermill: -p run_missing True)",
}
NOT_SAID = ("chapter", "run_missing")  # in the command that remakes a page
EPOCHS = {"demo": (12, 3)}  # edition -> epochs of a reader's network without weights, and of a step
LONGER = (24, 6)  # of the others


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
        except ValidationError as error:  # the first thing that is wrong, in one sentence
            first = error.errors()[0]
            name = str(first["loc"][0])
            reason = f"{EXPECTED[name]} is expected" if name in EXPECTED else first["msg"].replace("Input", "it")
            said = "is missing" if first["type"] == "missing" else f"= {first['input']!r} is not possible"
            raise UserError(f"Parameter {name} {said}: {reason}.") from None

    @model_validator(mode="after")
    def _exists(self) -> "Page":
        """Values that the chapter's paper and edition have."""
        name = "edition"
        try:
            parameters.proper_edition(self.edition, self.chapter)
            name = "dataset"
            shown = parameters.editions_of(self.edition, parameters.papers_of(self.chapter)).items()
            of_papers = [(paper, edition) for paper, edition in shown if paper in papers.PAPERS]
            used = sorted({one for paper, edition in of_papers for one in editions.settings(edition, paper).datasets})
            known(self.dataset, ["all", *used], f"data set in edition {self.edition}")
            name = "seeds"
            if len(set(self.seeds)) != len(self.seeds):
                raise UserError("a seed is named twice: name each once.")
            if any(not 0 <= seed < editions.MOST_SEEDS for seed in self.seeds):
                raise UserError(
                    f"a seed is a whole number from 0 to {editions.MOST_SEEDS - 1}: give such numbers alone."
                )
        except UserError as error:
            raise UserError(f"Parameter {name} = {getattr(self, name)!r}: {error}") from None
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
            from netpress.runs import sweep

            for edition in self.parts:
                shown = [paper for paper, other in self.editions.items() if other == edition]
                papers.check_changes(edition, partial(papers.grids, shown))
            for edition, runs in self.parts.items():
                sweep.ensure(runs, edition)
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

        return pd.concat([records.frame(runs, edition) for edition, runs in self.parts.items()], ignore_index=True)

    def history(self) -> "pd.DataFrame":
        """One row an epoch of the runs that have a record: losses, and accuracies as fractions in 0..1."""
        import pandas as pd

        return pd.concat([records.history(runs, edition) for edition, runs in self.parts.items()], ignore_index=True)

    def verdicts(self) -> "list[Verdict]":
        """Every claim of the page's paper: judged on fresh seeds where the edition has any; on the page's runs alone,
        where a data set or seeds were chosen."""
        ((paper, edition),) = self.editions.items()
        if self.dataset == "all" and not self.seeds:
            return papers.verdicts(paper, edition)
        return papers.verdicts_on(self.runs, edition)

    def glue(self, name: str, value: Any, caption: str = "") -> None:
        """Keep a table or a figure under `name` for the prose, and display it, so that the notebook shows it too.

        A figure is used as {glue-figure}, a table as {glue-table}: with the caption that it has, or with `caption`.
        Raises UserError for what is neither.
        """
        if not hasattr(value, "_repr_html_") or not hasattr(value, "to_frame"):
            raise UserError(f"{name!r} is a {type(value).__name__}: a figure or a table is expected.")
        display.display(value, metadata=glue.HERE)
        said = caption or str(getattr(getattr(value, "words", value), "caption", ""))
        frame = value.to_frame()
        csv = frame.to_csv(index=frame.index.name is not None, lineterminator="\n") if len(frame) else ""
        bundle = {"text/html": glue.unframed(value._repr_html_()), "text/plain": said or name}
        about = {
            "scrapbook": {"name": name, "mime_prefix": glue.KEPT},
            "netpress": {"caption": said, "csv": csv},
        }
        display.display({glue.KEPT + mime: text for mime, text in bundle.items()}, raw=True, metadata=about)

    def say(self, text: str, **values: object) -> None:
        """Show a sentence in Markdown, in a notebook and on the site alike: its {name:.1f} are filled with `values`.

        Formats are Python's; a missing value (None, nan) reads "not run". Roles of MyST need doubled braces.
        """
        sentence = glue.Sentence().vformat(text, (), values)
        display.display({"text/markdown": sentence, "text/plain": re.sub(r"\\(.)", r"\1", sentence)}, raw=True)

    @cached_property
    def live(self) -> "Live":
        """What the page trains while its reader looks on: `page.live.compare(run, run.with_stage(...))`."""
        from netpress.book.live import Live

        return Live(self.editions, self.run_missing)

    # what it ends with

    def made_with(self) -> Html:
        """What a page ends with, folded: where its numbers come from, and the exact command that remakes it."""
        rows, command = self.facts(), self.command()
        items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
        box = f'<div class="np-box np-made"><p class="np-box-title">Made with</p><dl>{items}</dl></div>' if rows else ""
        text = "\n".join(["Made with", *(f"  {name}: {value}" for name, value in rows)] if rows else [])
        again = (
            '<div class="np-box np-rerun"><p class="np-box-title">Re-run this page</p>'
            "<p>In the project's folder, with the environment of <code>make book</code> "
            "(<code>source .venv/bin/activate</code>):</p>"
            '<div class="highlight-shell notranslate">'
            f'<div class="highlight"><pre>{escape(command)}</pre></div></div></div>'
        )
        folded = f'<details class="np-foot"><summary>Where these numbers come from</summary>{box}{again}</details>'
        return Html(folded, f"{text}\n\nRe-run this page:\n  {command}")

    def facts(self) -> list[tuple[str, str]]:
        """Edition, data, seeds, runs and what was not run, devices, commits, dates, cost; nothing without runs."""
        states = [records.state(run, edition) for edition, shown in self.parts.items() for run in shown]
        if not states:
            return []
        count = {state: states.count(state) for state in dict.fromkeys(["done", *states])}
        counted = [f"{count.pop('done')} of {len(states)} done"]
        counted += [f"{n} {'not run' if state == 'missing' else state}" for state, n in count.items()]
        shown = []
        for edition in self.parts:
            base, changes = editions.parse(edition)
            changed = ", with " + ", ".join(f"{n} = {editions.shown(v)}" for n, v in changes.items()) if changes else ""
            shown.append(f"{base} ({editions.MEANT_FOR[base]}){changed}")
        table = self.table()
        made = table.dropna(subset=["time"])
        rows = [
            ("Edition", names(shown, between="; ")),
            ("Data", names(run.dataset for run in self.runs)),
            ("Seeds", names(run.seed for run in self.runs)),
            ("Runs", ", ".join(counted)),
        ]
        if len(made):
            days = sorted({str(time)[:10] for time in made["time"]})
            spells = made[["kind", "device", "time", "took"]].fillna({"took": 0.0}).itertuples(index=False)
            rows += [
                ("Device", names(made["device"])),
                ("Code", "commit " + names(made["commit"])),
                ("Made", " to ".join(dict.fromkeys([days[0], days[-1]]))),
                ("Cost", f"{took(Spell(*row) for row in spells)} for the runs above, measuring included"),
            ]
        if "empty_layers" in made and len(emptied := made.dropna(subset=["empty_layers"])):
            pairs = zip(emptied["name"], emptied["empty_layers"], strict=True)
            text = names((f"{run}: no weight is left in {which}" for run, which in pairs), between="; ")
            rows.append(("Pruned away", text))
        return rows

    def command(self) -> str:
        """The papermill command that remakes this page, to be typed in the project's folder."""
        said = ["papermill", f"chapters/{self.chapter}.ipynb", "out.ipynb", "-k", "python3"]
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name not in NOT_SAID and value != field.default:
                text = f"{value:g}" if isinstance(value, float) else str(value)
                said += ["-y", f"{name}: {text}"] if isinstance(value, list) else ["-p", name, text]
        return shlex.join(said)

    def _sweep_command(self) -> str:
        shown = parameters.papers_of(self.chapter)
        edition = parameters.DEMO if self.edition == parameters.BEST else self.edition
        said = ["netpress", "run", shown[0] if len(shown) == 1 else "all", "--edition", edition]
        said += ["--dataset", self.dataset] if self.dataset != "all" else []
        said += ["--seeds", ",".join(map(str, self.seeds))] if self.seeds else []
        return shlex.join(said)


class YourPage(Page):
    """The checked parameters of a chapter about a network of the reader's own, and what `netpress shrink` made of it.

    model, data, weights, blocks, most, px: as of `netpress shrink`; px 0 is the size that the images suggest. out: a
    folder for the files, "" for one in the cache. Paths are seen from the project's folder.
    """

    model: str = "netpress:small_resnet"
    data: str = "digits"
    weights: str = ""
    blocks: list[str] = []
    most: float = 2.0
    px: int = 0
    out: str = ""

    def __init__(self, **given: Any):
        super().__init__(**given)
        self.wanted.check(self.settings)

    @property
    def wanted(self) -> yours.Wanted:
        """What the command line would be given."""
        kind, _, name = self.model.rpartition(":")
        model = f"{in_project(kind)}:{name}" if kind.endswith(".py") else self.model
        source = self.data if self.data.isidentifier() else in_project(self.data)
        weights = in_project(self.weights) if self.weights else ""
        digest = hashlib.sha256(f"{model} {source} {weights} {self.blocks} {self.most}".encode()).hexdigest()[:12]
        folder = env.cache_dir() / "shrunk" / f"page-{self.edition}-{digest}"
        out = Path(in_project(self.out)) if self.out else folder
        parent_epochs = EPOCHS.get(self.edition, LONGER)[0]
        return yours.Wanted(model, source, weights, self.px or None, out=out, parent_epochs=parent_epochs)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the search."""
        epochs, seed = EPOCHS.get(self.edition, LONGER)[1], (self.seeds or [0])[0]
        return {
            "most": self.most, "goal": "milliseconds", "engine": "onnxruntime", "epochs": epochs, "lr": 1e-3,
            "seed": seed,
        }  # fmt: skip

    @property
    def missing(self) -> bool:
        """Whether the network has not been shrunk yet, and is not to be now."""
        return not self.run_missing and not (self.wanted.out / "report.json").is_file()

    @cached_property
    def shrunk(self) -> "Shrunk":
        """What came out; what is missing of it is done first where `run_missing` says so."""
        if self.missing:
            raise UserError(f"This network has not been shrunk yet: run `{self.command()}`, or set run_missing=True.")
        return yours.shrunk(self.wanted, self.blocks, **self.settings)

    def records(self) -> "pd.DataFrame":
        """One row a step of the search."""
        return self.shrunk.report().table_steps().to_frame()

    def facts(self) -> list[tuple[str, str]]:
        """Network, data, search and device; nothing before it was shrunk."""
        if self.missing:
            return []
        facts = self.shrunk.facts
        return [
            ("Network", facts["name"]),
            ("Data", f"{self.data}, {facts['validation']} validation images"),
            ("Search", f"{len(facts['steps'])} steps, {facts['taken']} taken, seed {facts['settings']['seed']}"),
            ("Device", f"{facts['device']}, torch {facts['torch']}"),
        ]


def check_parameters(path: str | Path, given: Mapping[str, object]) -> Page:
    """Check parameters for the chapter in the notebook `path` without starting a kernel; return its Page.

    Raises UserError, naming the parameter, for a name that the chapter does not take, a value of the wrong type,
    and a value that its paper and edition do not have.
    """
    known, chapter = parameters.defaults(Path(path)), parameters.chapter_of(Path(path))
    parameters.check_names(given, known)
    of_yours = parameters.papers_of(chapter) == (editions.YOURS,)
    return (YourPage if of_yours else Page)(chapter=chapter, **known | dict(given))


def in_project(place: str) -> str:
    """A path as seen from the project's folder, where a kernel may not have been started."""
    path = words.place(place)
    return str(path if path.is_absolute() or path.exists() else env.root() / path)


def names(values: Iterable[object], most: int = 6, between: str = ", ") -> str:
    """Each value once, in the order in which it comes; the first `most` of them."""
    once = [str(value) for value in dict.fromkeys(values)]
    more = f" and {len(once) - most} more" if len(once) > most else ""
    return between.join(once[:most]) + more


def took(spells: Iterable[Spell]) -> str:
    """How long runs took; where some were done on a GPU, apart."""
    kinds: dict[str, float] = {}
    for (kind, _), seconds in spent(spells).items():
        kinds[kind] = kinds.get(kind, 0.0) + seconds
    if len(kinds) == 1:
        return duration(*kinds.values())
    units = {kind: "core" if kind == "cpu" else "GPU" for kind in kinds}
    return " and ".join(f"{duration(seconds)} of a {units[kind]}" for kind, seconds in sorted(kinds.items()))


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
