"""How far a sweep is. Needs no torch, and looks at ten thousand records in under a second."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netpress import paths
from netpress.runs import records
from netpress.runs.run import Run
from netpress.sweep import leases

STATES = ("done", "running", "missing", "failed", "diverged", "out-of-memory", "stale", "unreadable", "blocked")
NAMED = ("failed", "diverged", "out-of-memory", "blocked", "unreadable")  # each run in one of them is named
BAD = ("failed", "diverged", "out-of-memory", "blocked")


@dataclass(frozen=True)
class Survey:
    """The state of every run, the progress of those under way, and the reasons of those that are blocked."""

    states: dict[str, str]  # by the run's name
    running: list[dict[str, Any]]
    blocked: dict[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """How many runs, in all and in each state."""
        found = list(self.states.values())
        return {"total": len(found)} | {state: found.count(state) for state in STATES}


def survey(runs: Sequence[Run], edition: str, results: Path | None = None) -> Survey:
    """Look at all runs, needs first."""
    results = results or paths.results_dir()
    there = Folders(results / edition)
    states: dict[str, str] = {}
    running: list[dict[str, Any]] = []
    blocked: dict[str, str] = {}
    for run in runs:
        name = run.name
        lease = there.lease(name)
        state = there.state(run, name)
        if lease:
            state = "running"
            running.append(progress_of(name, lease))
        elif state in ("missing", "stale"):
            bad = [need for _, need in run.needs if states.get(need.name) in BAD]
            if bad:
                blocked[name] = f"needs {bad[0].name}, which is {states[bad[0].name]}"
                state = "blocked" if state == "missing" else state
        states[name] = state
    return Survey(states, running, blocked)


class Folders:
    """The files of an edition; each folder is listed once, so that what is not there costs nothing."""

    def __init__(self, edition: Path):
        self.edition = edition
        self.listed: dict[str, set[str]] = {}

    def has(self, name: str) -> bool:
        """Whether a file is there; `name` as a run's, with its ending."""
        folder, _, file = name.rpartition("/")
        if folder not in self.listed:
            path = self.edition / folder
            self.listed[folder] = set(os.listdir(path)) if path.is_dir() else set()  # noqa: PTH208 - names alone
        return file in self.listed[folder]

    def state(self, run: Run, name: str) -> str:
        """The state of a run's record."""
        if not self.has(f"{name}.json"):
            return "missing"
        return records.state_at(f"{self.edition}/{name}.json", run.fingerprint)

    def lease(self, name: str) -> leases.Lease | None:
        """The lease of a living owner."""
        if not self.has(f"{name}.lease"):
            return None
        path = self.edition / f"{name}.lease"
        lease = leases.read(path)
        return lease if lease and leases.is_alive(path, lease) else None


def progress_of(name: str, lease: leases.Lease) -> dict[str, Any]:
    """How far a run under way is; None for what is not known before its first epoch is over."""
    keys = ("stage", "epoch", "epochs", "done", "total", "images_per_second", "seconds_left")
    return {"name": name} | {key: lease.get(key) for key in keys}


def as_json(found: Survey, **about: str) -> dict[str, Any]:
    """Counts, and a list each of what runs now and of what went wrong."""
    bad = [{"name": n, "state": s, "by": found.blocked.get(n)} for n, s in found.states.items() if s in NAMED]
    return about | found.counts | {"now": found.running, "not_done": bad}
