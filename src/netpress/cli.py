"""The command line. Heavy imports wait until a command needs them: wrong usage is told at once."""

import json
import os
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

import netpress
from netpress import benchmarks, console, editions, ends, surroundings, words
from netpress.errors import UserError

if TYPE_CHECKING:
    from netpress.runs.run import Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Command(TyperCommand):
    """A command that refuses an option which takes one value and is given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does; UserError for such an option."""
        *_, given = self.make_parser(ctx).parse_args(list(args))
        for option in given:
            if given.count(option) > 1 and isinstance(option, TyperOption) and not (option.multiple or option.is_flag):
                raise UserError(f"{option.opts[0]} takes one value: give it once.")
        return super().parse_args(ctx, args)


command = partial(app.command, cls=Command)

BOOK_TOOLS = ("papermill", "ipykernel", "matplotlib", "altair", "pydantic", "jupyter_book")  # of the extra `book`

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Paper = Annotated[str, typer.Argument(help="A paper, as triage.")]
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


Papers = Annotated[str, typer.Argument(help="A paper, as triage, or all.")]
DataSets = Annotated[list[str] | None, typer.Option("--dataset", help="Only these data sets, as mnist,dogs.")]
Only = Annotated[str, typer.Option(help="Only runs whose name matches, as '*block2*'.")]
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
        surroundings.check()
        return app(standalone_mode=False)

    ends.run(asked)


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


@command("editions")
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


def changed(edition: str, change: list[str] | None) -> str:
    """The edition with the settings that --set changes."""
    return editions.with_changes(edition, list(words.parts(change, "--set")))


def chosen_runs(
    paper: str, edition: str, dataset: list[str] | None, only: str, seeds: list[str] | None
) -> "tuple[Run, ...]":
    """The runs that the options choose, needs first. UserError for what chooses none, and for a change of nothing."""
    from netpress import papers

    sets, numbers = words.parts(dataset, "--dataset"), words.numbers(seeds, "--seeds")
    names = papers.using(sets, edition) if paper == "all" else (paper,)
    parts = {name: tuple(d for d in sets if paper != "all" or papers.uses(name, edition, d)) for name in names}
    runs = tuple(run for name, own in parts.items() for run in papers.grid(name, edition, own, numbers))
    runs = papers.matching(runs, only) if only else runs
    papers.check_changes(
        edition, lambda other: tuple(r for name in names for r in papers.grid(name, other, (), numbers))
    )
    return runs


@command()
def plan(
    paper: Papers,
    edition: Edition = "demo",
    dataset: DataSets = None,
    only: Only = "",
    seeds: Seeds = None,
    change: Change = None,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """What `run` with the same options would do: names, needs, states, estimated cost."""
    from netpress.runs import records
    from netpress.sweep import cost

    edition = changed(edition, change)
    runs = chosen_runs(paper, edition, dataset, only, seeds)
    costs = cost.estimates(runs, edition, results)
    rows = [
        {
            "name": run.name,
            "needs": ", ".join(need.label for _, need in run.needs) or None,
            "state": records.state(run, edition, results),
            "epochs": run.epochs,
            "minutes": round(costs[run] / 60, 2),
        }
        for run in runs
    ]
    if as_json:
        return console.print_json(rows)
    console.print_table(rows, ("name", "needs", "state", "epochs", "minutes"))
    missing = sum(costs[run] for run, row in zip(runs, rows, strict=True) if row["state"] == "missing")
    basis = cost.basis(runs, edition, results)
    print(f"{len(runs)} networks; {cost.spoken(missing)} of one core for what is missing. {basis}")


@command()
def run(
    paper: Papers,
    edition: Edition = "demo",
    dataset: DataSets = None,
    only: Only = "",
    seeds: Seeds = None,
    change: Change = None,
    workers: Workers = None,
    retry: Annotated[
        list[str] | None, typer.Option(help="Do again what ended so: failed (whatever went wrong), diverged ...")
    ] = None,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster, or local.")] = "",
    gpus: Annotated[float, typer.Option("--gpus-per-run", min=0, help="On Ray: GPUs for a run, as 0.25.")] = 0,
    results: Results = None,
) -> None:
    """Run what is missing. A list has commas or spaces between its words, or its option is repeated."""
    from netpress import sweep

    edition, again = changed(edition, change), words.parts(retry, "--retry")
    if gpus and not ray:
        raise UserError("--gpus-per-run belongs to --ray: name a cluster with it, or leave it out.")
    runs = chosen_runs(paper, edition, dataset, only, seeds)
    cluster = sweep.Cluster(ray, gpus, workers) if ray else None
    with ends.stoppable("the same command goes on from there"):
        summary = sweep.ensure(runs, edition, results, workers, again, cluster)
    for line in summary.lines:
        print(line, file=sys.stderr)
    if summary.failures:
        raise typer.Exit(1)


@command()
def status(
    paper: Annotated[str, typer.Argument(help="A paper, as triage; all where left out.")] = "all",
    edition: Edition = "demo",
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    results: Recorded = None,
) -> None:
    """How far a sweep is: counts, what runs now, what went wrong."""
    from netpress import papers
    from netpress.sweep import status as state

    names = papers.PAPERS if paper == "all" else (paper,)
    grids = {name: papers.grid(name, edition) for name in names}

    def look() -> dict[str, Any]:
        return {name: state.survey(runs, edition, results) for name, runs in grids.items()}

    if as_json:
        rows = [state.as_json(found, paper=name, edition=edition) for name, found in look().items()]
        return console.print_json(rows if paper == "all" else rows[0])
    if watch:
        return console.watch(lambda: console.survey_table(look()))
    console.printer().print(console.survey_table(look()))


@command()
def results(
    paper: Paper,
    edition: Edition = "demo",
    form: Annotated[Format, typer.Option("--format", help="table, csv or json.")] = Format.table,
    results: Recorded = None,
) -> None:
    """Tidy results: one row a run. Those with fresh seeds are shown once all that are planned are there."""
    from netpress import papers

    table = papers.runs_frame(paper, edition, results)
    if papers.pilot_alone(paper, edition, results):
        print(
            "These are the pilot's runs: those with fresh seeds are shown once all of them are done.", file=sys.stderr
        )
    if form is Format.csv:
        print(table.to_csv(index=False), end="")
    elif form is Format.json:
        print(table.to_json(orient="records", indent=2))
    else:
        columns = ["name", "status", "best", "last", "epochs_to_99", "parameters", "seconds"]
        console.print_table(json.loads(table.reindex(columns=columns).to_json(orient="records")), tuple(columns))


@command()
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
    rows = [
        {
            "name": row.name,
            "kind": row.kind,
            "shape": list(row.shape),
            "parameters": row.parameters,
            "multiply_adds": row.multiply_adds,
        }
        for row in size.layers
    ]
    if as_json:
        return console.print_json(total | {"layers": rows})
    shapes = ["x".join(map(str, layer.shape)) for layer in size.layers]
    console.print_table([row | {"shape": shape} for row, shape in zip(rows, shapes, strict=True)], tuple(rows[0]))
    print(f"{model}: {size.parameters:,} parameters, {size.multiply_adds:,} multiply-adds an image")


@command()
def claims(edition: Edition = "small", as_json: AsJson = False, results: Recorded = None) -> None:
    """Every claim of the papers, with its verdict."""
    from netpress import papers

    rows = [v.as_dict() for name in papers.PAPERS for v in papers.verdicts(name, edition, results)]
    if as_json:
        return console.print_json(rows)
    columns = ("id", "statement", "verdict", "effect", "interval", "unit", "n")
    console.print_table([row | {"interval": console.interval(row)} for row in rows], columns)


def pages_of(command: str) -> Any:
    """The package that makes pages. UserError outside of a checkout, and without the tools of the book."""
    from importlib.util import find_spec

    from netpress import paths

    paths.needs_checkout(command)
    missing = [name for name in BOOK_TOOLS if find_spec(name) is None]
    if missing:
        raise UserError(
            f"`{command}` needs the tools of the book, and {' and '.join(missing)} "
            f"{'are' if missing[1:] else 'is'} not installed: pip install --editable '.[book]'."
        )
    from netpress import book

    return book


@command()
def book(
    chosen: Annotated[list[str] | None, typer.Option("--editions", help="Editions to show, as demo,small.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", parser=a_folder, metavar="FOLDER", help="Folder of the site.")
    ] = None,
    page: Annotated[
        str, typer.Option(metavar="CHAPTER", help="Only this page of the site that is there, in seconds.")
    ] = "",
) -> None:
    """Execute every chapter once per edition, build the site."""
    names = words.parts(chosen, "--editions")
    if page and (names or folder):
        raise UserError("--page makes one page of the site in _build/html anew: leave --editions and --out out.")
    for name in names:
        editions.proper(name)
    pages = pages_of("netpress book")
    with ends.stoppable("the same command goes on from there"):
        if page:
            return print(pages.preview(page))
        failed = pages.build(names, folder)
    if failed:
        raise typer.Exit(1)


@command()
def rerun(
    chapter: Annotated[str, typer.Argument(help="A chapter, as triage/accuracy.")],
    given: Annotated[list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="A parameter of it.")] = None,
    to: Annotated[
        Path, typer.Option("--out", parser=words.place, metavar="FILE", help="Where the executed notebook is written.")
    ] = Path("out.ipynb"),
) -> None:
    """Run one chapter with other parameters, which are checked before anything starts."""
    pages = pages_of("netpress rerun")
    with ends.stoppable("nothing was written"):
        place = pages.rerun(chapter, words.once(map(pages.parameter, given or ()), "parameter"), to)
    print(place)


@command()
def shrink(
    model: Annotated[str, typer.Argument(help="torchvision:NAME, timm:NAME or FILE.py:FUNCTION.")],
    pictures: Annotated[str, typer.Option("--data", help="Folder of pictures, or the name of a data set.")],
    weights: Annotated[str, typer.Option(help="Its weights: safetensors, or a state_dict.")] = "",
    blocks: Annotated[
        list[str] | None, typer.Option(help="Blocks to replace, as layer2,layer3; all where left out.")
    ] = None,
    most: Annotated[float, typer.Option(help="Points of accuracy that may be lost.")] = 1.0,
    seeds: Annotated[list[str] | None, typer.Option(help="Seeds, as 0,1,2; 0 where left out.")] = None,
    px: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    edition: Edition = "small",
    change: Change = None,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave broken files out.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done, and what it costs.")] = False,
    out: Annotated[
        Path | None, typer.Option(parser=words.place, metavar="FOLDER", help="Folder for the smaller network's files.")
    ] = None,
    workers: Workers = None,
    results: Results = None,
) -> None:
    """Shrink a network of your own: which blocks are spare, and the smallest network within the budget."""
    from netpress.yours.wanted import Wanted, check_words

    named, numbers = words.parts(blocks, "--blocks"), words.numbers(seeds, "--seeds") or (0,)
    edition = changed(edition, change)
    wanted = Wanted(model, pictures, weights, named, most, numbers, px, edition, skip_broken)
    check_words(wanted, out)
    from netpress import yours

    with ends.stoppable("the same command goes on from there"):
        failures = yours.command(wanted, plan, out, results, workers)
    if failures:
        raise typer.Exit(1)


@command(epilog=f"\b\n{benchmarks.listed()}")
def bench(
    name: Annotated[str, typer.Argument(help="One measurement; all where left out.")] = "",
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="Only see whether it works here; nothing is judged.")] = False,
) -> None:
    """Side-by-side ratios against the plain loop."""
    with ends.stoppable("nothing of this measurement was kept"):
        benchmarks.command(name, as_json, quick=quick)


@command()
def doctor() -> None:
    """Device, versions, data found and missing, what to do about it."""
    from netpress import data, paths
    from netpress.runs import machine
    from netpress.sweep.workers import default_workers
    from netpress.training import compute

    chosen = compute.choose()
    made = machine.made(chosen)
    for key in ("device", "kind", "precision", "torch", "python", "netpress", "commit"):
        print(f"{key:12}{made[key]}")
    print(f"{'workers':12}{default_workers()}")
    print(f"{'caches':12}{chosen.cache_bytes / 2**30:.1f} GiB of memory for one worker (NETPRESS_CACHE_GB sets it)")
    if chosen.device == "cpu" and chosen.precision == "fp32":
        print(f"{'':12}This processor does not multiply bf16: float32 takes about twice as long.")
    for line in surroundings.unknown():
        print(f"{'':12}{words.plain(line)}")
    print(f"{'results':12}{paths.results_dir()}")
    print(f"{'data':12}{paths.data_folder()}")
    for dataset in data.DATASETS:
        found, reason = data.available(dataset)
        print(f"  {dataset:12}{'found' if found else 'missing'}  {reason}")


if __name__ == "__main__":
    main()
