"""Records chosen at random and made again from nothing, in empty folders: are they the same in every digit?"""

import os
import subprocess
import sys
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from typing import Any

from netpress import papers, paths
from netpress.benchmarks import results
from netpress.benchmarks.levels import EDITION
from netpress.errors import UserError
from netpress.runs import machine, records
from netpress.runs.run import Run, with_needs
from netpress.training.compute import choose

CHOSEN = 5
LONGEST = 600.0  # seconds that a record took, with all that it needs: one that took longer is not chosen
SAME = ("device", "precision", "torch")  # what must be as it was


def measure() -> dict[str, Any]:
    """The record: which records were chosen, and whether each is equal to what its command gives now."""
    config = choose()
    edition = EDITION[config.device.split(":")[0]]
    known = records.fresh([run for paper in papers.PAPERS for run in papers.grid(paper, edition)], edition)
    here = machine.made(config)
    suiting = [run for run in known if suits(run, known, here)]
    if len(suiting) < CHOSEN:
        raise UserError(
            f"{CHOSEN} records of edition {edition} are needed that were made on {here['device']} with PyTorch "
            f"{here['torch']} in {LONGEST / 60:g} minutes or less; there are {len(suiting)}. Make some: "
            f"`netpress run triage --edition {edition}`."
        )
    rows = [row(run, edition, known[run]) for run in SystemRandom().sample(suiting, CHOSEN)]
    equal = sum(each["equal"] for each in rows)
    bars = [results.bar("remade", f"records that were the same when made again, of {CHOSEN}", [equal], least=CHOSEN)]
    settings = {"edition": edition, "chosen_from": len(suiting)}
    return results.content("remade", config, bars, settings, records=rows)


def suits(run: Run, known: dict[Run, records.Record], here: dict[str, Any]) -> bool:
    """Whether a run and all that it needs were done on such a machine as this, in a time that can be spent again."""
    made = [known[each]["made"] for each in with_needs([run]) if each in known and known[each]["status"] == "done"]
    if len(made) < len(with_needs([run])):
        return False
    alike = all(each.get(key) == here[key] for each in made for key in SAME)
    return alike and sum(each["seconds"] for each in made) <= LONGEST


def row(run: Run, edition: str, before: records.Record) -> dict[str, Any]:
    """One run made again: its name, and whether all is equal but the times."""
    with TemporaryDirectory() as folder:
        after = again(run, edition, Path(folder))
    return {"name": run.name, "equal": records.bare(after) == records.bare(before)}


def again(run: Run, edition: str, folder: Path) -> records.Record:
    """The record that the run's command gives in an empty folder, without weights or checkpoints from before."""
    own = {"NETPRESS_RESULTS": str(folder / "results"), "NETPRESS_CACHE": str(folder / "cache")}
    command = [
        sys.executable, "-m", "netpress.cli", "run", run.paper, "--edition", edition, "--dataset", run.dataset,
        "--only", run.label, "--seeds", str(run.seed), "--workers", "1",
    ]  # fmt: skip
    data = {"NETPRESS_DATA": str(paths.data_folder())}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | data | own)
    record = records.read(records.path_of(run, edition, folder / "results"))
    if done.returncode or record is None:
        raise UserError(f"{run.name} cannot be made again: {(done.stderr.strip().splitlines() or ['no record'])[-1]}")
    return record
