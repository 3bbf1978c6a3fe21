"""`netpress book`: train what the demo lacks, run every chapter once per edition, render, check, publish."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import netpress
from netpress import data, digests, editions, papers, paths
from netpress.atomic import temporary_file
from netpress.book import best_edition, notebooks, render, toc, variants
from netpress.book.chapter import check_parameters
from netpress.book.notebooks import Job
from netpress.book.parameters import chapter_of, defaults, notebooks_in, papers_of
from netpress.book.renderer import Renderer
from netpress.compat import quick_jsonschema
from netpress.errors import UserError, known
from netpress.runs import records

TRAINED_HERE = "demo"  # the only edition that a build trains; the others are read from their records
TOOLS = ("papermill", "nbclient", "ipykernel", "matplotlib", "altair", "pandas", "numpy", "scipy", "pydantic")
KERNELS = 2
NOTEBOOKS = "_notebooks"


@dataclass(frozen=True)
class Plan:
    """Which chapters there are, in reading order, and the editions that each is made for, the main one first."""

    project: Path
    toc: dict[str, Any]
    editions: dict[str, tuple[str, ...]]  # chapter, such as "triage/accuracy" -> editions

    def further(self) -> dict[str, list[str]]:
        """Further edition -> its chapters, in reading order."""
        found: dict[str, list[str]] = {}
        for chapter, names in self.editions.items():
            for edition in names[1:]:
                found.setdefault(edition, []).append(chapter)
        return found

    def pages(self) -> list[tuple[str, str]]:
        """Edition and chapter of every page, in the order in which they are run.

        Papers take turns, so that no two pages that are run at once judge the same claims: the verdicts are kept for
        those of all papers, which come after, and further editions, whose pages take less time, come last.
        """

        def turn(page: tuple[str, str]) -> tuple[bool, bool, int]:
            edition, chapter = page
            folder = [name for name in self.editions if name.rpartition("/")[0] == chapter.rpartition("/")[0]]
            return edition != self.editions[chapter][0], len(papers_of(chapter)) > 1, folder.index(chapter)

        return sorted(((e, chapter) for chapter, names in self.editions.items() for e in names), key=turn)


def build(chosen: Sequence[str] = (), out: Path | None = None) -> int:
    """Make the book's site at `out` (`_build/html` in the project). What has not changed is not done again.

    `chosen` editions, or the demo and every other one that has records. Only a demo edition is trained. Returns the
    number of runs that failed. Raises UserError, with what was there before untouched, for an unknown edition, one
    without records, a chapter that fails, and any warning of Sphinx.
    """
    from filelock import FileLock

    from netpress.book import warm

    quick_jsonschema()
    project = paths.root()
    contents = toc.read(project)
    chosen = [editions.proper(edition) for edition in chosen]
    site = (out or project / "_build" / "html").absolute()
    site = site.resolve() if site.is_symlink() else site  # the link stays, what it leads to is replaced
    render.replaceable(site)
    build_folder = project / "_build"
    for place in (build_folder, site.parent):  # told now, not after the chapters have run
        with temporary_file(place):
            pass
    shared = shared_by_pages()  # before kernels import the code: what is edited from here on, the next build shows
    with FileLock(build_folder / "lock"), Renderer() as renderer:
        failed = train(contents, project, chosen)
        if not (site / render.MARK).exists():  # most pages will be run: what that takes is imported meanwhile
            warm.begin()
            renderer.begin()
        shrink(contents, project, chosen)
        plan = planned(contents, project, chosen)
        jobs = jobs_of(plan, shared)
        if todo := outdated(jobs.values()):
            renderer.begin()
            run_all(todo)
        render.render(assemble(plan, jobs), site, renderer)
    return failed


def chapters_of(contents: dict[str, Any], project: Path) -> list[str]:
    """The notebooks of the book, in reading order."""
    names = [name.removeprefix("chapters/") for name in toc.files(contents)]
    return [name for name in names if (project / "chapters" / f"{name}.ipynb").exists()]


def trained(chosen: Sequence[str]) -> list[str]:
    """The editions that a build trains, of those that were `chosen`."""
    return [edition for edition in chosen or (TRAINED_HERE,) if editions.parse(edition)[0] == TRAINED_HERE]


def train(contents: dict[str, Any], project: Path, chosen: Sequence[str]) -> int:
    """Train what the demo edition lacks for the papers that have chapters; the number of runs that failed."""
    from netpress import sweep

    failed = 0
    chapters = chapters_of(contents, project)
    shown = {paper: None for chapter in chapters for paper in papers_of(chapter) if paper in papers.PAPERS}
    for edition in trained(chosen):
        runs = [run for paper in shown for run in papers.grid(paper, edition)]  # one sweep: no core waits for a paper
        failed += len(sweep.ensure(runs, edition).failures)
        measure(chapters, edition)
    return failed


def shrink(contents: dict[str, Any], project: Path, chosen: Sequence[str]) -> None:
    """Shrink the networks of the chapters about a reader's own, where that has not been done."""
    chapters = [chapter for chapter in chapters_of(contents, project) if papers_of(chapter) == (editions.YOURS,)]
    for edition in trained(chosen):
        for chapter in chapters:
            check_parameters(project / "chapters" / f"{chapter}.ipynb", {"edition": edition}).records()


def measure(chapters: Sequence[str], edition: str) -> None:
    """Measure on this machine the times that chapters show, where they are missing."""
    from netpress.papers import together
    from netpress.papers.pyramid import speed

    if "pyramid/speed" in chapters:
        speed.ensure(edition)
    if "together/shrink" in chapters:
        together.measure(dict.fromkeys(papers.PAPERS, edition))


def planned(contents: dict[str, Any], project: Path, chosen: Sequence[str]) -> Plan:
    """For each chapter the editions to show: the best one whose records are complete, then the others."""
    candidates = list(dict.fromkeys(chosen or editions.EDITIONS))
    order = sorted(candidates, key=lambda name: -editions.EDITIONS.index(editions.parse(name)[0]))
    states = {paper: {e: best_edition.have(paper, e) for e in order} for paper in papers.PAPERS if exists(paper)}
    made: dict[str, tuple[str, ...]] = {}
    for chapter in chapters_of(contents, project):
        if defaults(project / "chapters" / f"{chapter}.ipynb").get("edition") == best_edition.BEST:
            made[chapter] = (chosen[0] if len(chosen) == 1 else best_edition.BEST,)  # one page for all editions
            continue
        if papers_of(chapter) == (editions.YOURS,):
            made[chapter] = (next((e for e in chosen if editions.parse(e)[0] == TRAINED_HERE), TRAINED_HERE),)
            continue
        shown = [paper for paper in papers_of(chapter) if paper in states]
        with_some = [e for e in order if any(states[paper][e][0] for paper in shown)]
        if not with_some:
            raise UserError(
                f"No record for {chapter} in {', '.join(candidates)}: run `netpress run {shown[0]} --edition "
                f"{candidates[0]}` first, or build the demo with `netpress book`."
            )
        complete = [e for e in with_some if all(states[paper][e][0] == states[paper][e][1] for paper in shown)]
        main = (complete or with_some)[0]
        made[chapter] = (main, *(e for e in with_some if e != main))
    return Plan(project, contents, made)


def exists(paper: str) -> bool:
    """Whether the paper's module is there."""
    from importlib.util import find_spec

    return find_spec(f"netpress.papers.{paper}") is not None


def jobs_of(plan: Plan, shared: str) -> dict[tuple[str, str], Job]:
    """(edition, chapter) -> the job whose target is the executed notebook."""
    once = cache(digests.of_folder)  # of a folder that many pages depend on
    return {(edition, name): job_of(plan.project, name, edition, shared, once) for edition, name in plan.pages()}


def outdated(jobs: Iterable[Job]) -> list[Job]:
    """Those whose target was not made from what is there now. Raises UserError for a wrong parameter."""
    todo = [job for job in jobs if notebooks.key_of(job.target) != job.key]
    for job in todo:
        check_parameters(job.source, job.parameters)
    return todo


def run_all(todo: Sequence[Job]) -> None:
    """Run notebooks of one project, so many at a time, with a bar on stderr; UserError for the first one that fails."""
    from tqdm import tqdm

    from netpress.book import warm

    if not todo:
        return
    if len(todo) > 1:  # one kernel begins sooner cold
        warm.begin()
    pool = ThreadPoolExecutor(KERNELS)
    with notebooks.kernels(todo[0].project) as place:
        try:
            waiting = [pool.submit(notebooks.perform, job, place) for job in todo]
            for done in tqdm(as_completed(waiting), total=len(todo), unit="page", file=sys.stderr):
                done.result()
        except BaseException as error:  # whoever asked for the end ends the kernels: nobody waits for them here
            pool.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
            raise
        pool.shutdown()


def shared_by_pages() -> str:
    """Of what every page depends on: code, versions of tools, and the sources of data, a part of each fingerprint."""
    code = digests.of_folder(Path(netpress.__file__).parent, (".py", ".csv", ".css", ".js"))
    return json.dumps([code, versions(), {dataset: data.checksum(dataset) for dataset in data.DATASETS}])


def job_of(
    project: Path, chapter: str, edition: str, shared: str, digest: Callable[..., str] = digests.of_folder
) -> Job:
    """A chapter in an edition, with the key of everything that can change its page; `shared` with other pages."""
    source = project / "chapters" / f"{chapter}.ipynb"
    wanted = {"edition": edition, "run_missing": False}
    parameters = {name: value for name, value in wanted.items() if name in defaults(source)}
    shown = editions.EDITIONS if edition == best_edition.BEST else (edition,)
    changed = [name for name in records.changed_editions() if editions.parse(name)[0] in shown]
    names = papers_of(chapter)
    folders = [f"{name}/{kind}" for name in (*shown, *changed) for kind in (*names, "claims")]
    folders += ["bench"] if len(names) > 1 else []
    recorded = {folder: digest(paths.results_dir() / folder, (".json",)) for folder in folders}
    parts = [hashlib.sha256(source.read_bytes()).hexdigest(), parameters, recorded, shared]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    target = project / "_build" / "pages" / variants.slug(edition) / f"{chapter}.ipynb"
    return Job(project, chapter, parameters, target, key)


def versions() -> dict[str, str]:
    """Versions of the tools that a page depends on."""
    found = {}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def assemble(plan: Plan, jobs: Mapping[tuple[str, str], Job]) -> Path:
    """The folder that Sphinx renders: chapters with their executed notebooks, further editions, configuration."""
    book = plan.project / "_build" / "book"
    shutil.rmtree(book, ignore_errors=True)
    ignored = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__", "*.ipynb")
    shutil.copytree(plan.project / "chapters", book, ignore=ignored)
    for folder in ("_static", "_ext"):
        shutil.copytree(plan.project / folder, book / folder, ignore=ignored, dirs_exist_ok=True)
    for chapter in plan.editions:  # as they were committed: to be taken away
        place(
            book / NOTEBOOKS / f"{chapter}.ipynb", (plan.project / "chapters" / f"{chapter}.ipynb").read_text("utf-8")
        )
    if (plan.project / "CITATION.cff").exists():
        shutil.copy(plan.project / "CITATION.cff", book)
    config = (plan.project / "_config.yml").read_text(encoding="utf-8")
    (book / "_config.yml").write_text(config.replace("chapters/", ""), encoding="utf-8")
    for chapter, names in plan.editions.items():
        place(book / f"{chapter}.ipynb", jobs[names[0], chapter].target.read_text(encoding="utf-8"))
    for edition, chapters in plan.further().items():
        add_edition(book, edition, {chapter: jobs[edition, chapter].target for chapter in chapters})
    contents = toc.with_editions(toc.moved(plan.toc, "chapters/"), plan.further())
    place(book / "_toc.yml", json.dumps(contents, indent=1))  # JSON is YAML
    return book


def add_edition(book: Path, edition: str, pages: dict[str, Path]) -> None:
    """The pages of a further edition, with labels of their own."""
    import nbformat

    read = {chapter: nbformat.read(path, as_version=4) for chapter, path in pages.items()}
    known = {label for notebook in read.values() for label in variants.labels(notebook)}
    home = book / toc.folder(edition)
    meaning = editions.MEANT_FOR[editions.parse(edition)[0]]
    place(home / "index.md", toc.title_page(edition, meaning))
    for chapter, notebook in read.items():
        place(home / f"{chapter}.ipynb", nbformat.writes(variants.for_edition(notebook, edition, known)))


def place(path: Path, text: str) -> None:
    """Write a file of the build folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def rerun(chapter: str, parameters: dict[str, Any], out: Path) -> Path:
    """Run one chapter with other parameters, checked before a kernel starts, and keep the notebook at `out`."""
    name = chapter.removeprefix("chapters/").removesuffix(".ipynb")
    home = paths.root() / "chapters"
    known(name, [chapter_of(path) for path in notebooks_in(home)], "chapter")
    job = Job(paths.root(), name, parameters, place_of(out))
    check_parameters(job.source, job.parameters)
    run_all([job])
    return out


def place_of(out: Path) -> Path:
    """The file that a notebook is written to, behind a link too. Raises UserError where it cannot be."""
    target = out.resolve() if out.is_symlink() else out.absolute()
    if target.is_dir():
        raise UserError(f"--out {out} is a folder: name a file in it, such as {out / 'out.ipynb'}.")
    with temporary_file(target.parent):
        return target
