"""What a run will cost, in seconds of one core (or of the device that `NETPRESS_DEVICE` names): multiply-adds of what
is computed in each stage, at the rate that records of such a device show."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from netpress import surroundings
from netpress.runs import records
from netpress.runs.run import Run, fingerprint
from netpress.runs.work import answers_once, images_of, stage_work, teacher_work, work
from netpress.training.stage import Stage

NOMINAL = 6e10  # multiply-adds per second, where nothing was measured yet: one AVX-512 core in bf16


def works(runs: Sequence[Run]) -> dict[Run, int]:
    """Multiply-adds of each run, less what an earlier one leaves for it: a shared beginning, or a teacher's answers."""
    seen: set[str] = set()
    found = {}
    for run in runs:
        left = dict(left_behind(run))
        found[run] = work(run) - sum(done for key, done in left.items() if key in seen)
        seen |= left.keys()
    return found


def left_behind(run: Run) -> Iterator[tuple[str, int]]:
    """What later runs need not compute again: (key, multiply-adds) each."""
    for n, step in enumerate(run.steps, 1):
        if not isinstance(step, Stage):
            continue
        if step.shared:
            yield fingerprint(run, n), stage_work(run, step)
        elif step.teacher and answers_once(step):
            teacher = dict(run.needs)[step.teacher]
            yield f"{teacher.fingerprint} {step.loss} {step.at}", teacher_work(run, step, images_of(run)[0])


def rates(runs: Sequence[Run], edition: str, results: Path | None = None) -> dict[str, float]:
    """Network -> multiply-adds per second, the median over its records; "" -> the median over all networks.

    Networks differ, since a small one spends much of its time on other work. Records of other devices are not counted.
    """
    found: dict[str, list[float]] = {}
    kind = surroundings.device().split(":")[0] or "cpu"
    fresh = records.fresh(runs, edition, results)
    done = {run: record for run, record in fresh.items() if record["made"]["kind"] == kind}
    for run, worked in works(tuple(done)).items():
        if seconds := sum(stage["seconds"] for stage in done[run].get("stages", [])):
            found.setdefault(run.model, []).append(worked / seconds)
    known = {model: median(values) for model, values in found.items()}
    return {"": median(known.values()) if known else NOMINAL} | known


def estimates(runs: Sequence[Run], edition: str, results: Path | None = None) -> dict[Run, float]:
    """Seconds per run. What runs share is counted for the first of them."""
    known = rates(runs, edition, results)
    return {run: worked / known.get(run.model, known[""]) for run, worked in works(runs).items()}


def basis(runs: Sequence[Run], edition: str, results: Path | None = None) -> str:
    """What the estimates rest on, as a sentence."""
    known = rates(runs, edition, results)
    networks = len(known) - 1
    source = f"from records of {networks} kinds of networks" if networks else "nominal, nothing was measured yet"
    return f"(at {known[''] / 1e9:.0f} billion multiply-adds a second: {source})"


def spoken(seconds: float) -> str:
    """Minutes or hours."""
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
