"""The names under which a run is hashed and recorded. They are written down here, so that code may be renamed.

Every class that a run may hold has an entry, and every field of it a key. If you rename a class or a field, rename it
on the left-hand side of the table. The right-hand side is in committed records and stays. A field that equals the value
noted with its key is left out of the hash: so a new setting leaves old fingerprints as they were. That value is not the
default of the class, which may change.
"""

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any


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


# Of a run itself; its needs, steps and measures are put together in run.py
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
        raise LookupError(f"{kind.__name__} or a field of it has no key yet: give it one in runs/identity.py.")
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
