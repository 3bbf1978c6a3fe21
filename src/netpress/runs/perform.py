"""Do one run: build the network, take the steps, measure, and say how it went."""

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch

from netpress.atomic import FULL, CannotWrite
from netpress.errors import UserError
from netpress.nets.describe import Description, describe
from netpress.nets.network import Network
from netpress.runs import machine
from netpress.runs.run import Run, fingerprint
from netpress.runs.weights import MissingWeights, digest_of
from netpress.runs.workspace import FinishedRun, Workspace
from netpress.training.checkpoint import Checkpoint, capture
from netpress.training.evaluate import accuracy
from netpress.training.feed import Feed
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


def perform(run: Run, workspace: Workspace, tell: Tell = lambda _: None, keep: bool = True) -> dict[str, Any]:
    """Do `run` and put its weights into the store; returns its record's content.

    The weights may still be on their way to the disk when it returns: `workspace.store.wait()` waits for that. Without
    `keep` they are not written, and the record has their SHA-256 all the same.

    A run that fails, diverges or runs out of memory has a record too, with that status and the reason. Raises only what
    is no fault of the run: UserError if data are damaged or settings impossible, CannotWrite if the disk is full or a
    file cannot be used, MissingWeights if the weights of a needed run are gone or damaged, KeyboardInterrupt after a
    checkpoint was written.
    """
    began = time.monotonic()  # the clock on the wall may be set
    machine.reset_peak_memory(workspace.config.device)
    result = attempt(run, workspace, tell, keep)
    if result["status"] in ("failed", "out-of-memory"):  # the error is gone by now, and with it what it held on to
        workspace.forget()
        machine.free_memory()
    made = machine.made(workspace.config) | {"seconds": round(time.monotonic() - began, 3)}
    return result | {"peak_memory": machine.peak_memory(workspace.config.device), "made": made}


def attempt(run: Run, workspace: Workspace, tell: Tell, keep: bool) -> dict[str, Any]:
    """What a record says of how a run ended."""
    try:
        return {"status": "done"} | work(run, workspace, tell, keep)
    except (UserError, MissingWeights):
        raise
    except Diverged as error:
        return {"status": "diverged", "reason": str(error)}
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the machine's fault
            raise unusable(error) from error
        status = "out-of-memory" if machine.is_out_of_memory(error) else "failed"
        return {"status": status, "reason": machine.without_paths(last_lines(error))}


def unusable(error: OSError) -> CannotWrite:
    """What to tell of a file that the machine does not let us use."""
    if error.errno in FULL:
        return CannotWrite(f"No space to write {error.filename}. Free some space and run again.")
    return CannotWrite(f"Cannot use {error.filename or 'a file'} ({error.strerror}): mend that and run again.")


def work(run: Run, workspace: Workspace, tell: Tell, keep: bool) -> dict[str, Any]:
    """The steps of a run, and what its record says of them."""
    state = RunState(run, workspace, tell)
    try:
        return steps_of(state, keep)
    except (UserError, MissingWeights, Diverged):
        raise
    except Exception as error:
        if not state.found or not state.saved or machine.is_out_of_memory(error):
            raise
    state.saved.set_aside()  # it was whole, and yet perhaps not this run's: what went wrong must happen without it too
    return steps_of(RunState(run, workspace, tell), keep)


def steps_of(state: "RunState", keep: bool) -> dict[str, Any]:
    """The steps of a run from where it has been left."""
    try:
        for position, step in enumerate(state.run.steps):
            torch.manual_seed(state.run.seed_of("step", position))
            state.take(position, step)
    except KeyboardInterrupt:
        if state.saved:
            with suppress(CannotWrite):  # the checkpoint before it is still there
                state.saved.flush()
        raise
    return conclude(state, state.workspace, keep)


class RunState:
    """A run under way: its network, the history of its stages so far, and its checkpoints.

    An interrupted run repeats its edits, since they give the network its structure, skips the stages that were
    finished, and goes on in the one that was not.
    """

    def __init__(self, run: Run, workspace: Workspace, tell: Tell):
        self.run, self.workspace, self.tell = run, workspace, tell
        self.train_test = workspace.train_test(run)
        self.needs = {role: workspace.finished(need) for role, need in run.needs}
        self.network = workspace.blank(run, self.needs)
        self.history: list[dict[str, Any]] = []
        self.stages: list[dict[str, Any]] = []
        self.saved = workspace.checkpoints(run)
        found = self.saved.newest() if self.saved else None
        self.found = found if found and found.metadata.get("under") == self.conditions() else None
        self.reached = self.found.order[0] if self.found else 0

    def conditions(self) -> dict[str, Any]:
        """What a run's bits depend on beside its settings: if it has changed, an interrupted run begins anew."""
        settings = asdict(self.workspace.config)
        del settings["cache_bytes"]
        return settings | {"threads": torch.get_num_threads(), "torch": str(torch.__version__)}

    def take(self, position: int, step: Any) -> None:
        """One step of the run."""
        if not isinstance(step, Stage):
            self.network = self.workspace.config.place(step.apply(self.network, self.needs))
        elif position < self.reached:
            return
        elif step.shared:
            self.share(position, step)
        else:
            self.train(position, step)

    def share(self, position: int, stage: Stage) -> None:
        """Do a stage that other runs begin with too: the first of them trains it, the others load its weights."""
        key, store = fingerprint(self.run, position + 1), self.workspace.store
        with store.lock(key):
            if found := store.find(key):
                if fits(self.network, found[0]) and {"history", "stages"} <= found[1].keys():
                    self.network.load_state_dict(found[0])
                    self.history, self.stages = found[1]["history"], found[1]["stages"]
                    return
                store.set_aside(key)  # whole, but another network's: trained anew, as if none were there
            self.train(position, stage)
            metadata = {"history": self.history, "stages": [stage | {"shared": True} for stage in self.stages]}
            store.save(key, self.network.state_dict(), metadata)

    def train(self, position: int, stage: Stage) -> None:
        """Train through one stage, from its checkpoint where there is one."""
        workspace, run = self.workspace, self.run
        begin, before = self.resumed(position)
        clock = Clock(before)
        teacher = self.needs[stage.teacher] if stage.teacher else None
        feed = Feed(stage, self.network, teacher, self.train_test, workspace.config, workspace.cache)
        if begin and self.found:
            self.found.restore_random()
        first = begin.epochs if begin else 0

        def after_epoch(reached: TrainState) -> None:
            self.keep(position, reached, clock.seconds)
            pace = (clock.seconds - before) / (reached.epochs - first)
            done = sum(earlier.epochs for earlier in run.stages[: len(self.stages)]) + reached.epochs
            left = (run.epochs - done) * pace
            self.tell(Progress(stage.name, reached.epochs, stage.epochs, done, run.epochs, feed.count / pace, left))

        seed = run.seed_of("stage", position)
        rows = train(stage, self.network, feed, workspace.config, seed, after_epoch, begin)
        seconds = clock.seconds
        self.history = self.history + rows
        timed = {"stage": stage.name, "epochs": stage.epochs, "seconds": round(seconds, 3)}
        pace = {"images_per_second": round(stage.epochs * feed.count / seconds, 1), "cached": feed.x is not None}
        live = {"declined": feed.declined} if feed.declined else {}
        self.stages = [*self.stages, timed | pace | live]

    def keep(self, position: int, reached: TrainState, seconds: float) -> None:
        """Keep a checkpoint."""
        if self.saved:
            metadata = {"done": position, "history": self.history, "stages": self.stages, "rows": list(reached.history)}
            metadata |= {"seconds": seconds, "under": self.conditions()}
            self.saved.keep(capture(self.network, reached, metadata))

    def resumed(self, position: int) -> tuple[TrainState | None, float]:
        """Load the checkpoint of this stage, if there is one: where it goes on, and the seconds it has taken so far."""
        found: Checkpoint | None = self.found
        if found is None or position != self.reached:
            return None, 0.0
        self.network.load_state_dict(found.network)
        self.history, self.stages = found.metadata["history"], found.metadata["stages"]
        return found.train_state(found.metadata["rows"]), found.metadata["seconds"]


def fits(network: torch.nn.Module, state: dict[str, torch.Tensor]) -> bool:
    """Whether the names and shapes in a state are those of the network."""
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    return own == {name: tensor.shape for name, tensor in state.items()}


class Clock:
    """Seconds from now on, added to those before."""

    def __init__(self, before: float):
        self.began = time.perf_counter() - before

    @property
    def seconds(self) -> float:
        """So far."""
        return time.perf_counter() - self.began


def conclude(state: RunState, workspace: Workspace, keep: bool) -> dict[str, Any]:
    """Judge the finished network, put it into the store unless nobody will ask for it, take the measures."""
    from netpress.compress.finish import finished
    from netpress.compress.masks import empty_layers

    run, network = state.run, finished(state.network)
    network.requires_grad_(False).eval()
    empty = empty_layers(network)
    size = size_of(network, run.px, workspace)
    if keep:
        digest = workspace.store.save(run.fingerprint, network.state_dict(), {}, behind=True)
    else:
        digest = digest_of(network.state_dict())
    trained = FinishedRun(run, network, state.needs, state.train_test, workspace.config, workspace.measured)
    measured: dict[str, Any] = {}
    for measure in run.measures:
        measured |= measure.take(trained)
    return {
        **accuracies(trained, state.history),
        "parameters": size.parameters,
        "multiply_adds": size.multiply_adds,
        "measures": measured,
        "stages": state.stages,
        "history": state.history,
        "weights_sha256": digest,
        **({"empty_layers": empty} if empty else {}),
    }


def size_of(network: Network, px: int, workspace: Workspace) -> Description:
    """Parameters and multiply-adds, worked out once for networks of the same layers."""
    shapes = tuple((name, tuple(tensor.shape)) for name, tensor in network.state_dict().items())
    return workspace.sizes.get((px, str(network), shapes), lambda: describe(network, px))


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


def last_lines(error: Exception) -> str:
    """The end of a traceback: what a reader of the record needs first."""
    return "".join(traceback.format_exception(error))[-2000:]
