"""Sweeps: run whatever of a grid is missing."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from netpress import data, editions, paths, surroundings
from netpress.atomic import sweep_away
from netpress.compress.edits import Given, Pretrained
from netpress.errors import UserError, known
from netpress.runs import records
from netpress.runs.run import Run, with_needs
from netpress.sweep.cluster import Cluster
from netpress.sweep.executors import Executor, Here
from netpress.sweep.jobs import Job, Tell
from netpress.sweep.schedule import Outcome, Schedule
from netpress.sweep.signals import Interrupted, interruptible
from netpress.sweep.workers import slots

if TYPE_CHECKING:
    from netpress.runs.weights import WeightStore

__all__ = ["Cluster", "Interrupted", "Outcome", "Summary", "ensure", "interruptible"]

RETRIED = {
    "failed": ("failed", "out-of-memory", "diverged"),
    "out-of-memory": ("out-of-memory",),
    "diverged": ("diverged",),
}


@dataclass
class Summary:
    """What a sweep did. `before`: how many runs were done already; `outcomes`: how all others ended."""

    before: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failures(self) -> list[Outcome]:
        """Runs that did not end well. A diverged run is a result, but is named too."""
        return [outcome for outcome in self.outcomes if outcome.status != "done"]

    @property
    def done(self) -> int:
        """Runs that this sweep did."""
        return sum(o.status == "done" and not o.earlier and not o.remade for o in self.outcomes)

    @property
    def remade(self) -> int:
        """Runs that had a record, and whose weights this sweep made again."""
        return sum(outcome.status == "done" and outcome.remade for outcome in self.outcomes)

    @property
    def lines(self) -> list[str]:
        """The summary as text: a line for each run that is not done, then the counts."""
        elsewhere = sum(outcome.status == "done" and outcome.earlier for outcome in self.outcomes)
        others = f"{elsewhere} done by another sweep, " if elsewhere else ""
        others += f"weights of {self.remade} made again, " if self.remade else ""
        counts = f"{self.done} done now, {others}{self.before} done before, {len(self.failures)} not done."
        again = any(outcome.status in RETRIED["failed"] for outcome in self.failures)
        hint = " --retry failed does them again." if again else ""
        return [*(outcome.line for outcome in self.failures), counts + hint]


def ensure(
    runs: Sequence[Run],
    edition: str,
    results: Path | None = None,
    workers: int | None = None,
    retry: tuple[str, ...] = (),
    cluster: Cluster | None = None,
) -> Summary:
    """Do what is missing of `runs` and of all that they need, with progress on stderr.

    Runs with a fresh record are not done again, unless their status is in `retry` ("failed": whatever did not end
    well). If only the weights of a needed run are missing, they are remade and its record stays. Runs that another
    sweep is doing are left to it, and waited for. Raises UserError if data are missing or damaged, CannotWrite if the
    disk is full.
    """
    results, edition = results or paths.results_dir(), editions.proper(edition)
    runs = with_needs(runs)
    ready(runs, edition, results, cluster)
    jobs, summary = planned(runs, edition, results, retry)
    if not jobs:
        return summary
    check([job.run for job in jobs], with_data=not cluster)
    if not cluster:
        check_device()
    from netpress.runs.weights import WeightStore
    from netpress.sweep.leases import Leases

    store, widest = WeightStore(), max(job.run.width for job in jobs)
    folders = {records.path_of(job.run, edition, results).parent for job in jobs}
    for folder in {paths.weights_dir(), paths.checkpoints_dir(), *folders}:
        sweep_away(folder)
    with (
        nullcontext(1) if cluster else slots(workers, widest, len(jobs)) as count,
        Leases(edition, results) as leases,
        executor(cluster, count, leases.tell, store) as chosen,
    ):
        summary.outcomes += progress(Schedule(jobs, chosen, leases, store))
    return summary


def ready(runs: Sequence[Run], edition: str, results: Path, cluster: Cluster | None) -> None:
    """Before any work: surroundings that can be used, and data. Says where records go outside of a checkout."""
    surroundings.check()
    if not paths.checkout() and results == paths.own_folder() / "results":
        print(f"netpress: no checkout is here; records go to {results} (--results chooses another).", file=sys.stderr)
    if not cluster:  # there each machine has its own data and its own device
        bring(runs, edition, results)


def bring(runs: Iterable[Run], edition: str, results: Path) -> None:
    """Download missing data of runs without a record. It comes first, as fingerprints hold the data's checksum.

    Raises UserError saying where to put the files by hand.
    """
    lacking = {run.dataset for run in runs if not records.path_of(run, edition, results).exists()}
    for dataset in sorted(lacking):
        data.fetch(dataset)


def check(runs: Sequence[Run], with_data: bool) -> None:
    """Before any work: are the data there, can each run be done, can published weights be had?

    Raises UserError.
    """
    for dataset in dict.fromkeys(run.dataset for run in runs if with_data):
        if not (found := data.available(dataset)):
            raise UserError(f"{dataset}: {found.reason}. Restore the data, or name their folder in NETPRESS_DATA.")
    for run in runs:
        check_possible(run)
    for step in dict.fromkeys(step for run in runs for step in run.steps):
        if isinstance(step, Given | Pretrained):
            step.check()


def check_device() -> None:
    """Raise UserError where `NETPRESS_DEVICE` names one that is not here."""
    from netpress.training import compute

    if named := surroundings.device():
        compute.check_device(named)


def check_possible(run: Run) -> None:
    """Raise UserError for a run that cannot be done with its settings, whatever the machine."""
    from netpress.runs import work

    images, _ = work.images_of(run)
    largest = max((stage.batch_size for stage in run.stages), default=1)
    if images < largest:
        raise UserError(
            f"{run.name}: {images:,} training images are no whole batch of {largest:,}: "
            "a smaller batch or more images are needed."
        )
    try:
        work.sizes_of(run)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{run.name}: {run.model} cannot be built for {run.px} px at width {run.width:g} ({reason}): "
            "other values of px and width are needed."
        ) from None


def executor(cluster: Cluster | None, workers: int, tell: Tell, store: "WeightStore") -> Executor:
    """A Ray cluster, worker processes, or this process."""
    if cluster:
        from netpress.sweep.cluster import Remote

        return Remote(cluster, tell, store)
    if workers > 1:
        from netpress.sweep.workers import Processes

        return Processes(workers, tell)
    return Here(tell)


def planned(runs: Sequence[Run], edition: str, results: Path, retry: tuple[str, ...] = ()) -> tuple[list[Job], Summary]:
    """The jobs to do, in order, and what is finished already."""
    for word in retry:
        known(word, tuple(RETRIED), "status to retry")
    again = {status for word in retry for status in RETRIED[word]}
    jobs, summary = [], Summary()
    awaited = {need for run in runs for _, need in run.needs}
    for run in runs:
        path = records.path_of(run, edition, results)
        seen = records.header(path)
        trouble = records.trouble_at(path) if seen is None else None
        if trouble and not trouble.remake:  # whoever put it there may need it
            reason = f"{path} {trouble}: move it away and run again"
            summary.outcomes.append(Outcome(run, records.UNREADABLE, reason, earlier=True))
        elif seen is None or seen.fingerprint != run.fingerprint or seen.status in again:
            jobs.append(Job(run, digest=seen.digest if seen else None, awaited=run in awaited))
        elif seen.status == "done":
            summary.before += 1
        else:
            reason = (records.read(path) or {}).get("reason", "")
            summary.outcomes.append(Outcome(run, seen.status, reason, earlier=True))
    return jobs, summary


def progress(schedule: Schedule) -> Iterator[Outcome]:
    """The outcomes, with a bar on stderr that counts networks and names the last one."""
    from tqdm import tqdm

    with tqdm(total=schedule.left, unit="network", file=sys.stderr, smoothing=0, dynamic_ncols=True) as bar:
        for outcome in schedule.outcomes():
            bar.total = bar.n + 1 + schedule.left
            bar.update()
            bar.set_postfix_str(f"{outcome.run.name} {outcome.status}")
            if outcome.status != "done":
                bar.write(outcome.line, sys.stderr)
            for note in outcome.notes:
                bar.write(f"{outcome.run.name}: {note}", sys.stderr)
            yield outcome
