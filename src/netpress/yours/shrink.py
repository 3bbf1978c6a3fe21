"""The search: which moves make a network fastest (smallest) and lose no more points than may be lost.

1. One training step, one export and one quantisation are tried: what cannot be done is said before anything trains.
2. The network as it is, as 8-bit integers. Where that loses little and gains, all further files are judged as integers.
3. Probes: every move alone, trained for a quarter of the time. They are ordered by what they save for a point lost.
4. Steps: one move after the other on the best network so far, each taught by the original. A step that loses more than
   `most` points beside the original and the original retrained for as long is refused, and tried once more at the end,
   where the order is another, and with more of its channels kept.

Everything that was trained or measured is a line of `search/journal.jsonl`, weights lie beside it: the same call goes
on where it was stopped.
"""

import copy
import hashlib
import importlib.util
import inspect
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

from netpress.env import cache_dir
from netpress.errors import UserError, is_out_of_memory, known
from netpress.files import write_atomic
from netpress.training import compute
from netpress.training.losses import soft_targets
from netpress.yours import ENGINES, GOALS, cut, export
from netpress.yours.cut import Move
from netpress.yours.networks import copied, first_line, plain, unwrapped
from netpress.yours.report import Report

TEMPERATURE, TAUGHT = 4.0, 0.9  # of the original's logits, and their weight beside the labels
LEAST = 0.01  # of the goal: a step that saves less is none
PROBED = 12  # moves that are probed, those that save most
HOPELESS = 5.0  # points beyond `most` that a probe may lose for its move to be tried
FINEST = 0.25  # points: what is lost below counts as this much when moves are ordered
ROUNDING = 1e-9  # points
SECOND = 0.75  # share of channels that stay when a narrower group was refused

Metric = Callable[[Any, Any], float]
Tell = Callable[[str], object]


class Failed(Exception):
    """A training that did not end well, and why."""


@dataclass(frozen=True)
class Candidate:
    """A trained network: its moves from the original, and the metric on validation inputs (0 to 1).

    integers: the metric of its file of 8-bit integers, None where there is none. cost: milliseconds (bytes,
    multiply-adds) of the file that is judged.
    """

    key: str
    moves: tuple[Move, ...]
    score: float
    integers: float | None
    cost: float


@dataclass(frozen=True)
class Shrunk:
    """What came out. model: the small network, of the class that was given, on the CPU in eval mode. onnx, int8: its
    files; int8 is None where 8-bit integers lose too much."""

    model: nn.Module
    onnx: Path
    int8: Path | None
    facts: dict[str, Any] = field(repr=False)

    def report(self) -> Report:
        """What was done and what it gave, as tables and a picture."""
        return Report(self.facts)


def shrink(
    model: nn.Module,
    train: Iterable,
    val: Iterable,
    *,
    test: Iterable | None = None,
    metric: str | Metric = "accuracy",
    loss: Callable[[Any, Any], Tensor] | None = None,
    teach: Callable[[Any, Any], Tensor] | None = None,
    fit: Callable[[nn.Module, nn.Module, int], object] | None = None,
    most: float = 1.0,
    goal: str = "milliseconds",
    engine: str = "onnxruntime",
    blocks: Sequence[str] = (),
    epochs: int = 6,
    parent_epochs: int = 0,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    name: str = "",
    plan: bool = False,
    notes: Sequence[str] = (),
    tell: Tell | None = None,
) -> Shrunk:
    """Search the fastest network that loses no more than `most` points, and write it to the folder `out`.

    model: any module that takes one tensor; it is not changed. train, val, test: loaders of (inputs, targets), inputs
    float tensors (N, ...) of one shape; `val` in the same order every time. metric: outputs and targets of all of `val`
    -> 0 to 1, more is better; "accuracy" for logits (N, classes). loss: outputs, targets -> a scalar; cross-entropy of
    the logits where left out. teach: outputs, outputs of the original -> a scalar; where left out, Hinton's soft
    targets, or, beside a loss of your own, the squared distance of all tensors. fit: your own training in place of
    ours, called with the network, the original, and epochs. goal: milliseconds (of one input on one thread), bytes or
    multiply-adds. engine: whose milliseconds, "onnxruntime" or "torch". blocks: only these, or parts of them, are
    changed. epochs: for each step. parent_epochs: above 0 the model is trained first. lr: the peak of AdamW's cycle.
    plan: return a table of what would be done and how long it takes, and no network. notes: sentences for the report.
    tell: called with each sentence of progress; printed on stderr where left out.

    UserError where the model cannot be trained, exported or quantised, before anything is trained; and where its own
    training diverges.
    """
    known(goal, GOALS, "goal")
    known(engine, ENGINES, "engine")
    if not (math.isfinite(most) and 0 <= most < 100) or epochs < 1 or parent_epochs < 0 or not lr > 0:
        raise UserError("most is points from 0 to 99, epochs at least 1, parent_epochs at least 0, lr above 0.")
    export.check_installed()
    settings = {
        "most": most, "goal": goal, "engine": engine, "blocks": list(blocks), "epochs": epochs,
        "parent_epochs": parent_epochs, "lr": lr, "seed": seed,
    }  # fmt: skip
    measure = accuracy if metric == "accuracy" else metric
    if not callable(measure):
        raise UserError(f'metric={metric!r} is unknown: give "accuracy", or a function of outputs and targets.')
    what = name or type(model).__name__
    plainly = plain(unwrapped(copied(model, what), what), what).cpu()
    lessons = Lessons(train, loss or main_cross_entropy, teach or (imitation if loss else taught), fit, lr, seed)
    say = tell or partial(print, file=sys.stderr, flush=True)
    with torch.random.fork_rng():
        search = Search(plainly, val, test, measure, lessons, settings, out, what, list(notes), say)
        with search.alone():
            return search.planned() if plan else search.all()


# What a network learns by --------------------------------------------------------------------------------------------


def main(outputs: Any) -> Tensor:
    """The logits in what a network gives: itself, or the first of several, or "logits" or "out" of a dict."""
    if isinstance(outputs, dict):
        outputs = outputs.get("logits", outputs.get("out", next(iter(outputs.values()))))
    return outputs if isinstance(outputs, Tensor) else main(outputs[0])


def main_cross_entropy(outputs: Any, targets: Tensor) -> Tensor:
    """Cross-entropy of logits (N, classes, ...) and labels (N, ...)."""
    return F.cross_entropy(main(outputs).float(), targets)


def taught(outputs: Any, original: Any) -> Tensor:
    """Hinton's soft targets, times T squared, for logits (N, classes, ...)."""
    student, teacher = main(outputs).float(), main(original).float()
    return TEMPERATURE**2 * soft_targets(student, teacher, TEMPERATURE) / max(1, student[0, 0].numel())


def imitation(outputs: Any, original: Any) -> Tensor:
    """Squared distance of all tensors that a network gives from the original's, in units of their variance."""
    pairs = zip(tree_leaves(outputs), tree_leaves(original), strict=False)
    floats = [(s.float(), t.float()) for s, t in pairs if isinstance(s, Tensor) and s.is_floating_point()]
    return torch.stack([F.mse_loss(s, t) / t.var().clamp(min=1e-6) for s, t in floats if s.shape == t.shape]).mean()


def accuracy(outputs: Any, targets: Tensor) -> float:
    """Share of inputs whose largest logit is the target's."""
    return (main(outputs).argmax(1) == targets).double().mean().item()


@dataclass(frozen=True)
class Lessons:
    """How networks are trained, on the fastest device here."""

    train: Iterable
    loss: Callable[[Any, Any], Tensor]
    teach: Callable[[Any, Any], Tensor]
    fit: Callable[[nn.Module, nn.Module, int], object] | None
    lr: float
    seed: int

    @cached_property
    def config(self) -> compute.ComputeConfig:
        """Device and precision; the layout in memory is the network's own business."""
        return replace(compute.choose(), channels_last=False, capture=False)

    @cached_property
    def steps(self) -> int:
        """Batches of an epoch."""
        return len(self.train) if isinstance(self.train, Sized) else sum(1 for _ in self.train)

    def batches(self) -> Iterator[tuple[Tensor, Any]]:
        """The batches of an epoch on the device; those of a single input, which BatchNorm refuses, are left out."""
        for batch in self.train:
            if not isinstance(batch, tuple | list) or len(batch) != 2 or not isinstance(batch[0], Tensor):
                raise UserError("A loader must give pairs of inputs, one tensor, and targets.")
            inputs, targets = batch
            if len(inputs) > 1:
                yield inputs.to(self.config.device), tree_map(self.there, targets)

    def there(self, value: Any) -> Any:
        """A tensor on the device."""
        return value.to(self.config.device) if isinstance(value, Tensor) else value

    def step_loss(self, net: nn.Module, teacher: nn.Module | None, inputs: Tensor, targets: Any) -> Tensor:
        """The loss of one batch: of labels alone, or of the teacher's answers beside them."""
        with self.config.autocast():
            outputs = net(inputs)
        own = self.loss(outputs, targets)
        if teacher is None:
            return own
        with torch.no_grad(), self.config.autocast():
            answers = teacher(inputs)
        return (1 - TAUGHT) * own + TAUGHT * self.teach(outputs, answers)

    def learn(self, net: nn.Module, teacher: nn.Module | None, epochs: int, what: str) -> None:
        """Train `net` in place by AdamW and one cycle. Failed where the loss is not finite, or memory runs out."""
        torch.manual_seed(self.seed)
        if self.fit is not None and teacher is not None:
            self.fit(net.train(), teacher, epochs)
            net.eval().cpu()
            return

        def losses() -> Iterator[Tensor]:
            for inputs, targets in self.batches():
                yield self.step_loss(net, teacher, inputs, targets)

        net.to(self.config.device).train()
        if teacher is not None:
            teacher.to(self.config.device).eval()
        self.descend(net, losses, epochs, what)
        net.eval().cpu()

    def imitate(self, net: nn.Module, before: nn.Module, move: Move) -> None:
        """Teach the new layer of `net`, for one epoch, to give what the block gave in `before`, the network with it."""
        torch.manual_seed(self.seed)
        first, last = (cut.children(move.where)[i] for i in (0, -1))
        new, seen = net.get_submodule(first).to(self.config.device).train(), {}

        def note_input(module: nn.Module, arguments: tuple, options: dict) -> None:
            seen["x"] = arguments[0] if arguments else next(iter(options.values()))

        def note_output(module: nn.Module, arguments: tuple, output: Tensor) -> None:
            seen["y"] = output

        before.to(self.config.device).eval()
        handles = [
            before.get_submodule(first).register_forward_pre_hook(note_input, with_kwargs=True),
            before.get_submodule(last).register_forward_hook(note_output),
        ]

        def losses() -> Iterator[Tensor]:
            for inputs, _ in self.batches():
                with torch.no_grad(), self.config.autocast():
                    before(inputs)
                with self.config.autocast():
                    given = new(seen["x"])
                yield imitation(given, seen["y"])

        try:
            self.descend(new, losses, 1, f"imitation for {move.where}")
        finally:
            for handle in handles:
                handle.remove()
        net.cpu()

    def descend(self, net: nn.Module, losses: Callable[[], Iterator[Tensor]], epochs: int, what: str) -> None:
        """Go through the losses of each epoch, and down."""
        from tqdm import tqdm

        total = max(1, epochs * self.steps)
        trained = [p for p in net.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=self.lr, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, partial(one_cycle, total=total))
        with enough_memory(), tqdm(total=total, desc=what[:40], leave=False, disable=None, file=sys.stderr) as bar:
            for _ in range(epochs):
                value = torch.zeros(())
                for value in losses():
                    optimiser.zero_grad(set_to_none=True)
                    if not torch.isfinite(value):
                        raise Failed("the loss was not finite")
                    value.backward()
                    nn.utils.clip_grad_norm_(trained, 5.0)
                    optimiser.step()
                    schedule.step()
                    bar.update()
        if not all(bool(torch.isfinite(p).all()) for p in trained):
            raise Failed("weights are not finite")


@contextmanager
def enough_memory() -> Iterator[None]:
    """Inside, memory that runs out is a training that failed."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise Failed("the memory was not enough") from error


def one_cycle(step: int, total: int) -> float:
    """The share of the peak rate at a step: up for a fifth of the steps, then down to nothing as a cosine."""
    up = max(1, total // 5)
    if step < up:
        return (step + 1) / up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - up) / max(1, total - up))))


# The search ----------------------------------------------------------------------------------------------------------


class Search:
    """One network, its folder, and everything that was found out so far."""

    def __init__(
        self, model: nn.Module, val: Iterable, test: Iterable | None, metric: Metric, lessons: Lessons,
        settings: dict[str, Any], out: str | Path | None, name: str, notes: list[str], tell: Tell,
    ) -> None:  # fmt: skip
        self.model, self.val, self.test, self.metric, self.lessons = model, val, test, metric, lessons
        self.settings, self.name, self.notes, self.tell = settings, name, notes, tell
        self.inputs = torch.cat([inputs for inputs, _ in self.some(export.CALIBRATED)]).float().cpu()
        self.example = self.inputs[:2]
        self.goal, self.most = settings["goal"], settings["most"]
        self.answer = self.try_once()
        self.mark = self.fingerprint()
        self.out = Path(out).expanduser() if out else cache_dir() / "shrunk" / self.mark[:12]
        self.folder = self.out / "search"
        self.journal = self.read_journal()
        self.judges_integers = False
        self.steps: list[dict[str, Any]] = []

    def some(self, count: int) -> Iterator[tuple[Tensor, Any]]:
        """The first batches of training, until there are so many inputs."""
        torch.manual_seed(0)
        for inputs, targets in self.lessons.batches():
            yield inputs, targets
            count -= len(inputs)
            if count <= 0:
                return

    def try_once(self) -> Any:
        """One training step, one export, one quantisation; an answer of the network. UserError where one fails."""
        from tempfile import TemporaryDirectory

        tried = copy.deepcopy(self.model)
        try:
            cut.run(tried, self.example)  # lazy layers get their shapes
            self.model = copy.deepcopy(tried)
            cut.check_asked(tried, list(cut.blocks(tried, self.example)), self.settings["blocks"])
            tried.to(self.lessons.config.device).train()
            inputs, targets = next(self.some(1))
            self.lessons.step_loss(tried, None, inputs, targets).backward()
            answer = cut.run(self.model, self.example)
            value = float(self.metric(answer, tree_map(lambda t: t.cpu()[:2] if isinstance(t, Tensor) else t, targets)))
        except (UserError, KeyboardInterrupt):
            raise
        except Exception as error:  # a network, a loss and a metric of the user's, with errors of their own
            shape = "x".join(map(str, self.example.shape[1:]))
            raise UserError(
                f"{self.name} cannot be trained with these inputs of {shape} ({type(error).__name__}: "
                f"{first_line(error)}): it must take one tensor (N, {shape}), and loss and metric what it gives."
            ) from error
        if not math.isfinite(value):
            raise UserError(f"The metric gave {value}: a number from 0 to 1 is expected, more being better.")
        with TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            try:
                export.write_float(self.model, self.example, path)
                export.write_integers(path, self.inputs[:8], path.with_name("int8.onnx"))
            except UserError as error:
                raise UserError(f"{self.name}: {error}") from error
        return answer

    def fingerprint(self) -> str:
        """A hash of the network, of the inputs and the settings: whatever changes a result changes it.

        Of the network its weights, what it gives in both modes, its layers as they print, and the files of its classes.
        """
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode())
        digest.update(repr(self.model).encode())
        for kind in dict.fromkeys(type(module) for module in self.model.modules()):
            with suppress(OSError, TypeError):  # there is none of a class that was made in a notebook
                digest.update(Path(inspect.getfile(kind)).read_bytes())
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        torch.manual_seed(0)
        trained = copy.deepcopy(self.model).train()(self.example)
        answers = [
            *tree_leaves(self.answer),
            *tree_leaves(trained),
            self.inputs.mean((0, *range(2, self.inputs.dim()))),
        ]
        numbers = [t.detach().double().flatten()[:64] for t in answers if isinstance(t, Tensor)]
        digest.update(" ".join(f"{value:.3e}" for part in numbers for value in part.tolist()).encode())
        digest.update(f"{self.lessons.steps} {len(self.inputs)} {self.name}".encode())
        return digest.hexdigest()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, no other process works in the folder. UserError where one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise UserError(f"Another process works in {self.out}: wait for it, or give another folder.") from None
        except OSError:
            self.tell(f"{self.out} is on a file system without locks: see that no other process works there.")
        try:
            yield
        finally:
            lock.release()

    # The journal

    def read_journal(self) -> dict[str, dict[str, Any]]:
        """What was found out before, by key. A line that a killed process left unfinished counts for nothing."""
        found = {}
        path = self.folder / "journal.jsonl"
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                entry = json.loads(line)
                found[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def once(self, what: list[Any], make: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        """What `make(key)` finds out, from the journal where it is there and its weights are."""
        key = self.key(what)
        found = self.journal.get(key)
        if found is None or (found.get("weights") and not self.weights(key).is_file()):
            found = {"key": key} | make(key)
            self.journal[key] = found
            text = "".join(json.dumps(entry) + "\n" for entry in self.journal.values())
            write_atomic(self.folder / "journal.jsonl", text.encode())
        return found

    def key(self, what: list[Any]) -> str:
        """The key of what is found out about this network with these settings."""
        return hashlib.sha256(json.dumps([self.mark, *what]).encode()).hexdigest()[:16]

    def weights(self, key: str) -> Path:
        """Where a candidate's weights lie."""
        return self.folder / f"{key}.safetensors"

    def keep(self, key: str, net: nn.Module) -> None:
        """Keep a candidate's weights."""
        tensors = {name: t.detach().cpu().contiguous().clone() for name, t in net.state_dict().items()}
        write_atomic(self.weights(key), save(tensors))

    def network(self, candidate: Candidate) -> nn.Module:
        """A candidate's network, made again from the original by its moves, and its weights."""
        net: nn.Module = copy.deepcopy(self.model)
        for move in candidate.moves:
            changed = cut.apply(net, move, self.example, rank=False)
            assert changed is not None, move
            net = changed
        net.load_state_dict(load_file(self.weights(candidate.key)))
        return net.eval()

    # Judging

    def score(self, run: Callable[[Tensor], Any], loader: Iterable | None = None) -> float:
        """The metric of a function of inputs over all of `val`, or of `loader`."""
        outputs, targets = [], []
        with torch.no_grad():
            for inputs, target in loader if loader is not None else self.val:
                outputs.append(tree_map(lambda t: t.cpu() if isinstance(t, Tensor) else t, run(inputs.float())))
                targets.append(target)
        return float(self.metric(joined(outputs), joined(targets)))

    def score_network(self, net: nn.Module) -> float:
        """The same of a network."""
        device = self.lessons.config.device
        net.to(device).eval()
        found = self.score(lambda inputs: net(inputs.to(device)))
        net.cpu()
        return found

    def score_file(self, path: Path, loader: Iterable | None = None) -> float:
        """The same of a file, in ONNX Runtime."""
        return self.score(export.File(path, 0).like(self.answer), loader)

    def write(self, net: nn.Module, key: str, integers: bool = True) -> dict[str, Path]:
        """A network's files in the folder of the search. CannotExport where one cannot be written."""
        files = {"fp32": self.folder / f"{key}.onnx"}
        export.write_float(net, self.example, files["fp32"])
        if integers:
            files["int8"] = self.folder / f"{key}.int8.onnx"
            export.write_integers(files["fp32"], self.inputs, files["int8"])
        return files

    def cost(self, net: nn.Module, key: str) -> float:
        """What a network costs, in the goal's unit: of the file that is judged; milliseconds beside the original's."""
        if self.goal == "multiply-adds":
            return cut.size(net, self.example)[0]
        if self.goal == "milliseconds" and self.settings["engine"] == "torch":
            one = self.example[:1]
            times = export.milliseconds({"new": lambda: cut.run(net, one), "old": lambda: cut.run(self.model, one)})
        else:
            judged = self.write(net, key, self.judges_integers)["int8" if self.judges_integers else "fp32"]
            if self.goal == "bytes":
                return judged.stat().st_size
            files = {"new": judged, "old": self.original[self.judges_integers]}
            times = export.time_files(files, self.example)
        return self.base * times["new"] / times["old"]

    def lost(self, candidate: Candidate, depth: int) -> float:
        """Points that the judged file of a candidate loses beside the better of the original and the control, which
        was retrained for as long as `depth` steps."""
        found = candidate.integers if self.judges_integers else candidate.score
        if found is None or not math.isfinite(found):
            return math.inf
        return 100 * (self.reference(depth) - found)

    def reference(self, depth: int) -> float:
        """The better of the original, and of it retrained for as long as up to `depth` steps."""
        return max([self.parent.score, *(self.control(d) for d in range(1, depth + 1))])

    # What is trained

    def begin(self) -> None:
        """Train the original where that is asked for, write its files and judge them: integers come first."""
        epochs = self.settings["parent_epochs"]

        def parent(key: str) -> dict[str, Any]:
            net, began = copy.deepcopy(self.model), time.perf_counter()
            if epochs:
                self.tell(f"{self.name} is trained for {epochs} epochs.")
                try:
                    replace(self.lessons, fit=None, lr=2 * self.lessons.lr).learn(net, None, epochs, self.name)
                except Failed as error:
                    raise UserError(
                        f"{self.name} could not be trained ({error}): nothing can be judged beside it. Lower the rate "
                        "with --lr, or give weights."
                    ) from error
            self.keep(key, net)
            return {"score": self.score_network(net), "weights": True, "seconds": time.perf_counter() - began}

        made = self.once(["parent"], parent)
        self.model.load_state_dict(load_file(self.weights(made["key"])))
        self.parent = Candidate(made["key"], (), made["score"], None, math.nan)
        files = self.write(self.model, "original")
        self.original = (files["fp32"], files["int8"])

        def integers(key: str) -> dict[str, Any]:
            times = export.time_files({"fp32": self.original[0], "int8": self.original[1]}, self.example)
            return {"score": self.score_file(self.original[1]), "ms": times}

        found = self.once(["integers"], integers)
        self.parent = replace(self.parent, integers=found["score"])
        costs = {
            "milliseconds": found["ms"], "bytes": {name: path.stat().st_size for name, path in files.items()},
        }.get(self.goal, dict.fromkeys(files, cut.size(self.model, self.example)[0]))  # fmt: skip
        lost = 100 * (self.parent.score - found["score"])
        by_file = self.goal == "bytes" or (self.goal == "milliseconds" and self.settings["engine"] == "onnxruntime")
        self.judges_integers = by_file and lost <= self.most and costs["int8"] < costs["fp32"]
        self.base = costs["int8" if self.judges_integers else "fp32"]
        if self.goal == "milliseconds" and self.settings["engine"] == "torch":
            self.base = export.milliseconds({"": lambda: cut.run(self.model, self.example[:1])})[""]
        self.parent = replace(self.parent, cost=self.base)
        self.note_step("8-bit integers", lost, costs["int8"], "taken" if lost <= self.most else "loses too much", found)

    def control(self, depth: int) -> float:
        """The metric of the original retrained, taught by itself, for as long as `depth` steps."""
        epochs = self.settings["epochs"]

        def make(key: str) -> dict[str, Any]:
            net = copy.deepcopy(self.model)
            before = self.key(["control", depth - 1])
            if depth > 1 and self.weights(before).is_file():
                net.load_state_dict(load_file(self.weights(before)))
            try:
                self.lessons.learn(net, copy.deepcopy(self.model), epochs, f"the original, {depth * epochs} epochs")
            except Failed:
                return {"score": 0.0}
            self.keep(key, net)
            return {"score": self.score_network(net), "weights": True}

        if depth > 1:
            self.control(depth - 1)
        return self.once(["control", depth], make)["score"]

    def attempt(self, move: Move, start: Candidate, epochs: int, probe: bool) -> tuple[Candidate | None, str]:
        """Do a move on a network, and train what comes out. None, and why, where that is no gain or fails."""
        epochs_done = max(1, epochs // 4) if probe else epochs

        def make(key: str) -> dict[str, Any]:
            before = self.network(start)
            net = cut.apply(before, move, self.example)
            if net is None:
                return {"reason": "gone"}
            try:
                began = time.perf_counter()
                cost = self.cost(net, key)
                if cost > (1 - LEAST) * start.cost:
                    return {"reason": "saves nothing", "cost": cost}
                if move.kind == "layer":
                    self.lessons.imitate(net, before, move)
                self.lessons.learn(net, copy.deepcopy(self.model), epochs_done, str(move))
                integers = self.score_file(self.write(net, key)["int8"]) if self.judges_integers else None
            except (Failed, export.CannotExport) as error:
                return {"reason": str(error)}
            finally:
                for path in self.folder.glob(f"{key}.*onnx"):
                    path.unlink(missing_ok=True)
            if epochs_done == epochs:  # of one epoch a probe is the step itself
                self.keep(key, net)
            return {
                "score": self.score_network(net), "integers": integers, "cost": cost, "weights": epochs_done == epochs,
                "move": move.to_json(), "seconds": time.perf_counter() - began,
            }  # fmt: skip

        made = self.once(["move", start.key, move.to_json(), epochs_done, self.judges_integers], make)
        if "score" not in made:
            return None, made["reason"]
        return Candidate(made["key"], (*start.moves, move), made["score"], made["integers"], made["cost"]), ""

    # In order

    def ordered(self) -> list[Move]:
        """Probe the moves; those that are worth a step, the most saved for a point lost first."""
        moves = cut.moves(self.model, self.example, self.settings["blocks"])[:PROBED]
        if importlib.util.find_spec("torch_pruning") is None:
            self.notes.append("torch-pruning is not installed: no channels were taken out, only whole blocks.")
        worth = {}
        for i, move in enumerate(moves):
            probed, reason = self.attempt(move, self.parent, self.settings["epochs"], probe=True)
            lost = self.lost(probed, 0) if probed else math.inf
            saved = 1 - probed.cost / self.parent.cost if probed else 0.0
            said = f"{lost:.1f} points lost, {saved:.0%} saved" if probed else reason
            self.tell(f"Probe {i + 1} of {len(moves)}, {move}: {said}.")
            if probed and lost <= self.most + HOPELESS:
                worth[move] = saved / max(lost, FINEST)
        return sorted(worth, key=lambda move: -worth[move])

    def best(self) -> tuple[Candidate, int]:
        """Take one step after the other; the last network that loses no more than it may, and its number of steps."""
        current, depth, tried = self.parent, 0, set[tuple[str, Move]]()
        todo = self.ordered()
        for second in (False, True):
            refused: dict[Move, float] = {}
            for move in todo:
                if (current.key, move) in tried:
                    continue
                tried.add((current.key, move))
                found, reason = self.attempt(move, current, self.settings["epochs"], probe=False)
                if found is None:
                    if reason not in ("gone", "saves nothing"):
                        self.note_step(str(move), math.inf, math.nan, reason, {})
                    continue
                lost = self.lost(found, depth)
                if lost <= self.most + ROUNDING:  # a control is trained only where it decides
                    lost = self.lost(found, depth + 1)
                taken = lost <= self.most + ROUNDING
                again = ", the second time" if second else ""
                self.note_step(str(move) + again, lost, found.cost, "taken" if taken else "loses too much", vars(found))
                if taken:
                    current, depth = found, depth + 1
                else:
                    refused[move] = lost
            todo = [gentler(self.model, move) for move in sorted(refused, key=lambda move: refused[move])]
        return current, depth

    def note_step(self, what: str, lost: float, cost: float, became: str, found: dict[str, Any]) -> None:
        """Note what became of a step, and tell it."""
        row = {"step": what, "lost": finite(lost), "cost": finite(cost), "became": became, "score": found.get("score")}
        self.steps.append(row)
        of = f"{cost / self.base:.0%} of the {self.goal}, " if finite(cost) else ""
        self.tell(f"{what}: {f'{lost:.1f} points lost, ' if finite(lost) is not None else ''}{of}{became}.")

    def all(self) -> Shrunk:
        """Search, write the files of what was found, and measure these files."""
        began = time.perf_counter()
        self.begin()
        chosen, depth = self.best()
        net = self.network(chosen) if chosen.moves else copy.deepcopy(self.model).eval()
        files = {"original": self.original[0], "original, int8": self.original[1]}
        files["small"] = self.out / "network.onnx"
        export.write_float(net, self.example, files["small"])
        small_int8 = self.out / "network.int8.onnx"
        export.write_integers(files["small"], self.inputs, small_int8)
        scores = {name: self.score_file(path) for name, path in (files | {"small, int8": small_int8}).items()}
        lost = 100 * (self.reference(depth) - scores["small, int8"])
        if lost <= self.most + ROUNDING:
            files["small, int8"] = small_int8
        else:
            small_int8.unlink()
            self.notes.append(f"There is no network.int8.onnx: 8-bit integers would lose {lost:.1f} points.")
        tensors = {name: t.detach().contiguous().clone() for name, t in net.state_dict().items()}
        about = {
            "moves": [move.to_json() for move in chosen.moves], "example": list(self.example.shape),
            "normalised": hasattr(net, "network") and type(net).__name__ == "Normalised",
        }  # fmt: skip
        write_atomic(self.out / "network.safetensors", save(tensors, {"netpress": json.dumps(about)}))
        torch.export.save(export.program_of(net, self.example), self.out / "network.pt2")
        facts = self.facts(net, depth, files, scores)
        facts["seconds"] = time.perf_counter() - began
        write_atomic(self.out / "report.json", json.dumps(facts, indent=1, allow_nan=False).encode())
        for name, content in Report(facts).pages().items():
            write_atomic(self.out / name, content.encode())
        return Shrunk(net, files["small"], files.get("small, int8"), facts)

    def facts(self, net: nn.Module, depth: int, files: dict[str, Path], scores: dict[str, float]) -> dict[str, Any]:
        """Everything that the report says, as plain values; milliseconds and bytes are those of the files."""
        sizes = {name: cut.size(each, self.example) for name, each in (("original", self.model), ("small", net))}
        times = {
            f"batch {batch}, {'1 thread' if threads else 'all threads'}": export.time_files(
                files, self.example, batch, threads
            )
            for batch in (1, 32)
            for threads in (1, 0)
        }
        rows = []
        for name, path in files.items():
            madds, parameters = sizes[name.split(",")[0]]
            test = None if self.test is None else self.score_file(path, self.test)
            rows.append(
                {
                    "network": name, "file": path.name if path.parent == self.out else "", "score": scores[name],
                    "test": test, "parameters": parameters, "multiply-adds": madds, "bytes": path.stat().st_size,
                    "ms": {key: found[name] for key, found in times.items()},
                }
            )  # fmt: skip
        controls = [self.control(d) for d in range(1, depth + 1)]
        count = sum(len(inputs) for inputs, _ in self.val)
        notes = list(self.notes)
        if 100 / count > self.most / 2:
            notes.append(
                f"One of the {count} validation inputs is worth {100 / count:.1f} points: {self.most:g} is few."
            )
        return {
            "name": self.name, "settings": self.settings, "files": rows, "steps": self.steps, "notes": notes,
            "base": self.base, "taken": depth, "control": controls, "parent": self.parent.score, "validation": count,
            "judged": "int8" if self.judges_integers else "fp32", "torch": torch.__version__,
            "device": self.lessons.config.device,
        }  # fmt: skip

    def planned(self) -> Any:
        """What would be done, with the minutes of each step, as a table; nothing is trained."""
        moves = cut.moves(self.model, self.example, self.settings["blocks"])
        second = self.seconds_of_step()
        epochs, parent = self.settings["epochs"], self.settings["parent_epochs"]
        minutes = second * self.lessons.steps / 60
        probes = min(len(moves), PROBED)
        rows = [{"step": f"train {self.name}", "times": 1, "minutes": parent * minutes * 0.75}] if parent else []
        rows.append({"step": "8-bit integers", "times": 1, "minutes": 0.2})
        rows += [{"step": f"probe {m}", "times": 1, "minutes": max(1, epochs // 4) * minutes} for m in moves[:PROBED]]
        rows.append({"step": "a step", "times": probes, "minutes": epochs * minutes})
        rows.append(
            {"step": "the original retrained beside a step that is taken", "times": probes, "minutes": epochs * minutes}
        )
        return Report.plan(self.name, rows)

    def seconds_of_step(self) -> float:
        """Seconds of a training step with a teacher, after one to warm up."""
        net, teacher = (copy.deepcopy(self.model).to(self.lessons.config.device) for _ in range(2))
        net.train(), teacher.eval()
        inputs, targets = next(self.some(1))
        times = []
        for _ in range(4):
            began = time.perf_counter()
            self.lessons.step_loss(net, teacher, inputs, targets).backward()
            times.append(time.perf_counter() - began)
        return sorted(times[1:])[1]


def gentler(model: nn.Module, move: Move) -> Move:
    """The same move, with more of its channels kept."""
    if move.kind != "narrow":
        return move
    modules = dict(model.named_modules())
    keep = []
    for name, _ in move.keep:
        keep.append((name, cut.narrower(cut.channels_of(modules[name]), SECOND)))
    return replace(move, keep=tuple(keep))


def joined(parts: list[Any]) -> Any:
    """The outputs of batches as those of one: tensors end to end, in tuples and dicts too; else a list."""
    leaves = [tree_flatten(part) for part in parts]
    if len(leaves) == 1:
        return parts[0]
    if all(isinstance(leaf, Tensor) and leaf.dim() for flat, _ in leaves for leaf in flat):
        return torch.utils._pytree.tree_unflatten(
            [torch.cat(tensors) for tensors in zip(*(flat for flat, _ in leaves), strict=True)], leaves[0][1]
        )
    return [each for part in parts for each in part]


def finite(value: float) -> float | None:
    """A number as JSON has it: None where it is none."""
    return value if math.isfinite(value) else None
