"""baselines/lease.sh, from a bare machine to records, at toy size on the CPU, with the packages that such a machine
lacks out of sight."""

import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import requires
from pathlib import Path

import books
import pytest

from netpress import papers
from netpress.benchmarks import results
from netpress.runs import records

SCRIPT = books.ROOT / "baselines" / "lease.sh"
# typer 0.20 does without pydantic, and such a machine has that one; newer ones need it
OWN = () if any(need.startswith("pydantic") for need in requires("typer") or ()) else ("pydantic",)
LACKING = ("papermill", "jupyter_book", "torchao", "ray", "altair", "nbformat", "nbclient", "IPython", *OWN)
# Python imports this by itself when it starts
HIDDEN = f"""
from importlib.machinery import PathFinder
find = PathFinder.find_spec

def found(cls, name, *more):
    return None if name.split(".")[0] in {LACKING} else find(name, *more)

PathFinder.find_spec = classmethod(found)
"""


class Machine:
    """A machine of its own: its folders, and the script run on it."""

    def __init__(self, folder: Path):
        self.folder, self.out = folder, folder / "out"
        (folder / "hidden").mkdir(parents=True)
        (folder / "hidden" / "sitecustomize.py").write_text(HIDDEN)
        own = {"LEASE": "lease", "OUT": "out", "PIECES": "sent", "RESULTS": "results", "NETPRESS_DATA": "data"}
        self.surroundings = {name: str(folder / place) for name, place in own.items()} | {
            "PYTHON": sys.executable, "PYTHONPATH": str(folder / "hidden"), "NETPRESS_DEVICE": "cpu", "TOY": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip

    def does(self, *words: str, **more: str) -> tuple[int, str]:
        """Exit status, and what was said."""
        done = subprocess.run(
            ["bash", str(SCRIPT), *words], env=os.environ | self.surroundings | more, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def came_back(machine: Machine, pattern: str) -> set[str]:
    """The names of the records that came back, unpacked."""
    files = list(machine.out.iterdir())
    assert len(files) <= 8 and all(path.stat().st_size < 16 * 2**20 for path in files)
    assert machine.does("unpack", str(machine.out))[0] == 0
    return {path.stem for path in (machine.folder / "results").glob(pattern)}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_data_travel_in_pieces_and_are_whole_afterwards(machine: Machine) -> None:
    """In any order; a file is there as soon as its pieces are."""
    sent, data = machine.folder / "sent", machine.folder / "data"
    for name, size in {"CIFAR-10/test.npz": 30_000, "CIFAR-10/train.npz": 70_000, "MNIST/raw/t10k.gz": 30_000}.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(os.urandom(size))
    (data / "README.md").write_text("of no data set")
    assert machine.does("cut", "40000")[0] == 0
    pieces = contents(sent)
    assert len(pieces) == 4 and all(len(piece) <= 40_000 for piece in pieces.values())
    seen = []
    for number in (2, 0, 1, 3):
        for path in sent.iterdir():
            path.unlink()
        name = sorted(pieces)[number]
        (sent / name).write_bytes(pieces[name])
        seen.append(machine.does("join"))
    assert [status for status, _ in seen] == [1, 0, 0, 0]  # without the first nobody knows what there is
    assert "the first piece is not here" in seen[0][1] and "3 of 4 pieces, 2 of 3 files" in seen[2][1]
    wanted = {name: content for name, content in contents(data).items() if name != "README.md"}
    assert contents(machine.folder / "lease" / "data") == wanted
    path = next(sent.iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    assert machine.does("join") == (1, f"lease: the piece {path.name} is damaged: send it again.\n")


def test_the_tests_of_a_gpu_are_found(machine: Machine) -> None:
    status, told = machine.does("tests")
    assert status == 0 and "needs a CUDA GPU" in told, told
    assert "skipped" in (machine.out / "tests.log").read_text()


def test_measurements_are_done_once(machine: Machine) -> None:
    status, told = machine.does("bench")
    assert status == 0, told
    assert machine.does("bench") == (0, "")  # nothing was left
    assert came_back(machine, f"bench/{results.QUICK}/*") == {"step-128", "triage-grid"}


def test_from_a_bare_machine_to_records(machine: Machine) -> None:
    status, told = machine.does("large", LIMIT="0")
    assert status == 124, told
    status, told = machine.does("large")
    assert status == 0 and told.count("0 not done") == 3, told
    assert {name.rsplit("-s", 1)[0] for name in came_back(machine, "demo+*/**/*.json")} == {
        "vgg16-parent", "vgg16-block5-mean-frozen", "vgg16-block5-mean-thawed", "vgg19-parent",
        "svgg5-forward-scratch",
        "six-layer-parent", "six-layer-pruned-5x-global-retrained", "six-layer-shared-4b-5x-untuned",
    }  # fmt: skip
    done = {path.stem: records.read(path) for path in (machine.folder / "results").glob("demo+*/**/*.json")}
    assert all(record and record["status"] == "done" for record in done.values())
    without = (done["six-layer-parent-s0"] or {})["measures"]  # a record for all that
    assert without["int8_accuracy"] is None and "int8_reason" in without


NOTES = """#!/bin/sh
echo "$*" >> "$NOTED"
"""
STUBBORN = (
    NOTES
    + """trap '' TERM
while :; do sleep 0.1; done
"""
)


def with_a_python(machine: Machine, script: str, *words: str, **more: str) -> tuple[int, str, list[str]]:
    """Exit status, what was said, and what a Python that does nothing but note it was asked for."""
    python, noted = machine.folder / "python", machine.folder / "noted"
    python.write_text(script)
    python.chmod(0o755)
    status, told = machine.does(*words, PYTHON=str(python), NOTED=str(noted), **more)
    return status, told, noted.read_text().splitlines()


def test_nothing_begins_after_a_command_that_had_to_be_killed(machine: Machine) -> None:
    """And weights that nobody needs are not kept: those of all networks would not fit on the disk."""
    status, told, noted = with_a_python(machine, STUBBORN, "large", LIMIT="0", PATIENCE="1")
    assert status == 124 and told.count("(at most") == 1, told
    assert len(noted) == 1 and noted[0].startswith("-m netpress.cli run triage")


@pytest.mark.parametrize("edition", ["large", "small"])
def test_an_edition_is_gone_through_in_order(machine: Machine, edition: str) -> None:
    status, _, noted = with_a_python(machine, NOTES, edition, TOY="")
    assert status == 0 and [line.split()[4] for line in noted] == ["triage"] * 4 + ["pyramid", "compressing"]
    assert all(line.endswith(f" --edition {edition}") for line in noted)


def test_a_measurement_that_may_not_end_in_time_does_not_begin(machine: Machine) -> None:
    status, told, noted = with_a_python(machine, NOTES, "bench", LIMIT="200")
    assert status == 124 and "triage-grid is for the next call" in told
    assert noted == ["-m netpress.cli bench step-128 --quick"]


def test_only_the_book_checks_its_parameters_with_pydantic() -> None:
    package = books.ROOT / "src" / "netpress"
    found = [path for path in package.rglob("*.py") if re.search(r"(import|from) pydantic", path.read_text("utf-8"))]
    assert {path.parent.name for path in found} == {"book"}


def test_records_that_are_here_are_not_made_again(machine: Machine) -> None:
    """On a new machine it goes on from the records in results, and leaves them with its own."""
    known = machine.folder / "results" / "large" / "triage" / "cifar10" / "one.json"
    known.parent.mkdir(parents=True)
    known.write_text("{}")
    assert machine.does("bench", "nothing")[0] == 2
    with tarfile.open(machine.out / "records.tar.gz.00") as tar:
        assert "./large/triage/cifar10/one.json" in tar.getnames()


def test_what_the_script_runs_is_there(machine: Machine) -> None:
    """Its parts of the bench are parts of the bench, its papers papers, in the order in which they are wanted."""
    from netpress import benchmarks

    text = SCRIPT.read_text(encoding="utf-8")
    assert set(words(text, "PARTS")) <= benchmarks.MEASUREMENTS.keys()
    large = words(text, "LARGE")
    assert [word for word in large if word in papers.PAPERS] == ["triage"] * 4 + ["pyramid", "compressing"]
    assert [large[i + 1] for i, word in enumerate(large) if word == "--dataset"] == [
        "cifar10", "cifar100", "mnist", "dogs",
    ]  # fmt: skip


def words(text: str, name: str) -> list[str]:
    """The words of the first array of this name in a script."""
    return text.split(f"\n{name}=(")[1].split(")")[0].replace('"', " ").split()
