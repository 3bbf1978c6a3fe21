"""The command line. Heavy imports wait until a command needs them: wrong usage is told at once."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial, wraps
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import netpress
from netpress import console, editions, env, errors, words
from netpress.errors import UserError, stoppable

if TYPE_CHECKING:
    from netpress.runs.run import Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Edition = Annotated[
    str, typer.Option(help="demo, small, large or paper; changes as in small+epochs=2.", callback=editions.proper)
]


def a_folder(text: str) -> Path:
    """A folder to write to, which may not be there yet. Raises UserError where a file is there."""
    place = words.place(text)
    if os.path.lexists(place) and not place.is_dir():
        raise UserError(f"{text} is no folder: name a folder.")
    return place


def there(text: str) -> Path:
    """A folder to read from. Raises UserError where it is not there."""
    place = a_folder(text)
    if not place.is_dir():
        raise UserError(f"There is no folder {text}: name the one that `netpress run --results` wrote to.")
    return place


Seeds = Annotated[list[str] | None, typer.Option(help="Seeds, as 0,1.")]
Change = Annotated[list[str] | None, typer.Option("--set", help="Change a setting, as epochs=2.")]
Workers = Annotated[int | None, typer.Option(min=1, max=1024, help="Worker processes.")]
Results = Annotated[Path | None, typer.Option(parser=a_folder, metavar="FOLDER", help="Folder of the records.")]
Recorded = Annotated[Path | None, typer.Option(parser=there, metavar="FOLDER", help="Folder of the records.")]


class Format(StrEnum):
    """Forms of a table."""

    table = "table"
    csv = "csv"
    json = "json"


def main() -> None:
    """Entry point: whatever goes wrong is one sentence on stderr and exit status 2."""

    def asked() -> Any:
        env.check()
        return app(standalone_mode=False)

    errors.run(asked)


def tell_version(asked: bool) -> None:
    """`netpress --version`."""
    if asked:
        print(f"netpress {netpress.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Rerun three papers on making convolutional networks smaller."""


@app.command("editions")
def show_editions(as_json: AsJson = False) -> None:
    """The editions and what they set."""
    columns = {
        name: {"meant for": editions.MEANT_FOR[name]} | {key: row[i] for key, row in editions.ROWS.items()}
        for i, name in enumerate(editions.EDITIONS)
    }
    if as_json:
        return console.print_json(columns)
    keys = ["meant for", *editions.ROWS]
    rows = [{"setting": key} | {name: console.brief(columns[name][key]) for name in columns} for key in keys]
    console.print_table(rows, ("setting", *editions.EDITIONS))


@dataclass
class Choice:
    """The runs that the options of `plan`, `run` and `results` choose, and where their records lie."""

    paper: Annotated[str, typer.Argument(help="A paper, as triage, or all.")]
    edition: Edition = "demo"
    dataset: Annotated[list[str] | None, typer.Option("--dataset", help="Only these data sets, as mnist,dogs.")] = None
    only: Annotated[str, typer.Option(help="Only runs whose name matches, as '*block2*'.")] = ""
    seeds: Seeds = None
    change: Change = None
    results: Results = None

    def __post_init__(self) -> None:
        self.edition = editions.with_changes(self.edition, list(words.parts(self.change, "--set")))

    def runs(self) -> "tuple[Run, ...]":
        """Needs first. Raises UserError where the options choose none, and for a change of nothing."""
        from netpress import papers

        sets, seeds = words.parts(self.dataset, "--dataset"), words.numbers(self.seeds, "--seeds")
        names = papers.using(sets, self.edition) if self.paper == "all" else (self.paper,)
        own = {n: tuple(d for d in sets if self.paper != "all" or papers.uses(n, self.edition, d)) for n in names}
        runs = tuple(run for name in names for run in papers.grid(name, self.edition, own[name], seeds))
        runs = papers.matching(runs, self.only) if self.only else runs
        papers.check_changes(
            self.edition, lambda other: tuple(r for name in names for r in papers.grid(name, other, (), seeds))
        )
        return runs


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the fields of `Choice` as options, and hand them to it as one object, its first parameter."""

    @wraps(command)
    def whole(**given: Any) -> None:
        command(Choice(**{name: given.pop(name) for name in fields}), **given)

    fields = signature(Choice).parameters
    own = list(signature(command).parameters.values())[1:]
    whole.__signature__ = signature(command).replace(parameters=[*fields.values(), *own])  # type: ignore[attr-defined]
    return whole


@app.command()
@choosing
def plan(choice: Choice, as_json: AsJson = False) -> None:
    """What `run` with the same options would do: names, needs, states, estimated cost."""
    from netpress.runs import cost, records

    runs = choice.runs()
    rates = cost.rates(runs, choice.edition, choice.results)
    costs = cost.estimates(runs, rates)
    rows = [
        {
            "name": run.name,
            "needs": ", ".join(need.label for _, need in run.needs) or None,
            "state": records.state(run, choice.edition, choice.results),
            "epochs": run.epochs,
            "minutes": round(costs[run] / 60, 2),
        }
        for run in runs
    ]
    if as_json:
        return console.print_json(rows)
    console.print_table(rows, ("name", "needs", "state", "epochs", "minutes"))
    missing = sum(costs[run] for run, row in zip(runs, rows, strict=True) if row["state"] == "missing")
    print(f"{len(runs)} networks; {cost.spoken(missing)} of one core for what is missing. {cost.basis(rates)}")


@app.command()
@choosing
def run(
    choice: Choice,
    workers: Workers = None,
    retry: Annotated[
        list[str] | None, typer.Option(help="Do again what ended so: failed (whatever went wrong), diverged ...")
    ] = None,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster, or local.")] = "",
    gpus: Annotated[float, typer.Option("--gpus-per-run", min=0, help="On Ray: GPUs for a run, as 0.25.")] = 0,
) -> None:
    """Run what is missing. A list has commas or spaces between its words, or its option is repeated."""
    from netpress.runs import sweep

    again = words.parts(retry, "--retry")
    if gpus and not ray:
        raise UserError("--gpus-per-run belongs to --ray: name a cluster with it, or leave it out.")
    cluster = None
    if ray:
        from netpress.runs.ray import Remote

        cluster = partial(Remote, address=ray, gpus_per_run=gpus, cpus=workers)
    with stoppable("the same command goes on from there"):
        summary = sweep.ensure(choice.runs(), choice.edition, choice.results, workers, again, cluster)
    for line in summary.lines:
        print(line, file=sys.stderr)
    if summary.failures:
        raise typer.Exit(1)


@app.command()
@choosing
def results(
    choice: Choice, form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.table
) -> None:
    """Tidy results: one row a run. Those with fresh seeds are shown once all that are planned are there."""
    import pandas as pd

    from netpress import papers

    runs = choice.runs()
    if choice.results:
        there(str(choice.results))
    tables = []
    for name in dict.fromkeys(run.paper for run in runs):
        planned, shown = (set(of(name, choice.edition, choice.results)) for of in (papers.states, papers.shown))
        if own := tuple(run for run in runs if run.paper == name and run not in planned - shown):
            tables.append(papers.frame(own, choice.edition, choice.results))
        if planned - shown:
            print(
                f"These are the pilot's runs of {name}: those with fresh seeds are shown once all of them are done.",
                file=sys.stderr,
            )
    table = pd.concat(tables) if tables else pd.DataFrame(columns=["name"])
    if form is Format.csv:
        print(table.to_csv(index=False), end="")
    elif form is Format.json:
        print(table.to_json(orient="records", indent=2))
    else:
        columns = ["name", "status", "best", "last", "epochs_to_99", "parameters", "seconds"]
        console.print_table(json.loads(table.reindex(columns=columns).to_json(orient="records")), tuple(columns))


@app.command()
def status(
    paper: Annotated[str, typer.Argument(help="A paper, as triage; all where left out.")] = "all",
    edition: Edition = "demo",
    as_json: AsJson = False,
    results: Recorded = None,
) -> None:
    """How far a sweep is: counts, what runs now, what went wrong."""
    from netpress import papers
    from netpress.runs import sweep

    names = papers.PAPERS if paper == "all" else (paper,)
    grids = {name: papers.grid(name, edition) for name in names}

    found = {name: sweep.survey(runs, edition, results) for name, runs in grids.items()}
    if as_json:
        rows = [survey.as_json(paper=name, edition=edition) for name, survey in found.items()]
        return console.print_json(rows if paper == "all" else rows[0])
    console.printer().print(console.survey_table(found))


@app.command()
def describe(
    model: Annotated[str, typer.Argument(help="A network, as vgg16-block3 or svgg11-backward.")],
    px: Annotated[int, typer.Option("--input", min=1, max=4096, help="Side of the images in pixels.")] = 32,
    classes: Annotated[int, typer.Option(min=1, max=1_000_000, help="Number of classes.")] = 10,
    width: Annotated[float, typer.Option(help="Factor on all channels.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Layers, output shapes, parameters, multiply-adds."""
    from netpress import nets

    nets.family_of(model)
    from netpress.nets.describe import describe as described

    size = described(nets.outline(model, px, classes, width), px)
    total = {"model": model, "parameters": size.parameters, "multiply_adds": size.multiply_adds}
    keys = ("name", "kind", "shape", "parameters", "multiply_adds")
    rows = [{key: getattr(layer, key) for key in keys} for layer in size.layers]
    if as_json:
        return console.print_json(total | {"layers": rows})
    console.print_table([row | {"shape": "x".join(map(str, row["shape"]))} for row in rows], keys)
    print(f"{model}: {size.parameters:,} parameters, {size.multiply_adds:,} multiply-adds an image")


@app.command()
def claims(edition: Edition = "small", as_json: AsJson = False, results: Recorded = None) -> None:
    """Every claim of the papers, with its verdict."""
    from netpress import papers

    rows = [v.as_dict() for name in papers.PAPERS for v in papers.verdicts(name, edition, results)]
    if as_json:
        return console.print_json(rows)
    columns = ("id", "statement", "verdict", "effect", "interval", "unit", "n")
    for row in rows:
        row["interval"] = "[{:.2f}, {:.2f}]".format(*row["interval"]) if row["interval"] else ""
    console.print_table(rows, columns)


@app.command()
def book(
    chosen: Annotated[list[str] | None, typer.Option("--editions", help="Editions to show, as demo,small.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", parser=a_folder, metavar="FOLDER", help="Folder of the site.")
    ] = None,
) -> None:
    """Execute every chapter once per edition, build the site."""
    names = words.parts(chosen, "--editions")
    for name in names:
        editions.proper(name)
    env.needs_checkout("netpress book")
    for package in ("jupyter_book", "papermill", "matplotlib", "altair"):  # before anything is trained for a page
        if find_spec(package) is None:
            raise ModuleNotFoundError(name=package)
    from netpress.book.build import build

    with stoppable("the same command goes on from there"):
        failed = build(names, folder)
    if failed:
        raise typer.Exit(1)


@app.command()
def shrink(
    model: Annotated[str, typer.Argument(help="torchvision:NAME, timm:NAME or FILE.py:FUNCTION.")],
    pictures: Annotated[str, typer.Option("--data", help="Folder of pictures, or the name of a data set.")],
    weights: Annotated[str, typer.Option(help="Its weights: safetensors, or a state_dict.")] = "",
    out: Annotated[
        Path, typer.Option(parser=words.place, metavar="FOLDER", help="Folder for the smaller network's files.")
    ] = Path("shrunk"),
    most: Annotated[float, typer.Option(help="Points of accuracy that may be lost.")] = 1.0,
    goal: Annotated[str, typer.Option("--for", help="milliseconds, bytes or multiply-adds.")] = "milliseconds",
    engine: Annotated[str, typer.Option(help="Whose milliseconds: onnxruntime or torch.")] = "onnxruntime",
    blocks: Annotated[list[str] | None, typer.Option(help="Blocks to change, as layer2,layer3; else all.")] = None,
    px: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each step.")] = 6,
    parent_epochs: Annotated[int, typer.Option(min=1, help="Epochs of a network without weights.")] = 24,
    lr: Annotated[float, typer.Option(help="Peak learning rate of each step.")] = 1e-3,
    images: Annotated[int | None, typer.Option(min=1, help="At most so many training images.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every training.")] = 0,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave broken files out.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done, and what it costs.")] = False,
) -> None:
    """Shrink a network of your own: the fastest network that loses no more points, as files."""
    from netpress import yours

    wanted = yours.Wanted(model, pictures, weights, px, images, skip_broken, plan, out, parent_epochs)
    settings = {"most": most, "goal": goal, "engine": engine, "epochs": epochs, "lr": lr, "seed": seed}
    wanted.check(settings)
    with stoppable("the same command goes on from there"):
        yours.command(wanted, words.parts(blocks, "--blocks"), **settings)


@app.command()
def bench(
    name: Annotated[
        str, typer.Argument(help="triage-grid, step-128, remade, rules or shrink; all but the last where left out.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Measure the engine beside a plain loop, records made again, the rules."""
    from netpress import benchmarks

    with stoppable("nothing of this measurement was kept"):
        benchmarks.command(name, as_json)


@app.command()
def doctor() -> None:
    """Device, versions, data found and missing, what to do about it."""
    from netpress import data
    from netpress.runs import records, sweep
    from netpress.training import compute

    chosen = compute.choose()
    made = records.made(chosen)
    for key in ("device", "kind", "precision", "torch", "python", "netpress", "commit"):
        print(f"{key:12}{made[key]}")
    print(f"{'workers':12}{sweep.workers_for(None, 1.0, 1024)}")
    print(f"{'caches':12}{chosen.cache_bytes / 2**30:.1f} GiB of memory for one worker (NETPRESS_CACHE_GB sets it)")
    if chosen.device == "cpu" and chosen.precision == "fp32":
        print(f"{'':12}This processor does not multiply bf16: float32 takes about twice as long.")
    print(f"{'results':12}{env.results_dir()}")
    print(f"{'data':12}{env.data_folder()}")
    for dataset in data.DATASETS:
        found, reason = data.available(dataset)
        print(f"  {dataset:12}{'found' if found else 'missing'}  {reason}")


if __name__ == "__main__":
    main()
