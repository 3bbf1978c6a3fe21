"""Do one run: build the network, take the steps, measure, and say how it went."""

import gc
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from netpress import data, env, nets
from netpress.data.views import normalise_of
from netpress.errors import CannotWrite, UserError, is_out_of_memory, refused
from netpress.nets.describe import describe
from netpress.nets.network import Network
from netpress.runs import records
from netpress.runs.run import Run, fingerprint
from netpress.runs.store import MissingWeights, WeightStore
from netpress.training.checkpoint import CheckpointFile, capture
from netpress.training.compute import ComputeConfig, choose
from netpress.training.evaluate import accuracy
from netpress.training.feed import Cache, Feed, TrainTestData
from netpress.training.loop import Diverged, TrainState, train
from netpress.training.stage import Stage


@dataclass(frozen=True)
class Progress:
    """How far a run has come: `epoch` of `epochs` in a stage, epochs `done` of `total` over all stages."""

    stage: str
    epoch: int
    epochs: int
    done: int
    total: int
    images_per_second: float
    seconds_left: float


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class FinishedRun:
    """What measures look at: a finished run with its network, the networks it began from, and the images."""

    run: Run
    network: Network
    needs: dict[str, Network]
    train_test: TrainTestData
    config: ComputeConfig


class Workspace:
    """What the runs of one process share: data on the device, caches, the store of trained weights, checkpoints.

    `checkpoints` is the folder for them; None: do without.
    """

    def __init__(self, config: ComputeConfig, store: WeightStore, checkpoints: Path | None = None):
        self.config, self.store, self.checkpoints = config, store, checkpoints
        self.cache = Cache(config.cache_bytes)
        self.loaded: dict[tuple, TrainTestData] = {}

    def forget(self) -> None:
        """Let go of all that is kept for the next run: memory ran out."""
        self.cache.entries.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def train_test(self, run: Run) -> TrainTestData:
        """The images of a run; the last data set used is kept."""
        key = (run.dataset, run.images, run.px, run.judged_on)
        if key not in self.loaded:
            learn, judge = ("train", "test") if run.judged_on == "test" else ("fit", "validation")
            images = data.load(run.dataset, learn, images=run.images, px=run.px)
            test = data.load(run.dataset, judge, px=run.px)
            device = self.config.device
            there = [replace(part, x=part.x.to(device), y=part.y.to(device)) for part in (images, test)]
            self.loaded = {key: TrainTestData(there[0], there[1], normalise_of(images))}
        return self.loaded[key]

    def blank(self, run: Run) -> Network:
        """The run's network with the weights that its seed draws."""
        torch.manual_seed(run.seed_of("network"))
        return self.config.place(nets.build(run.model, run.px, data.classes(run.dataset), run.width))

    def finished(self, run: Run) -> Network:
        """A finished run's network, frozen and in eval mode. Raises MissingWeights."""
        network = nets.outline(run.model, run.px, data.classes(run.dataset), run.width)
        network.load_state_dict(self.store.load(run.fingerprint)[0], assign=True)
        return self.config.place(network).requires_grad_(False).eval()


def new_workspace(share: float = 1.0) -> Workspace:
    """The workspace of a process that has this share of the machine; the cache folder is everybody's."""
    return Workspace(choose(share), WeightStore(), env.checkpoints_dir())


def perform(run: Run, workspace: Workspace, tell: Tell = lambda _: None) -> dict[str, Any]:
    """Do `run` and put its weights into the store; returns its record's content.

    A run that fails, diverges or runs out of memory has a record too, with that status and the reason. Raises only what
    is no fault of the run: UserError if data are damaged or settings impossible, CannotWrite if the disk is full or a
    file cannot be used, MissingWeights if the weights of a needed run are gone or damaged, KeyboardInterrupt after a
    checkpoint was written.
    """
    began, on_gpu = time.monotonic(), workspace.config.kind == "cuda"  # the clock on the wall may be set
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(workspace.config.device)
    result = attempt(run, workspace, tell)
    if result["status"] in ("failed", "out-of-memory"):  # the error is gone by now, and with it what it held on to
        workspace.forget()
    made = records.made(workspace.config) | {"seconds": round(time.monotonic() - began, 3)}
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    peak = torch.cuda.max_memory_allocated(workspace.config.device) if on_gpu else own  # bytes; of the process so far
    return result | {"peak_memory": peak, "made": made}


def attempt(run: Run, workspace: Workspace, tell: Tell) -> dict[str, Any]:
    """What a record says of how a run ended."""
    try:
        return {"status": "done"} | RunState(run, workspace, tell).finish()
    except (UserError, MissingWeights):
        raise
    except Diverged as error:
        return {"status": "diverged", "reason": str(error)}
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the machine's fault
            raise CannotWrite(refused(error, error.filename or "a file")) from error
        status = "out-of-memory" if is_out_of_memory(error) else "failed"
        return {"status": status, "reason": reason_of(error)}


class RunState:
    """A run under way: its network, the history of its stages so far, and its checkpoint.

    An interrupted run repeats its edits, since they give the network its structure, skips the stages that were
    finished, and goes on in the one that was not.
    """

    def __init__(self, run: Run, workspace: Workspace, tell: Tell):
        self.run, self.workspace, self.tell = run, workspace, tell
        self.train_test = workspace.train_test(run)
        self.needs = {role: workspace.finished(need) for role, need in run.needs}
        self.network = workspace.blank(run)
        self.history: list[dict[str, Any]] = []
        self.stages: list[dict[str, Any]] = []
        self.saved = CheckpointFile(workspace.checkpoints, run.fingerprint) if workspace.checkpoints else None
        found = self.saved.read() if self.saved else None
        self.found = found if found and found.metadata.get("under") == self.conditions() else None
        self.reached = self.found.metadata["done"] if self.found else 0

    def conditions(self) -> dict[str, Any]:
        """What a run's bits depend on beside its settings: if it has changed, an interrupted run begins anew."""
        settings = asdict(self.workspace.config)
        del settings["cache_bytes"]
        return settings | {"threads": torch.get_num_threads(), "torch": str(torch.__version__)}

    def finish(self) -> dict[str, Any]:
        """Take the steps from where the run was left; what its record says of the finished network."""
        try:
            for position, step in enumerate(self.run.steps):
                torch.manual_seed(self.run.seed_of("step", position))
                if not isinstance(step, Stage):
                    self.network = self.workspace.config.place(step.apply(self.network, self.needs))
                elif position >= self.reached:
                    self.share(position, step) if step.shared else self.train(position, step)
        except KeyboardInterrupt:
            if self.saved:
                with suppress(CannotWrite):  # the checkpoint before it is still there
                    self.saved.flush()
            raise
        return self.conclude()

    def share(self, position: int, stage: Stage) -> None:
        """Do a stage that other runs begin with too: the first of them trains it, the others load its weights."""
        key, store = fingerprint(self.run, position + 1), self.workspace.store
        if found := store.find(key):
            self.network.load_state_dict(found[0])
            self.history, self.stages = found[1]["history"], found[1]["stages"]
            return
        self.train(position, stage)
        metadata = {"history": self.history, "stages": [stage | {"shared": True} for stage in self.stages]}
        store.save(key, self.network.state_dict(), metadata)

    def train(self, position: int, stage: Stage) -> None:
        """Train through one stage, from its checkpoint where there is one."""
        workspace, run, begin, before = self.workspace, self.run, None, 0.0
        if self.found and position == self.reached:
            noted = self.found.metadata
            self.network.load_state_dict(self.found.network)
            self.history, self.stages = noted["history"], noted["stages"]
            begin, before = TrainState(noted["epochs"], noted["rows"], self.found.optimiser), noted["seconds"]
        began = time.perf_counter() - before
        teacher = self.needs[stage.teacher] if stage.teacher else None
        feed = Feed(stage, self.network, teacher, self.train_test, workspace.config, workspace.cache)
        if begin and self.found:
            self.found.restore_random()
        first = begin.epochs if begin else 0

        def after_epoch(reached: TrainState) -> None:
            seconds = time.perf_counter() - began
            if self.saved:
                stages = {"done": position, "history": self.history, "stages": self.stages}
                noted = stages | {"rows": list(reached.history), "seconds": seconds, "under": self.conditions()}
                self.saved.keep(capture(self.network, reached, noted))
            pace = (seconds - before) / (reached.epochs - first)
            done = sum(earlier.epochs for earlier in run.stages[: len(self.stages)]) + reached.epochs
            left = (run.epochs - done) * pace
            self.tell(Progress(stage.name, reached.epochs, stage.epochs, done, run.epochs, feed.count / pace, left))

        seed = run.seed_of("stage", position)
        rows = train(stage, self.network, feed, workspace.config, seed, after_epoch, begin)
        seconds = time.perf_counter() - began
        self.history = self.history + rows
        timed = {"stage": stage.name, "epochs": stage.epochs, "seconds": round(seconds, 3)}
        pace = {"images_per_second": round(stage.epochs * feed.count / seconds, 1), "cached": feed.x is not None}
        self.stages = [*self.stages, timed | pace]

    def conclude(self) -> dict[str, Any]:
        """Evaluate the finished network, save its weights, take the measures."""
        from netpress.compress.prune import empty_layers, finished

        network = finished(self.network).requires_grad_(False).eval()
        empty = empty_layers(network)
        size = describe(network, self.run.px)
        saved = self.workspace.store.save(self.run.fingerprint, network.state_dict())
        trained = FinishedRun(self.run, network, self.needs, self.train_test, self.workspace.config)
        measured: dict[str, Any] = {}
        for measure in self.run.measures:
            measured |= measure.take(trained)
        return {
            **accuracies(trained, self.history),
            "parameters": size.parameters,
            "multiply_adds": size.multiply_adds,
            "measures": measured,
            "stages": self.stages,
            "history": self.history,
            "weights_sha256": saved,
            **({"empty_layers": empty} if empty else {}),
        }


def accuracies(trained: FinishedRun, history: list[dict]) -> dict[str, Any]:
    """Last and best test accuracy, and the epochs of the last stage until 99 % of its best.

    The best is looked for over the last stage's epochs where that stage ends the run, as the papers do: it is
    chosen on the images it is judged on. A network that was operated on after its last stage has one accuracy.
    """
    final = trained.run.steps[-1] if trained.run.steps else None
    rows = history[-final.epochs :] if isinstance(final, Stage) else []  # names may repeat: prune, retrain, prune, ...
    curve = [row["test_accuracy"] for row in rows]
    if not curve or curve[-1] is None:
        last = accuracy(trained.network, trained.train_test.test, trained.train_test.normalise, trained.config)
        return {"last": last, "best": last, "epochs_to_99": None}
    best = max(curve)
    reached = 1 + next(i for i, value in enumerate(curve) if value >= 0.99 * best)
    found = {"last": curve[-1], "best": best, "epochs_to_99": reached}
    looks = [look for row in rows for look in dict.fromkeys(map(tuple, row.get("looks", [])))]
    return found | {"curve": [list(look) for look in looks]} if looks else found


def reason_of(error: Exception) -> str:
    """Where an error came from and what it says; of files only the names, since folders are this machine's affair."""
    frames = [
        f"{Path(f.filename).name}, line {f.lineno}, in {f.name}" for f in traceback.extract_tb(error.__traceback__)
    ]
    text = traceback.format_exception_only(error)[-1].strip()[-1500:]
    text = re.sub(r"""(["'])(?:/|[A-Za-z]:\\)[^"'\n]*[/\\]""", r"\1", text)  # quoted, so perhaps with spaces
    text = re.sub(r"""(?<![\w/:.])(?:/|[A-Za-z]:\\)(?:[^\s/\\:"']+[/\\])+""", "", text)
    return "\n".join([*frames[-8:], text])
