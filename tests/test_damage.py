"""Every flipped bit and every cut is noticed, set aside, and made good (of records, which git guards, every cut)."""

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from sweeps import EDITION, found, intricate, parent

from netpress.data import cache, files
from netpress.errors import UserError
from netpress.runs import records, sweep
from netpress.runs.perform import Workspace, perform
from netpress.runs.store import WeightStore
from netpress.training import compute

slow = pytest.mark.slow


def flipped(content: bytes, chance: random.Random) -> bytes:
    """One byte changed."""
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ chance.randrange(1, 256)]) + content[place + 1 :]


def cut(content: bytes, chance: random.Random) -> bytes:
    """The end gone."""
    return content[: chance.randrange(len(content))]


def damageable(folder: Path) -> dict[str, tuple[list[Path], Callable[[], bool]]]:
    """Of each kind: the files, and whether what they hold is taken for whole."""
    run, store = parent(), WeightStore(folder / "shelf")
    records.write(run, EDITION, perform(run, Workspace(compute.plain(), store)), folder)
    record, key = records.path_of(run, EDITION, folder), run.fingerprint
    store.save("beginning", load((folder / "shelf" / f"{key}.safetensors").read_bytes()), {"history": [{"loss": 0.25}]})
    entry = folder / "entry.images"
    images = torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2)
    cache.write(entry, images, torch.tensor([0, 1]), {"classes": ["a", "b"], "checksum": "c"})
    source = folder / "archive.bin"
    source.write_bytes(os.urandom(5000))
    (known,) = (files.File("archive.bin", "sha256:" + sha256(source)),)

    def source_is_whole() -> bool:
        try:
            with files.checked(folder, (known,)):
                return True
        except UserError:
            return False

    beginning = [folder / "shelf" / f"beginning.{ending}" for ending in ("safetensors", "json")]
    return {
        "records": ([record], lambda: records.read(record) is not None),
        "weights": (beginning, lambda: store.find("beginning") is not None),
        "decoded images": ([entry], lambda: cache.read(entry) is not None),
        "sources": ([source], source_is_whole),
    }


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.filterwarnings("ignore:.*was corrupt")
@pytest.mark.parametrize("each", [5, pytest.param(40, marks=slow)])
def test_every_damage_is_noticed(folder: Path, each: int) -> None:
    chance, noticed, all_of_them = random.Random(7), Counter[str](), 0
    kinds = damageable(folder)
    everything = {path: path.read_bytes() for paths, _ in kinds.values() for path in paths}
    for kind, (paths, is_whole) in kinds.items():
        whole = {path: everything[path] for path in paths}
        for damage in (flipped, cut)[kind == "records" :]:
            for number in range(each):
                for path, content in whole.items():
                    path.write_bytes(content)
                assert is_whole()
                hit = paths[number % len(paths)]
                hit.write_bytes(damage(whole[hit], chance))
                all_of_them += 1
                noticed[f"{kind}, {damage.__name__}"] += not is_whole()
    print(noticed)
    assert sum(noticed.values()) == all_of_them == 7 * each


def test_damage_is_set_aside_and_made_again_with_the_same_bits(folder: Path) -> None:
    runs, results = intricate(epochs=1), folder / "results"
    sweep.ensure(runs, EDITION, workers=1)
    before = found(results)
    record = records.path_of(runs[1], EDITION)
    weights = WeightStore().folder / f"{runs[0].fingerprint}.safetensors"  # of the parent of all
    record.write_bytes(cut(record.read_bytes(), random.Random(3)))
    weights.write_bytes(flipped(weights.read_bytes(), random.Random(3)))
    for run in runs[2:]:
        records.path_of(run, EDITION).unlink()
    summary = sweep.ensure(runs, EDITION, workers=1)
    assert summary.failures == [] and found(results) == before
    assert sorted(path.name for path in folder.rglob("*.corrupt")) == sorted(
        [weights.name + ".corrupt", weights.with_suffix(".json").name + ".corrupt", record.name + ".corrupt"]
    )
