"""Records: their form, and whatever else lies in the place of one: cut, of a newer version, or no file at all."""

import errno
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import invented
import pytest
from commanded import Command, command  # noqa: F401 - a fixture
from sweeps import EDITION, child, found, parent

from netpress import papers
from netpress.errors import CannotWrite
from netpress.runs import records, sweep
from netpress.runs.run import Run


def put_newer(path: Path) -> None:
    path.write_bytes(records.encode({"name": "x", "fingerprint": "f", "status": "done", "format": 99}))


CUT: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "a mark of Git's merge": lambda content: b"<<<<<<< HEAD\n" + content,
}
FOREIGN: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a newer version's record": put_newer,
    "a list": lambda path: path.write_text("[]"),
}


def record(run: Run) -> Path:
    """A record as a sweep would have left it."""
    return records.write(run, EDITION, invented.content(run, 0.5))


@pytest.fixture
def place(folder: Path) -> Path:
    """The place of a parent's record; its child has one."""
    record(child())
    return records.path_of(parent(), EDITION)


def listing(place: Path) -> dict[str, bool]:
    return {str(path.relative_to(place)): path.is_symlink() for path in sorted(place.rglob("*"))}


def test_a_record_is_read_as_it_was_written(place: Path) -> None:
    content = {"status": "done", "history": [{"test_loss": float("inf"), "train_loss": 1.0}], "x": (float("nan"), 2)}
    written = records.read(records.write(parent(), EDITION, content)) or {}
    assert written["history"] == [{"test_loss": None, "train_loss": 1.0}] and written["x"] == [None, 2]
    assert written["format"] == records.FORMAT == 1 and written["name"] == parent().name
    assert list(written)[:4] == ["name", "fingerprint", "status", "format"] and list(written)[-2:] == ["edition", "run"]


def test_older_records_end_with_a_digest_and_have_no_format(place: Path) -> None:
    now = json.loads(record(parent()).read_bytes())
    del now["format"]
    place.write_text(json.dumps(now | {"sha256": "0" * 64}))
    assert records.read(place) == now and records.state(parent(), EDITION) == "done"
    assert records.bare(now) == records.bare(now | {"format": 1})


@pytest.mark.parametrize("kind", CUT)
def test_a_damaged_record_is_named_and_left_by_whoever_reads(
    folder: Path, place: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    place.write_bytes(CUT[kind](record(parent()).read_bytes()))
    before, content = listing(folder), place.read_bytes()
    with caplog.at_level(logging.WARNING):
        assert records.state(parent(), EDITION) == "unreadable"
        assert records.fresh((parent(), child()), EDITION).keys() == {child()}
        assert list(records.frame((parent(), child()), EDITION)["status"]) == ["unreadable", "done"]
        assert [each["name"] for each in records.every(EDITION)] == [child().name]
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith(f"netpress: {place} ") and "passed over" in line
    assert listing(folder) == before and place.read_bytes() == content


def test_a_sweep_makes_it_again_and_sets_the_damaged_one_aside(folder: Path) -> None:
    sweep.ensure((parent(),), EDITION, workers=1)
    expected, path = found(folder / "results"), records.path_of(parent(), EDITION)
    path.write_bytes(path.read_bytes()[:-3])
    assert sweep.ensure((parent(),), EDITION, workers=1).done == 1
    assert found(folder / "results") == expected and path.with_name(path.name + ".corrupt").exists()


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_damaged_record_is_named_and_never_touched(
    folder: Path, place: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    FOREIGN[kind](place)
    before = listing(folder)
    with caplog.at_level(logging.WARNING):
        assert records.state(parent(), EDITION) == "unreadable"
        assert records.fresh((parent(), child()), EDITION).keys() == {child()}
        summary = sweep.ensure((parent(), child()), EDITION, workers=1)
    (line,) = {each.getMessage() for each in caplog.records}
    assert str(place) in line and ("newer version" in line or "newer" not in kind)
    assert [(outcome.run, outcome.status) for outcome in summary.failures] == [(parent(), "unreadable")]
    assert summary.before == 1 and "move it away" in summary.lines[0] and "--retry" not in summary.lines[-1]
    with pytest.raises(CannotWrite, match="move it away"):
        records.write(parent(), EDITION, {"status": "done"})
    assert listing(folder) == before


WRONG_CONTENT = [
    {"made": None}, {"stages": 1}, {"history": 5}, {"best": None}, {"best": "0.5"}, {"measures": []},
    {"edition": None}, {"status": "finished"}, {"run": 5}, {"fingerprint": 1},
]  # fmt: skip


def test_a_record_of_wrong_content_is_named_and_the_rest_is_shown(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = records.load(record(parent()))
    for wrong in WRONG_CONTENT:
        records.tell.cache_clear()
        caplog.clear()
        place.write_bytes(records.encode(whole | wrong))
        with caplog.at_level(logging.WARNING):
            table = records.frame((parent(), child()), EDITION)
        assert any(str(place) in each.getMessage() for each in caplog.records), wrong
        assert list(table["status"]) == ["unreadable", "done"] and table["best"].notna().tolist() == [False, True]
        assert len(records.history((parent(), child()), EDITION)) == child().epochs
        assert [each["name"] for each in records.every(EDITION)] == [child().name]


@pytest.mark.parametrize("number", [errno.EACCES])
def test_a_record_that_may_not_be_read_is_named_and_the_rest_is_shown(
    place: Path, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record(parent())
    really = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == place:
            raise OSError(number, os.strerror(number), str(path))
        return really(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with caplog.at_level(logging.WARNING):
        assert list(records.frame((parent(), child()), EDITION)["status"]) == ["unreadable", "done"]
        assert sweep.ensure((parent(), child()), EDITION, workers=1).before == 1
    assert {each.getMessage() for each in caplog.records} == {
        f"netpress: {place} cannot be read ({os.strerror(number)}): it is passed over."
    }


def test_commands_name_what_they_pass_over(
    command: Command,  # noqa: F811
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = records.path_of(papers.grid("triage", "demo")[0], "demo")
    path.parent.mkdir(parents=True)
    put_newer(path)
    for words in (("status", "triage"), ("plan", "triage"), ("results", "triage"), ("claims", "--edition", "demo")):
        records.tell.cache_clear()
        caplog.clear()
        told = command(*words)
        assert told.status == 0, (words, told.err)
        assert any("newer version" in each.getMessage() for each in caplog.records), words
    assert json.loads(command("status", "triage", "--json").out)["unreadable"] == 1
