"""What a run is hashed and recorded under: keys of its own, whatever classes and fields are called."""

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass, replace

import pytest

from netpress import data, papers
from netpress.compress import edits
from netpress.runs import measures
from netpress.runs.run import KEYS, RUN, Key, Keys, Run, as_json, described, fingerprint, version
from netpress.training.stage import Stage

TOGETHER = {"needs", "steps", "measures", "factors"}  # put together in run.py, or no part of a run's identity
STEPS = [Stage, *(kind for kind in vars(edits).values() if is_dataclass(kind) and hasattr(kind, "apply"))]
MEASURES = [kind for kind in vars(measures).values() if is_dataclass(kind) and kind.__module__ == measures.__name__]
STAGE = Stage("retrain", trains=("block1", "head"), epochs=4, shared=True)


def a_run() -> Run:
    parent = Run("triage", "digits", "vgg16", "parent", 1, 32, 0.125, None, (Stage("train", epochs=2),))
    steps = (edits.Inherit(), edits.Mean("block1"), STAGE)
    return replace(parent, model="vgg16-block1", method="mean", steps=steps, needs=(("parent", parent),))


@pytest.mark.parametrize("kind", [*STEPS, *MEASURES], ids=lambda kind: kind.__name__)
def test_every_class_and_field_has_a_key(kind: type) -> None:
    keys = KEYS[kind.__name__]
    assert {field.name for field in fields(kind)} <= keys.fields.keys(), "give it a key in runs/run.py"
    names = [key.name for key in keys.fields.values()]
    assert len(set(names)) == len(names)


def test_every_field_of_a_run_has_a_key() -> None:
    assert {field.name for field in fields(Run)} - TOGETHER == RUN.keys()
    assert len({keys.name for keys in KEYS.values()}) == len(KEYS)


def test_the_fingerprint_is_the_hash_of_what_is_written_here() -> None:
    run = a_run()
    said = {
        "paper": "triage", "dataset": "digits", "model": "vgg16-block1", "method": "mean", "seed": 1, "px": 32,
        "width": 0.125, "images": None, "judged_on": "test", "data": data.checksum("digits"),
        "version": version("vgg16-block1"), "needs": [["parent", run.needs[0][1].fingerprint]],
        "steps": [
            {"is": "Inherit"},
            {"is": "Mean", "block": "block1"},
            {"is": "Stage", "name": "retrain", "trains": ["block1", "head"], "epochs": 4, "shared": True},
        ],
    }  # fmt: skip
    assert run.fingerprint == hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    del said["method"]
    said["steps"] = said["steps"][:2]  # type: ignore[index]
    assert fingerprint(run, 2) == hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def test_renaming_a_class_and_a_field_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of Stage with another name, in which `epochs` is called `rounds`, and its entry renamed likewise."""
    copied = [
        (new_name(f.name), f.type, field(default=f.default) if f.name != "name" else field()) for f in fields(Stage)
    ]
    phase = make_dataclass("Phase", copied, frozen=True)
    phase.__module__ = "netpress.training.stage"
    keys = {new_name(name): key for name, key in KEYS["Stage"].fields.items()}
    monkeypatch.setitem(KEYS, "Phase", Keys("Stage", keys))
    renamed = phase(**{new_name(f.name): getattr(STAGE, f.name) for f in fields(STAGE)})
    assert renamed.rounds == 4
    assert as_json(renamed, hashing=True) == as_json(STAGE, hashing=True) and as_json(renamed) == as_json(STAGE)


def new_name(name: str) -> str:
    return "rounds" if name == "epochs" else name


def test_another_default_changes_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out of the hash is what the table says, not what a class begins with today."""

    @dataclass(frozen=True)
    class Inherit:
        role: str = "teacher"

    Inherit.__module__ = "netpress.compress.edits"
    assert (
        as_json(Inherit("parent"), hashing=True) == as_json(edits.Inherit("parent"), hashing=True) == {"is": "Inherit"}
    )
    assert as_json(Inherit(), hashing=True) == {"is": "Inherit", "role": "teacher"}


def test_a_setting_that_came_later_leaves_old_records_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Keys("Inherit", {"role": Key("role", "parent", later=True)})
    monkeypatch.setitem(KEYS, "Inherit", entry)
    assert as_json(edits.Inherit()) == {"is": "Inherit"}
    assert as_json(edits.Inherit("teacher")) == {"is": "Inherit", "role": "teacher"}


def test_momentum_came_later_and_changes_no_record_of_before() -> None:
    assert "momentum" not in as_json(STAGE, hashing=True) and "momentum" not in as_json(STAGE)
    other = replace(STAGE, momentum=0.5)
    assert as_json(other, hashing=True)["momentum"] == as_json(other)["momentum"] == 0.5


def test_a_class_without_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(KEYS, "Inherit")
    with pytest.raises(LookupError, match=r"Inherit.*runs/run\.py"):
        as_json(edits.Inherit(), hashing=True)
    monkeypatch.setitem(KEYS, "Inherit", Keys("Inherit", {}))
    with pytest.raises(LookupError, match=r"runs/run\.py"):
        as_json(edits.Inherit())


def test_a_class_of_a_reader_goes_by_its_own_names() -> None:
    @dataclass(frozen=True)
    class Shuffle:
        block: str
        times: int = 1

    assert as_json(Shuffle("block1"), hashing=True) == {"is": "Shuffle", "block": "block1"}
    assert as_json(Shuffle("block1")) == {"is": "Shuffle", "block": "block1", "times": 1}


@pytest.mark.parametrize("paper", ["triage", "pyramid", "compressing"])
def test_records_describe_their_runs_under_the_keys_that_readers_know(paper: str) -> None:
    known = {"paper", "dataset", "model", "method", "seed", "px", "width", "images", "judged_on", "steps", "needs"}
    for run in papers.grid(paper, "demo"):
        block = described(run)
        assert set(block) == known | {"measures"}
        stages = [step for step in block["steps"] if step["is"] == "Stage"]
        assert all({"name", "loss", "trains", "epochs", "batch", "rate"} <= step.keys() for step in stages)
