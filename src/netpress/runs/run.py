"""A run: one network trained by one method, with one seed, as an immutable value with a name and a fingerprint."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Protocol

from netpress import data, nets
from netpress.errors import known
from netpress.training.stage import Stage

Factors = tuple[tuple[str, Any], ...]

if TYPE_CHECKING:
    from netpress.nets.network import Network

# Raise one by hand whenever a change of the code changes results: of all networks, or of those of one family
TRAINING_VERSION = 1
NETWORK_VERSIONS = {"vgg": 1}  # 1: dropout grows with the width


class Edit(Protocol):
    """Surgery on a network: a frozen dataclass of the package `compress`."""

    def apply(self, network: "Network", needs: "dict[str, Network]") -> "Network":
        """The network afterwards; `needs` are the trained networks that the run begins from, by role."""


class Measure(Protocol):
    """Something measured on the finished network beside its accuracy: a frozen dataclass."""

    def take(self, trained: Any) -> dict[str, Any]:
        """Plain JSON values by name. `trained` is a `perform.FinishedRun`."""


@dataclass(frozen=True)
class Run:
    """One network, trained by one method, with one seed.

    `steps` are done in order: stages train, edits operate. `needs` pairs a role ("parent", "teacher") with the run
    whose network plays it. `measures` are taken at the end, `factors` say what the run varies, for tables and claims;
    both are no part of the fingerprint.
    """

    paper: str
    dataset: str
    model: str  # a label of nets.MODELS
    method: str
    seed: int
    px: int
    width: float
    images: int | None  # training images; None = all
    steps: tuple[Stage | Edit, ...]
    needs: tuple[tuple[str, "Run"], ...] = ()
    judged_on: str = "test"  # "validation": train on nine tenths of the training images, judge on the last tenth
    measures: tuple[Measure, ...] = ()
    factors: Factors = ()

    @property
    def label(self) -> str:
        """The last part of the name: model, method and seed."""
        return f"{self.model}-{self.method}-s{self.seed}"

    @property
    def name(self) -> str:
        """Reads like a path: triage/cifar10/vgg16-block3-mean-thawed-s0."""
        return f"{self.paper}/{self.dataset}/{self.label}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that can change the result."""
        return fingerprint(self)

    def seed_of(self, *parts: object) -> int:
        """The seed of a part of the run: its weights, a step, the order of its images in a stage."""
        from netpress.seeds import seed_of_run

        return seed_of_run(self.dataset, self.seed, *parts)

    def with_stage(self, name: str, **changes: Any) -> "Run":
        """The same run with fields of a stage changed: `run.with_stage("retrain", epochs=8, lr=0.02)`.

        It has another fingerprint, and its record would be another one. Raises UserError for a stage or a field that
        there is not, naming the nearest.
        """
        known(name, [stage.name for stage in self.stages], "stage of this run")
        for name_of_field in changes:
            known(name_of_field, [each.name for each in fields(Stage)], "field of a stage")
        steps = (
            replace(step, **changes) if isinstance(step, Stage) and step.name == name else step for step in self.steps
        )
        return replace(self, steps=tuple(steps))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The steps that train."""
        return tuple(step for step in self.steps if isinstance(step, Stage))

    @property
    def epochs(self) -> int:
        """Epochs over all stages."""
        return sum(stage.epochs for stage in self.stages)


def fingerprint(run: Run, steps: int | None = None) -> str:
    """SHA-256 of all settings, the data's checksum, the needed runs' fingerprints and the training version.

    With `steps`, the fingerprint of the run's beginning: its first `steps` steps, whatever it is called.
    """
    settings = {key: getattr(run, name) for name, key in RUN.items() if steps is None or name not in NAMES}
    settings |= {
        "steps": as_json(run.steps[:steps], hashing=True),
        "needs": [[role, need.fingerprint] for role, need in run.needs],
        "data": checksum(run.dataset, os.environ.get("NETPRESS_DATA")),
        "version": version(run.model),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True, allow_nan=False).encode()).hexdigest()


def version(model: str) -> int:
    """The version of the code that trains this network."""
    return TRAINING_VERSION + NETWORK_VERSIONS.get(nets.family_of(model), 0)


def described(run: Run) -> dict[str, Any]:
    """All settings as a record has them, the needed runs by name and fingerprint."""
    return {
        **{key: getattr(run, name) for name, key in RUN.items()},
        "steps": as_json(run.steps),
        "needs": {role: {"name": need.name, "fingerprint": need.fingerprint} for role, need in run.needs},
        "measures": as_json(run.measures),
    }


@cache
def checksum(dataset: str, folder: str | None) -> str:
    """The data's checksum, one and the same throughout a process."""
    return data.checksum(dataset)


def with_needs(runs: Iterable[Run]) -> tuple[Run, ...]:
    """All runs and all that they need, each once, needs first."""
    found: dict[Run, None] = {}

    def visit(run: Run) -> None:
        if run not in found:
            for _, need in run.needs:
                visit(need)
            found[run] = None

    for run in runs:
        visit(run)
    return tuple(found)


# --- the names under which a run is hashed and recorded, written down here so that code may be renamed
#
# Every class that a run may hold has an entry, and every field of it a key. If you rename a class or a field, rename it
# on the left-hand side of the table. The right-hand side is in committed records and stays. A field that equals the
# value noted with its key is left out of the hash: so a new setting leaves old fingerprints as they were. That value is
# not the default of the class, which may change.


@dataclass(frozen=True)
class Key:
    """The name of a field in hashes and records.

    `unless`: the value that is left out of the hash; `...` where every value is hashed. `later`: the field was added
    when there were records already, so the value `unless` is left out of records too.
    """

    name: str
    unless: object = ...
    later: bool = False


@dataclass(frozen=True)
class Keys:
    """The name of a class in hashes and records, and the key of each of its fields.

    `dropped`: what records say of fields that the class no longer has; it was never hashed.
    """

    name: str
    fields: dict[str, Key]
    dropped: dict[str, str] = field(default_factory=dict)


# Of a run itself; its needs, steps and measures are put together by `fingerprint` and `described`
RUN = {
    "paper": "paper", "dataset": "dataset", "model": "model", "method": "method", "seed": "seed", "px": "px",
    "width": "width", "images": "images", "judged_on": "judged_on",
}  # fmt: skip
NAMES = ("method",)  # what a run is called: two runs with other names may begin alike

KEYS = {
    # of steps
    "Stage": Keys(
        "Stage",
        {
            "name": Key("name"),
            "loss": Key("loss", "cross-entropy"),
            "trains": Key("trains", ()),
            "at": Key("at", None),
            "teacher": Key("teacher", None),
            "epochs": Key("epochs", 1),
            "batch_size": Key("batch", 64),
            "optimiser": Key("optimiser", "sgd"),
            "lr": Key("rate", 0.05),
            "schedule": Key("schedule", "one-cycle"),
            "weight_decay": Key("weight_decay", 5e-4),
            "momentum": Key("momentum", 0.9, later=True),
            "view": Key("view", "plain"),
            "teacher_view": Key("teacher_view", None),
            "temperature": Key("temperature", 1.0),
            "alpha": Key("alpha", 1.0),
            "scaled": Key("scaled", False),
            "looks": Key("looks", (), later=True),
            "shared": Key("shared", False),
        },
    ),
    "Inherit": Keys("Inherit", {"role": Key("role", "parent")}),
    "Pretrained": Keys("Pretrained", {"model": Key("model")}),
    "Random": Keys("Random", {"block": Key("block")}),
    "Mean": Keys("Mean", {"block": Key("block"), "role": Key("role", "parent")}, {"variant": "literal"}),
    "Prune": Keys("Prune", {"ratio": Key("ratio"), "scope": Key("scope", "global")}),
    "ShareWeights": Keys("ShareWeights", {"bits": Key("bits")}),
    # of measures, which are written and not hashed
    "Filters": Keys("Filters", {"block": Key("block")}),
    "Similarity": Keys("Similarity", {"block": Key("block"), "role": Key("role")}),
    "Agreement": Keys("Agreement", {"role": Key("role")}),
    "StoredSize": Keys("StoredSize", {"forms": Key("forms")}),
    "Integers": Keys("Integers", {}),
}


def keys_of(value: Any) -> Keys:
    """The entry of a dataclass's instance. Raises LookupError for a class or field of netpress that has none.

    A class from elsewhere, such as one that a reader wrote in a notebook, goes by its own names.
    """
    kind, names = type(value), {one.name: one.default for one in fields(value)}
    found = KEYS.get(kind.__name__)
    if not kind.__module__.startswith("netpress."):
        return found or Keys(kind.__name__, {name: Key(name, default) for name, default in names.items()})
    if found is None or names.keys() - found.fields.keys():
        raise LookupError(f"{kind.__name__} or a field of it has no key yet: give it one in runs/run.py.")
    return found


def as_json(value: object, hashing: bool = False) -> Any:
    """A step or a measure as plain JSON, as records say it; as the fingerprint does, with `hashing`."""
    if isinstance(value, tuple | list):
        return [as_json(item, hashing) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    keys, found = keys_of(value), dict[str, Any]()
    for one in fields(value):
        key, held = keys.fields[one.name], getattr(value, one.name)
        if held != key.unless or not (hashing or key.later):
            found[key.name] = as_json(held, hashing)
    return {"is": keys.name} | found | ({} if hashing else keys.dropped)
