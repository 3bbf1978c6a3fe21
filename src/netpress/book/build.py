"""`netpress book`: run every chapter in its edition, render the site; train the demo, and let its pages join.

What needs no training comes first: a site of the records that are there is published before the demo is trained.
"""

import base64
import copy
import hashlib
import json
import re
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import netpress
from netpress import data, editions, env, papers
from netpress.book import render
from netpress.book.glue import HERE
from netpress.book.page import check_parameters
from netpress.book.parameters import BEST, DEMO, defaults, has_tag, have, notebook, papers_of, text_of
from netpress.errors import UserError
from netpress.files import digest_of_folder, temporary_file, write_atomic
from netpress.runs import records

KERNEL = 600 * 2**20  # bytes of memory that one takes
HIDDEN = ("parameters", "injected-parameters")  # the box "made with" says what they say
NEEDS_DEMO = "needs-demo"  # tag of the cells that are left out as long as the demo is not trained
NOT_YET = "*Left out: this part needs the networks of the edition demo, which `make book` trains in minutes.*"
FURTHER = "editions"  # folder of the pages of further editions, and of the page that lists them
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")
RESET = "get_ipython().reset(new_session=True)"  # a kernel that has run another notebook forgets its names

# a label is written (label)=, "$$ (label)", ":name: label" or ":label: label"
DEFINED = re.compile(r"^(?:\$\$ *)?\(([^)\s]+)\)=?\s*$|^\s*:(?:name|label):\s*(\S+)\s*$", re.MULTILINE)
UPWARDS = re.compile(r'(href=")\.\./')
TITLE = re.compile(r"^# (.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Job:
    """One chapter to be run in the project's folder with `parameters`, and kept at `target` with `key`.

    `cut`: without the cells that need the demo.
    """

    project: Path
    chapter: str  # such as "triage/accuracy"
    target: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    cut: bool = False

    @property
    def source(self) -> Path:
        """The committed notebook."""
        return self.project / "chapters" / f"{self.chapter}.ipynb"

    @property
    def outdated(self) -> bool:
        """Whether the target was not made from what is there now, or is damaged."""
        try:
            return bool(json.loads(self.target.read_bytes())["metadata"]["netpress"]["key"] != self.key)
        except (OSError, ValueError, KeyError, TypeError):
            return True


def build(chosen: Sequence[str] = (), out: Path | None = None) -> int:
    """Make the book's site at `out` (`_build/html` in the project). What has not changed is not done again.

    `chosen` editions, or the demo and every other one that has records. Only a demo edition is trained. Returns the
    number of runs that failed. Raises UserError, with what was there before untouched, for an unknown edition, one
    without records, a chapter that fails, and any warning of Sphinx.
    """
    from filelock import FileLock

    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # jsonschema begins a second sooner
    chosen = [editions.proper(edition) for edition in chosen]
    book = Book(env.root(), tuple(chosen))
    site = (out or book.project / "_build" / "html").absolute()
    site = site.resolve() if site.is_symlink() else site  # the link stays, what it leads to is replaced
    render.replaceable(site)
    for place in (book.project / "_build", site.parent):  # told now, not after the chapters have run
        with temporary_file(place):
            pass
    failed = 0
    with FileLock(book.project / "_build" / "lock"):
        if book.trains and not book.trained:
            if book.waits and (first := book.plan([e for e in editions.EDITIONS if e != DEMO])):
                book.publish(first, site)
                print(f"Open it now: {site / 'index.html'} (the demo is trained next, and its pages join)", flush=True)
            failed = book.train()
        plan = book.plan(chosen or editions.EDITIONS)
        if not plan:
            raise UserError(
                f"No record for some chapter in {', '.join(chosen or editions.EDITIONS)}: run `netpress run all "
                "--edition small` first, or build the demo with `netpress book`."
            )
        book.publish(plan, site)
    if 'repository_url: ""' in (book.project / "_config.yml").read_text(encoding="utf-8"):
        print("Pages have no buttons to the code: _config.yml names no repository_url.", file=sys.stderr)
    print(f"The book: {site / 'index.html'}")
    if any(names[1:] for names in plan.values()):
        print(f"What this machine has trained: {site / FURTHER / 'index.html'}")
    return failed


class Book:
    """The chapters of a project, and what is there to show of them. `chosen`: editions, or none for all."""

    def __init__(self, project: Path, chosen: tuple[str, ...] = ()):
        self.project, self.chosen = project, chosen
        self.toc = read_toc(project)
        # before kernels import the code: what is edited from here on, the next build shows
        code = digest_of_folder(Path(netpress.__file__).parent, (".py", ".csv", ".css", ".js"))
        self.shared = json.dumps([code, render.packages(), {name: data.checksum(name) for name in data.DATASETS}])
        self.trains = [e for e in chosen or (DEMO,) if editions.parse(e)[0] == DEMO]

    @cached_property
    def chapters(self) -> dict[str, Path]:
        """The notebooks of the book, in reading order: "triage/result" -> where it is."""
        names = [name.removeprefix("chapters/") for name in pages_of(self.toc)]
        found = {name: self.project / "chapters" / f"{name}.ipynb" for name in names}
        return {name: path for name, path in found.items() if path.exists()}

    @cached_property
    def papers(self) -> tuple[str, ...]:
        """The papers that have chapters."""
        return tuple(p for p in papers.PAPERS if any(p in papers_of(chapter) for chapter in self.chapters))

    # the demo

    @property
    def mark(self) -> Path:
        """The file that says that all of the demo was done, beside the weights that this left."""
        return env.cache_dir() / f"trained-{'-'.join(map(slug, self.trains or [DEMO]))}"

    @property
    def trained(self) -> bool:
        """Whether all of the demo was done by this very code, and its records are as they were left."""
        return self.mark.exists() and self.mark.read_text() == self.demo_key()

    @property
    def waits(self) -> bool:
        """Whether some of the demo has to be trained, which takes minutes, and a site without it is wanted first."""
        return not self.chosen and any(have(p, e)[0] < have(p, e)[1] for p in self.papers for e in self.trains)

    def demo_key(self) -> str:
        """Digest of the code and of the demo's records."""
        folders = [env.results_dir() / edition for edition in self.trains or [DEMO]]
        return hashlib.sha256(" ".join([self.shared, *map(digest_of_folder, folders)]).encode()).hexdigest()

    def train(self) -> int:
        """Train and measure what the demo lacks for the papers that have chapters; the number of runs that failed."""
        from netpress.papers import speed, together
        from netpress.runs import sweep

        failed = 0
        for edition in self.trains:
            runs = [run for paper in self.papers for run in papers.grid(paper, edition)]  # no core waits for a paper
            failed += len(sweep.ensure(runs, edition).failures)
            if "pyramid" in self.papers:
                speed.ensure_levels(edition)
            if self.papers == papers.PAPERS:
                shown = dict.fromkeys(papers.PAPERS, edition)
                speed.ensure_latencies(shown, together.common(shown))
            for chapter, source in self.chapters.items():
                if papers_of(chapter) == (editions.YOURS,):
                    check_parameters(source, {"edition": edition}).records()
        if not failed:
            write_atomic(self.mark, self.demo_key().encode())
        return failed

    # pages

    def plan(self, candidates: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Chapter -> the editions to show: the best one whose records are complete, then the others.

        Empty where a chapter has no record in any of the `candidates`.
        """
        order = sorted(candidates, key=lambda name: -editions.EDITIONS.index(editions.parse(name)[0]))
        states = {paper: {edition: have(paper, edition) for edition in order} for paper in self.papers}
        made: dict[str, tuple[str, ...]] = {}
        for chapter, source in self.chapters.items():
            names = [paper for paper in papers_of(chapter) if paper in states]
            with_some = [e for e in order if any(states[paper][e][0] for paper in names)]
            if defaults(source).get("edition") == BEST:
                made[chapter] = (self.chosen[0] if len(self.chosen) == 1 else BEST,)  # one page for all editions
                if not with_some:
                    return {}
            elif not names:
                made[chapter] = ((self.trains or [DEMO])[0],)
            elif with_some:
                complete = [e for e in with_some if all(states[p][e][0] == states[p][e][1] for p in names)]
                main = (complete or with_some)[0]
                made[chapter] = (main, *(e for e in with_some if e != main))
            else:
                return {}
        return made

    def publish(self, plan: Mapping[str, tuple[str, ...]], site: Path) -> None:
        """Run what is outdated of the planned pages, and put the site in its place."""
        once = cache(digest_of_folder)  # of a folder that many pages depend on
        done = self.trained
        jobs = {(e, chapter): self.job(chapter, e, done, once) for chapter, es in plan.items() for e in es}
        if cut := sorted({job.chapter for job in jobs.values() if job.cut}):
            print(f"Left out until the demo is trained (`netpress book`): parts of {', '.join(cut)}", file=sys.stderr)
        todo = [job for job in jobs.values() if job.outdated]
        for job in todo:
            check_parameters(job.source, job.parameters)
        # the papers take turns: no two pages that are run at once judge the same claims; those of all papers come last
        turns = {
            job.chapter: [j.chapter for j in todo if papers_of(j.chapter) == papers_of(job.chapter)] for job in todo
        }
        todo.sort(key=lambda job: (len(papers_of(job.chapter)) > 1, turns[job.chapter].index(job.chapter)))
        run_all(todo)
        render.render(self.assemble(plan, {key: job.target for key, job in jobs.items()}), site)

    def job(self, chapter: str, edition: str, trained: bool, digest: Callable[..., str] = digest_of_folder) -> Job:
        """A chapter in an edition, with the key of everything that can change its page. `trained`: whether the demo
        is."""
        source = self.chapters[chapter]
        wanted = {"edition": edition, "run_missing": False}
        parameters = {name: value for name, value in wanted.items() if name in defaults(source)}
        needs_demo = any(has_tag(cell, NEEDS_DEMO) for cell in notebook(source)["cells"])
        shown = [e for e in editions.EDITIONS if e != DEMO or self.only_demo] if edition == BEST else [edition]
        shown += [DEMO] if needs_demo and trained and DEMO not in shown else []
        shown += [e for e in records.changed_editions() if editions.parse(e)[0] in shown and e not in shown]
        names = papers_of(chapter)
        folders = [f"{name}/{kind}" for name in shown for kind in (*names, "claims")]
        folders += ["bench"] if len(names) > 1 else []
        recorded = {folder: digest(env.results_dir() / folder, (".json",)) for folder in folders}
        cut = needs_demo and not trained
        parts = [hashlib.sha256(source.read_bytes()).hexdigest(), parameters, recorded, self.shared, cut]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        target = self.project / "_build" / "pages" / slug(edition) / f"{chapter}.ipynb"
        return Job(self.project, chapter, target, parameters, key, cut)

    @cached_property
    def only_demo(self) -> bool:
        """Whether a page of the best editions may show the demo, as some paper has no other complete one."""
        committed = [e for e in editions.EDITIONS if e != DEMO]
        return any(all(have(p, e)[0] < have(p, e)[1] for e in committed) for p in self.papers)

    def assemble(self, plan: Mapping[str, tuple[str, ...]], made: Mapping[tuple[str, str], Path]) -> Path:
        """The folder that Sphinx renders. Files that are the same stay untouched, so that it reads only the others."""
        import nbformat

        home, files = self.project / "chapters", dict[str, bytes]()
        texts = {path.relative_to(home).as_posix(): path for path in home.rglob("*") if path.is_file()}
        listed = {f"{name.removeprefix('chapters/')}.md" for name in pages_of(self.toc)} | {f"{FURTHER}/index.md"}
        for name, path in texts.items():
            if name in listed or (path.suffix not in (".md", ".ipynb") and ".ipynb_checkpoints" not in path.parts):
                files[name] = path.read_bytes()
        for folder in ("_static", "_ext"):
            for path in (self.project / folder).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    files[path.relative_to(self.project).as_posix()] = path.read_bytes()
        for name in ("CITATION.cff", "_redirects.json"):
            if (self.project / name).exists():
                files[name] = (self.project / name).read_bytes()
        for name in ("_config.yml", "_toc.yml"):  # the landing page is the site's index.html
            text = (self.project / name).read_text(encoding="utf-8").replace("chapters/", "")
            files[name] = text.replace("only_build_toc_files: true", "only_build_toc_files: false").encode()
        for chapter, names in plan.items():
            files[f"{render.NOTEBOOKS}/{chapter}.ipynb"] = self.chapters[chapter].read_bytes()  # to be taken away
            page = nbformat.read(made[names[0], chapter], as_version=4)
            files |= page_files(f"{chapter}.ipynb", page)
        files |= self.further(plan, made, {n: c for n, c in files.items() if n.lower().endswith(PICTURES)})
        book = self.project / "_build" / "book"
        sync(book, files)
        return book

    def further(
        self, plan: Mapping[str, tuple[str, ...]], made: Mapping[tuple[str, str], Path], pictures: Mapping[str, bytes]
    ) -> dict[str, bytes]:
        """Path -> content of the pages of further editions, with labels of their own, and of the page that lists them.

        They stand outside of the sidebar, the reading order and the search.
        """
        import nbformat

        files: dict[str, bytes] = {}
        lists = []
        for edition in dict.fromkeys(e for names in plan.values() for e in names[1:]):
            paths = {chapter: made[edition, chapter] for chapter, names in plan.items() if edition in names[1:]}
            pages = {chapter: nbformat.read(path, as_version=4) for chapter, path in paths.items()}
            known = {label for page in pages.values() for label in labels(page)}
            folder = f"{FURTHER}/{slug(edition)}"
            lists += [f"## Edition {edition}", f"{editions.MEANT_FOR[editions.parse(edition)[0]]}:".capitalize()]
            lists += ["\n".join(f"- [](/{folder}/{chapter}.ipynb)" for chapter in pages)]
            for chapter, page in pages.items():
                files |= page_files(f"{folder}/{chapter}.ipynb", for_edition(page, edition, known))
            files |= {f"{folder}/{n}": c for n, c in pictures.items() if not n.startswith(("_", FURTHER))}
        index = self.project / "chapters" / FURTHER / "index.md"
        if index.exists() and lists:
            files[f"{FURTHER}/index.md"] = "\n\n".join([index.read_text(encoding="utf-8"), *lists]).encode()
        return files


# running notebooks


def run_all(todo: Sequence[Job]) -> None:
    """Run notebooks of one project, in as many kernels as there are cores, with a bar on stderr.

    Each kernel runs one notebook after another: what they import and read, it does once. Raises UserError for the first
    one that fails.
    """
    from joblib import cpu_count
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync
    from tqdm import tqdm

    if not todo:
        return
    waiting = deque(todo)
    number = min(len(todo), cpu_count(), max(1, env.memory() // KERNEL))

    def work(kernel: AsyncKernelManager) -> None:
        try:
            while waiting:
                execute(waiting.popleft(), kernel)
                bar.update()
        finally:
            waiting.clear()  # where one fails, no other begins
            if kernel.has_kernel:
                run_sync(kernel.shutdown_kernel)(now=True)

    with kernels(todo[0].project, number) as ready, tqdm(total=len(todo), unit="page", file=sys.stderr) as bar:
        pool = ThreadPoolExecutor(number)
        try:
            for done in as_completed([pool.submit(work, kernel) for kernel in ready]):
                done.result()
        except BaseException as error:  # whoever asked for the end ends the kernels: nobody waits for them here
            waiting.clear()
            pool.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
            raise
        pool.shutdown()


@contextmanager
def kernels(project: Path, number: int) -> Iterator[list[Any]]:
    """Managers of `number` kernels, which inside begin in the project's folder and know nothing of the user's set-up.

    It is the whole process that is changed.
    """
    from ipykernel.kernelspec import write_kernel_spec
    from jupyter_client.manager import AsyncKernelManager

    with tempfile.TemporaryDirectory(dir=env.short_folder(), ignore_cleanup_errors=True) as folder:
        write_kernel_spec(Path(folder) / "kernels" / "python3")  # one of the user or the system may be another Python
        ours = dict.fromkeys(("JUPYTER_PATH", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"), folder)
        same = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}  # so that a page comes out the same
        with env.changed(ours | same | env.absolute()), chdir(project):
            ready = []
            for place in range(number):  # sockets of its own: over TCP, anyone on the machine could connect
                own = Path(folder) / str(place)  # short enough for the name of a socket
                own.mkdir()
                names = {"ip": f"{own}/kernel", "connection_file": f"{own}/connection.json"}
                ready.append(AsyncKernelManager(kernel_name="python3", transport="ipc", **names))
            yield ready


def execute(job: Job, kernel: Any) -> Path:
    """Run a notebook in a kernel through papermill, and put the cleaned copy in its target.

    Raises UserError where a cell fails. The target is the whole new notebook or what it was before.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    page = nbformat.reads(text_of(job.source), as_version=4)
    if job.cut:
        first = next(i for i, cell in enumerate(page.cells) if has_tag(cell, NEEDS_DEMO))
        page.cells.insert(first, nbformat.v4.new_markdown_cell(NOT_YET, id="not-yet"))
        page.cells = [cell for cell in page.cells if not has_tag(cell, NEEDS_DEMO)]
    page.cells.insert(0, nbformat.v4.new_code_cell(RESET))
    options = {"extra_arguments": ["--log-level=50", "--HistoryManager.enabled=False"]}
    try:
        page = papermill.execute_notebook(
            page, None, dict(job.parameters), kernel_name="python3", progress_bar=False, km=kernel, **options
        )
    except PapermillExecutionError as error:
        message = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(
            f"The chapter {job.chapter} failed in its code cell {error.exec_count - 1}: {message}"
        ) from None
    except (RuntimeError, EOFError, ConnectionError):
        raise UserError(
            f"The kernel of the chapter {job.chapter} was killed (the system does so when memory runs out): "
            "free some memory and run it again."
        ) from None
    del page.cells[0]
    page = clean(page, job.key)
    nbformat.validate(page)
    write_atomic(job.target, nbformat.writes(page).encode())
    return job.target


def clean(page: Any, key: str) -> Any:
    """The notebook without what differs from one run to the next, with parameters hidden and progress bars gone."""
    page.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "netpress": {"key": key},
    }
    for number, cell in enumerate(page.cells):
        tags = cell.metadata.get("tags", [])
        cell.metadata = {name: cell.metadata[name] for name in ("tags", "mystnb") if name in cell.metadata}
        if cell.cell_type != "code":
            continue
        if any(tag in HIDDEN for tag in tags):
            cell.metadata["tags"] = [*tags, "remove-cell"]
        if "injected-parameters" in tags:
            cell["id"] = f"injected-{number}"
        wanted = [o for o in cell.outputs if o.get("name") != "stderr" and o.get("metadata") != HERE]
        cell.outputs = wanted
        for output in wanted:
            if "metadata" in output:
                output["metadata"].pop("widgets", None)
    return page


# the folder that Sphinx reads


def read_toc(project: Path) -> dict[str, Any]:
    """`_toc.yml` of the project; UserError where it is missing, or no table of contents."""
    import yaml

    path = project / "_toc.yml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return dict(found) if found["root"] else {}
    except FileNotFoundError:
        raise UserError(
            f"There is no book in {project}: run this in the project's folder, where _toc.yml is."
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no table of contents ({reason}): restore it with `git checkout`.") from None


def pages_of(toc: Mapping[str, Any]) -> list[str]:
    """All pages of a table of contents, in reading order."""
    found = [toc[key] for key in ("root", "file") if key in toc]
    for key in ("parts", "chapters", "sections"):
        for entry in toc.get(key, ()):
            found += pages_of(entry)
    return found


def sync(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder hold these files, path -> content, and no others but in `_build`; same ones are not touched."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name, path in there.items():
        if name not in files and not name.startswith("_build/"):
            path.unlink()
    for name, content in files.items():
        if name not in there or there[name].read_bytes() != content:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def page_files(name: str, page: Any) -> dict[str, bytes]:
    """The notebook as the file `name`, with pictures that were pasted into it as files beside it."""
    import nbformat

    files: dict[str, bytes] = {}
    for number, cell in enumerate(page.cells):
        for picture, kinds in cell.pop("attachments", {}).items():
            place = f"{Path(name).stem}-{number}-{picture}".replace(" ", "-")
            for written in (picture, quote(picture)):
                cell.source = cell.source.replace(f"attachment:{written}", place)
            files[f"{Path(name).parent.as_posix()}/{place}"] = base64.b64decode("".join(next(iter(kinds.values()))))
    return files | {name: nbformat.writes(page).encode()}


# pages of further editions


def slug(edition: str) -> str:
    """An edition's name as part of a label or a file's name: "demo+epochs=2" -> "demo-epochs-2"."""
    return re.sub(r"[^a-z0-9]+", "-", edition.lower()).strip("-")


def labels(page: Any) -> list[str]:
    """Every label that a notebook defines, in order, doubles included."""
    found = [DEFINED.findall(cell.source) for cell in page.cells if cell.cell_type == "markdown"]
    return [first or second for pairs in found for first, second in pairs]


def renamed(text: str, known: Iterable[str], ending: str) -> str:
    """The text with every known label, wherever it stands as a whole word, ending in `-<ending>`."""
    names = sorted(known, key=len, reverse=True)
    whole = re.compile(rf"(?<![\w:-])({'|'.join(map(re.escape, names))})(?![\w:-])")
    return whole.sub(lambda match: f"{match[1]}-{ending}", text) if names else text


def for_edition(page: Any, edition: str, known: Iterable[str]) -> Any:
    """A copy of an executed notebook as a further edition's page: its title and its labels get the edition's name.

    `known` are the labels of all pages that the edition has: links between them stay in the edition, others lead to
    the main pages.
    """
    page = copy.deepcopy(page)
    page.metadata |= {"orphan": True, "nosearch": True}
    named = 0
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = renamed(cell.source, known, slug(edition))
            if not named:
                cell.source, named = TITLE.subn(rf"# \1 (edition {edition})", cell.source, count=1)
        for output in cell.get("outputs", []):
            bundle = output.get("data", {})
            for kind, content in bundle.items():
                if kind.endswith("text/html"):  # what leads out of a page's folder does so from two further down
                    bundle[kind] = UPWARDS.sub(r"\1../../../", content)
                elif kind.endswith("text/markdown"):
                    bundle[kind] = renamed(content, known, slug(edition))
    return page
