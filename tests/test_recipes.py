"""CONTRIBUTING's recipes for a method, a hyper-parameter, a claim, a data set and a network, with their very lines.

They are followed in one copy of the package; each test asks a process that runs that copy.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recipes
import sweeps

TITLES = ("A method", "A hyper-parameter", "A claim", "A data set", "A network")
IMAGES = {"train": 2_600, "test": 520}
DEPTHS = {"forward": (14, 11, 8, 5), "backward": (17, 14, 11, 8)}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with all five followed, and made-up letters in a data folder."""
    folder = recipes.copied(tmp_path_factory.mktemp("recipes"))
    for title in TITLES:
        recipes.follow(title, folder)
    (folder / "data" / "letters").mkdir(parents=True)
    table = folder / "src" / "netpress" / "data" / "files.csv"
    for split, count in IMAGES.items():
        content = letters(count).tobytes()
        (folder / "data" / "letters" / f"{split}.bin").write_bytes(content)
        table.write_text(
            table.read_text().replace(f"sha256:{split.upper()}", f"sha256:{hashlib.sha256(content).hexdigest()}")
        )
    return folder


def letters(count: int) -> np.ndarray:
    """Labels in turn, and images that are as bright as the label says: (count, 785)."""
    labels = (np.arange(count) % 26).astype(np.uint8)
    return np.concatenate([labels[:, None], np.repeat(9 * labels[:, None], 784, axis=1)], axis=1)


def told(tree: Path, code: str) -> Any:
    """What a program in the copy prints, as JSON."""
    own = sweeps.environment(tree, NETPRESS_DATA=str(tree / "data"))
    own["PYTHONPATH"] = os.pathsep.join([str(tree / "src"), str(Path(__file__).parent)])
    done = subprocess.run([sys.executable, "-c", code], env=own, cwd=tree, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


BEGIN = "import json; from netpress import papers, editions, nets; from netpress.runs import records, sweep; "


def test_a_method_is_planned_run_and_shown(tree: Path) -> None:
    found = told(tree, BEGIN + """
edition = "demo+images=96+parent_epochs=1+imitation_epochs=1+epochs=1+width=0.02"
runs = papers.grid("pyramid", edition)
mine = [run for run in runs if dict(run.factors)["approach"] == "attention"]
one = next(run for run in mine if run.model == "svgg14-forward")
sweep.ensure([one], edition, workers=1)
from netpress.papers.pyramid import tables
table = tables.printed_beside(papers.frame(runs, edition), 1).cells
print(json.dumps({
    "models": sorted({run.model for run in mine}),
    "approach": papers.get("pyramid").approach(one), "state": records.state(one, edition),
    "column": "Attention transfer" in str(table.columns.tolist()),
}))
""")  # fmt: skip
    # not svgg17-forward and svgg5-backward, which compress the head
    models = [f"svgg{depth}-{direction}" for direction, depths in DEPTHS.items() for depth in depths]
    assert found == {
        "models": sorted(models), "approach": "straight from VGG19", "state": "done", "column": True,
    }  # fmt: skip


def test_a_hyper_parameter_is_set_and_changes_what_has_it_alone(tree: Path) -> None:
    code = BEGIN + """
prints = lambda paper, edition: {run.name: run.fingerprint for run in papers.grid(paper, edition)}
print(json.dumps([prints("compressing", "demo"), prints("triage", "demo"), prints("triage", "demo+%s=0.2")]))
"""  # fmt: skip
    here = subprocess.run(
        [sys.executable, "-c", code % "rate"], env=sweeps.environment(tree), capture_output=True, text=True, check=True
    )
    before, now = json.loads(here.stdout), told(tree, code % "smoothing")
    assert before[0] == now[0]  # stages that leave it at its default
    changed = {name for name, fingerprint in now[1].items() if fingerprint != before[1][name]}
    assert changed == now[1].keys() - {"triage/digits/vgg16-parent-s0"}
    assert {name for name in now[1] if now[1][name] != now[2][name]} == changed


def test_a_claim_is_judged(tree: Path) -> None:
    found = told(tree, BEGIN + """
import invented, pandas as pd
from netpress.report.claims import judge_all
runs, claims = papers.grid("triage", "small"), papers.get("triage").claims
def verdict(frozen, thawed):
    best = {"frozen": frozen, "thawed": thawed, None: 0.9}
    rows = [
        invented.row(run, "small", best[dict(run.factors).get("regime")] + run.seed / 1000, 0.0) for run in runs
    ]
    return judge_all([claims[-1]], pd.DataFrame(rows))[0].verdict
print(json.dumps([claims[-1].id, verdict(0.7, 0.8), verdict(0.8, 0.7)]))
""")  # fmt: skip
    assert found == ["T13", "supported", "contradicted"]


def test_a_data_set_is_checked_decoded_and_trained_on(tree: Path) -> None:
    found = told(tree, BEGIN + """
editions.ROWS["triage.datasets"] = (("digits", "letters"), *editions.ROWS["triage.datasets"][1:])
from netpress import data
test = data.load("letters", "test")
edition = "demo+images=130+parent_epochs=1+width=0.02"
(run,) = papers.matching(papers.grid("triage", edition, ("letters",)), "*parent*")
sweep.ensure([run], edition, workers=1)
print(json.dumps([list(test.x.shape), test.y[:3].tolist(), len(test.classes), records.state(run, edition)]))
""")  # fmt: skip
    assert found == [[520, 3, 32, 32], found[1], 26, "done"] and len(set(found[1])) == 3


def test_a_network_is_described_and_trained(tree: Path) -> None:
    found = told(tree, BEGIN + """
import sweeps
from netpress.nets.describe import describe
run = sweeps.tiny("alone", model="strip-64", width=1.0)
sweep.ensure([run], "demo", workers=1)
print(json.dumps([describe(nets.outline("strip-64", 32, 10), 32).parameters, records.state(run, "demo")]))
""")  # fmt: skip
    assert found == [3 * 9 * 64 + 64 + 2 * 64 + 64 * 10 + 10, "done"]
