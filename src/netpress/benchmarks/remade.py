"""`remade`: records chosen at random and made again in empty folders: are they the same in every digit?"""

import os
import subprocess
import sys
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from typing import Any

from netpress import env, papers
from netpress.benchmarks import bar, content
from netpress.errors import UserError
from netpress.runs import records
from netpress.runs.run import Run, with_needs
from netpress.training.compute import choose

EDITION = {"cpu": "small", "cuda": "large", "mps": "small"}
CHOSEN = 5
LONGEST = 600.0  # seconds that a record took, with all that it needs: one that took longer is not chosen
SAME = ("device", "precision", "torch")  # what must be as it was


def measure() -> dict[str, Any]:
    """The record: which records were chosen, and whether each is equal to what its command gives now."""
    config = choose()
    edition = EDITION[config.kind]
    known = records.fresh([run for paper in papers.PAPERS for run in papers.grid(paper, edition)], edition)
    here = records.made(config)
    suiting = [run for run in known if suits(run, known, here)]
    if len(suiting) < CHOSEN:
        raise UserError(
            f"{CHOSEN} records of edition {edition} are needed that were made on {here['device']} in "
            f"{here['precision']} with PyTorch {here['torch']} in {LONGEST / 60:g} minutes or less; there are "
            f"{len(suiting)}. Make some: `netpress run triage --edition {edition}`."
        )
    rows: list[dict[str, Any]] = [
        {"name": run.name, "equal": records.bare(again(run, edition)) == records.bare(known[run])}
        for run in SystemRandom().sample(suiting, CHOSEN)
    ]
    equal = sum(row["equal"] for row in rows)
    bars = [bar("remade", f"records that were the same when made again, of {CHOSEN}", [equal], least=CHOSEN)]
    settings = {"edition": edition, "chosen_from": len(suiting)}
    return content("remade", config, bars, settings, records=rows)


def suits(run: Run, known: dict[Run, records.Record], here: dict[str, Any]) -> bool:
    """Whether a run and all that it needs were done on such a machine as this, in a time that can be spent again."""
    made = [known[each]["made"] for each in with_needs([run]) if each in known and known[each]["status"] == "done"]
    alike = all(each.get(key) == here[key] for each in made for key in SAME)
    return len(made) == len(with_needs([run])) and alike and sum(each["seconds"] for each in made) <= LONGEST


def again(run: Run, edition: str) -> records.Record:
    """The record that the run's command gives in an empty folder, without weights or checkpoints from before."""
    command = [
        sys.executable, "-m", "netpress.cli", "run", run.paper, "--edition", edition, "--dataset", run.dataset,
        "--only", run.label, "--seeds", str(run.seed), "--workers", "1",
    ]  # fmt: skip
    with TemporaryDirectory() as name:
        folder = Path(name)
        own = {"NETPRESS_RESULTS": folder / "results", "NETPRESS_CACHE": folder / "cache"}
        here = {name: str(path) for name, path in (own | {"NETPRESS_DATA": env.data_folder()}).items()}
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | here)
        record = records.read(records.path_of(run, edition, folder / "results"))
    if done.returncode or record is None:
        raise UserError(f"{run.name} cannot be made again: {(done.stderr.strip().splitlines() or ['no record'])[-1]}")
    return record
