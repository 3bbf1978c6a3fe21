"""CONTRIBUTING's recipe for a fourth paper, followed with its very lines: it is then seen wherever papers are."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import books
import pytest
import recipes
from typer.testing import CliRunner

from netpress import cli, editions, papers
from netpress.book import pages, readme
from netpress.book.page import Page
from netpress.papers import together
from netpress.report.explorer import Explorer
from netpress.runs import records

KEY = "fourth"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The recipe followed in a folder of its own, and its grid run; gives the results."""
    folder, lines = tmp_path_factory.mktemp("papers"), {file: own for file, _, own in recipes.blocks("A fourth paper")}
    (folder / KEY).mkdir()
    for name in ("__init__.py", "claims.py"):
        (folder / KEY / name).write_text(lines[f"src/netpress/papers/{KEY}/{name}"], encoding="utf-8")
    rows = eval(f"{{{lines['src/netpress/editions.py']}}}", {"DIGITS": editions.DIGITS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(papers, "__path__", [*papers.__path__, str(folder)])
        patch.setattr(papers, "PAPERS", (*papers.PAPERS, KEY))
        for name, row in rows.items():
            patch.setitem(editions.ROWS, name, row)
        patch.setenv("NETPRESS_RESULTS", str(folder / "results"))
        patch.setenv("NETPRESS_CACHE", str(folder / "cache"))
        patch.chdir(books.ROOT)
        told("run", KEY, "--workers", "1")
        yield folder / "results"
    for name in [name for name in sys.modules if name.startswith(f"netpress.papers.{KEY}")]:
        del sys.modules[name]


def told(*words: str) -> str:
    """What `netpress` prints."""
    done = CliRunner().invoke(cli.app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_line_has_it(followed: Path) -> None:
    labels = ["fourth/digits/cnn-16-32-parent-s0", "fourth/digits/cnn-16-32-pruned-2x-s0"]
    rows = json.loads(told("plan", KEY, "--json"))
    assert [(row["name"], row["state"]) for row in rows] == [(label, "done") for label in labels]
    assert all((followed / "demo" / f"{label}.json").exists() for label in labels)
    assert KEY in told("status") and labels[1] in told("results", KEY, "--format", "csv")
    (claim,) = (row for row in json.loads(told("claims", "--edition", "demo", "--json")) if row["paper"] == KEY)
    assert (claim["id"], claim["n"]) == ("H1", 1) and claim["effect"] is not None


def test_a_setting_of_its_own_can_be_changed(followed: Path) -> None:
    assert {run.epochs for run in papers.grid(KEY, editions.with_changes("demo", ["epochs=3"]))} == {3}


def test_the_board_of_claims_has_it(followed: Path) -> None:
    page = Page(chapter="together/claims", edition="demo", run_missing=False)
    html = pages.board(page, ["H1"], facts=True).html
    assert 'id="claim-H1"' in html and "Half of the weights can go." in html


def test_the_explorer_has_it_in_a_colour_of_its_own(followed: Path) -> None:
    runs = papers.grid(KEY, "demo")
    shown = Explorer(records.frame(runs, "demo"), records.history(runs, "demo"))
    assert "<td>pruned-2x" in shown._repr_html_()
    colour = shown.data["charts"]["scatter"]["layer"][0]["encoding"]["color"]
    assert colour["field"] == "paper" and len(set(colour["scale"]["range"])) >= len(papers.PAPERS)


def test_the_readme_counts_its_claims(followed: Path) -> None:
    claims = sum(len(papers.get(key).claims) for key in papers.PAPERS)
    assert f"of {claims} claims held here" in readme.section("demo")


def test_all_approaches_have_it(followed: Path) -> None:
    networks = together.networks({KEY: "demo"}, "digits")
    assert dict(zip(networks["network"], networks["approach"], strict=True)) == {
        "cnn-16-32 parent": "uncompressed", "cnn-16-32 pruned-2x": "pruned",
    }  # fmt: skip
    parameters = dict(zip(networks["approach"], networks["parameters"], strict=True))
    assert parameters["uncompressed"] > 0


def test_every_file_that_is_named_exists() -> None:
    text = (books.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w/]+\.(?:py|csv|bib|yml))`", text) if KEY not in name}
    for name in named - {"tables.py", "figures.py"}:
        places = (books.ROOT, books.ROOT / "src/netpress", books.ROOT / "src/netpress/data")
        found = any((place / name).exists() for place in places)
        assert found or list((books.ROOT / "src/netpress").rglob(name)), name


def test_every_registered_paper_has_settings_and_is_whole() -> None:
    assert set(editions.papers()) == set(papers.PAPERS)
    for key in papers.PAPERS:
        paper = papers.get(key)
        assert paper.key == key and paper.title and paper.authors and paper.year > 2000
        assert {claim.paper for claim in paper.claims} == {key}


def test_every_grid_is_listed_without_torch_pandas_or_numpy() -> None:
    code = (
        "import sys; from netpress import papers; [papers.grid(key, 'demo') for key in papers.PAPERS]; "
        "print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
