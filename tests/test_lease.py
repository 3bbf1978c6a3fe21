"""baselines/lease.sh, with a Python and an MPS that do nothing but note what they were asked for."""

import os
import subprocess
from pathlib import Path

import books
import pytest

SCRIPT = books.ROOT / "baselines" / "lease.sh"
PYTHON = """#!/bin/sh
echo "$*" >> "$NOTED"
case "$*" in *"--seeds 10"*) mkdir -p "$NETPRESS_RESULTS/ten"; echo {} > "$NETPRESS_RESULTS/ten/one.json"; exit 1;; esac
"""


class Machine:
    """A machine of its own: its folders, and the script run on it."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name, text in (("python", PYTHON), ("nvidia-cuda-mps-control", "#!/bin/sh\necho mps >> $NOTED\n")):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        own = {"LEASE": "lease", "OUT": "out", "PIECES": "sent", "RESULTS": "results", "NETPRESS_DATA": "data"}
        own |= {"PYTHON": "python", "NOTED": "noted"}
        self.variables = {name: str(folder / place) for name, place in own.items()}
        self.variables |= {"PATH": f"{folder}:{os.environ['PATH']}", "SIZE": "40000"}

    def does(self, *words: str) -> tuple[int, str]:
        """Exit status, and what was said."""
        done = subprocess.run(
            ["bash", str(SCRIPT), *words], env=os.environ | self.variables, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_data_travel_in_pieces_and_are_whole_afterwards(machine: Machine) -> None:
    sent, data = machine.folder / "sent", machine.folder / "data" / "CIFAR-10"
    data.mkdir(parents=True)
    for name, size in {"test.npz": 30_000, "train.npz": 70_000}.items():
        (data / name).write_bytes(os.urandom(size))
    assert machine.does("cut")[0] == 0
    pieces = {path.name: path.read_bytes() for path in sent.iterdir()}
    assert len(pieces) == 4 and all(len(content) <= 40_000 for content in pieces.values())
    assert "not here" in machine.does("run")[1]
    for number in (2, 0, 1):
        for path in sent.glob("piece.*"):
            path.unlink()
        (sent / f"piece.0{number}").write_bytes(pieces[f"piece.0{number}"])
        _, told = machine.does("join")
    assert told == "lease: all data are here\n"
    for path in data.iterdir():
        assert (machine.folder / "lease" / "data" / "CIFAR-10" / path.name).read_bytes() == path.read_bytes()


def test_seed_after_seed_until_the_time_is_up(machine: Machine) -> None:
    """What there is comes back, also where a seed did not end."""
    (machine.folder / "lease" / "data" / "CIFAR-10").mkdir(parents=True)
    assert machine.does("run")[0] == 0
    noted = (machine.folder / "noted").read_text().splitlines()
    grid = "-m netpress.cli run triage --dataset cifar10 --edition small --set width=1,images=all"
    assert noted == [
        "mps",
        "-m netpress.cli bench step-128",
        *(f"{grid} --only *[zwr][eo][ndl]-s{seed} --seeds {seed}" for seed in (9, 10)),
        "mps",
    ]
    assert [path.name for path in (machine.folder / "out").iterdir()] == ["records.tar.gz.00"]
    assert machine.does("unpack", str(machine.folder / "out"))[0] == 0
    assert (machine.folder / "results" / "ten" / "one.json").exists()


def test_what_it_asks_for_is_there() -> None:
    from netpress import benchmarks, papers

    assert "step-128" in benchmarks.MEASUREMENTS
    runs = papers.grid("triage", "small+images=all+width=1", ("cifar10",), (9,))
    chosen = papers.matching(runs, "*[zwr][eo][ndl]-s9")
    assert len(chosen) == 31 and {run.method for run in runs if run not in chosen} >= {"parent"}
