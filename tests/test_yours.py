"""Triage and shrink of a network of one's own: small, from pictures to files, interrupted and gone on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from netpress import data, yours
from netpress.nets import examples, foreign
from netpress.runs import records
from netpress.yours import files, grid, shrink, story
from netpress.yours.decide import decide
from netpress.yours.grid import Task
from netpress.yours.prepare import prepare
from netpress.yours.wanted import Wanted

EDITION = "demo+epochs=1+imitation_epochs=1+parent_epochs=2+tune_epochs=1"


def paint(folder: Path, train: int = 60, test: int = 16) -> Path:
    """Three classes that differ in where a bright patch lies."""
    random = np.random.RandomState(1)
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(("left", "middle", "right")):
            place = folder / split / name
            place.mkdir(parents=True)
            for i in range(count):
                picture = random.randint(0, 120, (16, 16, 3), np.uint8)
                picture[4:12, 5 * label : 5 * label + 5] += 100
                Image.fromarray(picture).save(place / f"{i}.png")
    return folder


@pytest.fixture
def photos(folder: Path) -> Path:
    return paint(folder / "photos")


def test_from_pictures_to_files(photos, folder, monkeypatch, capsys):
    wanted = Wanted("netpress:small_resnet", str(photos), most=30.0, seeds=(0, 1), px=16, edition=EDITION)
    looked: list[str] = []
    load = data.load
    monkeypatch.setattr(data, "load", lambda name, split, **more: looked.append(split) or load(name, split, **more))
    states: list[int] = []
    monkeypatch.setattr(shrink, "decide", lambda *a: states.append(looked.count("test")) or decide(*a))
    out = folder / "small"
    assert yours.command(wanted, out=out, workers=1) == []
    assert states and set(states) == {0}  # while anything was decided, no test image had been looked at
    told = capsys.readouterr().out
    assert "Triage: points lost" in told and "Step by step" in told and "looked at once" in told

    # every decision again by hand, from the records as they lie on disk
    prepared = prepare(wanted)
    task = prepared.task
    assert task.blocks == ("layers.0", "layers.1", "layers.2")
    accuracy = {}
    for path in (folder / "results").rglob("*.json"):
        record = records.read(path)
        if record and "run" in record:
            key = record["run"]["model"].removeprefix(task.model), record["run"]["method"], record["run"]["seed"]
            accuracy[key] = record["last"]
            assert record["run"]["judged_on"] == "validation"

    def mean(model: str, method: str) -> float:
        return sum(accuracy[model, method, seed] for seed in (0, 1)) / 2

    reference = max(mean("", "parent"), mean("", "retrained"))
    order = sorted(task.blocks, key=lambda b: (round(-mean(f"+{b}", "imitated-thawed"), 12), task.blocks.index(b)))
    model = ""
    for block in order:
        if 100 * (reference - mean(f"{model}+{block}", "imitated-thawed")) <= 30 + 1e-9:
            model += f"+{block}"
    decision = decide(task)
    assert not decision.pending and decision.order == order
    assert "".join(f"+{name}" for name in decision.removed) == model
    assert decision.whole[0].model == task.model + model
    assert len([key for key in accuracy if key[1] in grid.METHODS and key[0].count("+") == 1]) >= 3 * 4 * 2

    # the files
    assert sorted(p.name for p in out.iterdir() if p.is_file()) == [
        "card.md", "model.py", "network.onnx", "network.safetensors", "report.html",
    ]  # fmt: skip
    shrunk = shrink.read(prepared)
    assert shrunk is not None
    test = load(task.dataset, "test", px=16)
    found = onnxruntime.InferenceSession(str(out / "network.onnx")).run(None, {"images": (test.x / 255).numpy()})[0]
    with torch.no_grad():
        own = shrunk.network(shrunk.normalise(test.x))
    assert torch.allclose(torch.from_numpy(found), own, atol=1e-4, rtol=1e-4)
    hits = float((own.argmax(1) == test.y).float().mean())
    seed = decision.chosen.seed
    assert shrunk.tests["best"][task.seeds.index(seed)] == pytest.approx(hits, abs=0.03)  # bf16 may tip an image
    report = (out / "report.html").read_text()
    assert "<svg" in report and "http://" not in report.replace("http://www.w3.org", "") and "https://" not in report
    assert str(folder) not in report + (out / "card.md").read_text()
    assert "<script" not in report and "<link" not in report
    for name in decision.removed:
        assert f"{name}" in report
    assert f"files hold seed {seed}" in (out / "card.md").read_text().replace("\n", " ")

    # asked again, nothing is trained, and the test images are not looked at either
    looked.clear()
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    shrink.shrink(prepared, workers=1)
    assert "test" not in looked
    files.write(shrunk, wanted, out)
    assert [path.name for path in before if path.read_bytes() != before[path]] == []


def test_the_triage_is_a_grid_with_both_controls(photos):
    task = prepare(Wanted("netpress:small_resnet", str(photos), px=16, edition=EDITION)).task
    runs = grid.triage(task, 0)
    assert len(runs) == 2 + 3 * 4 == len({run.fingerprint for run in runs}) == len({run.name for run in runs})
    parent, control, *others = runs
    assert (parent.method, control.method) == ("parent", "retrained")
    assert all(dict(run.needs)["parent"] == parent for run in (control, *others))
    assert control.stages[-1] == next(r for r in others if r.method == "random-thawed").stages[-1]  # for as long
    frozen = next(r for r in others if r.method == "imitated-frozen")
    assert frozen.stages[0].trains == frozen.stages[1].trains == (frozen.model.split("+")[1],)
    assert all(run.judged_on == "validation" for run in runs)


def test_every_system_allows_the_names_of_record_files(photos, tmp_path):
    task = prepare(Wanted("netpress:small_resnet", str(photos), px=16, edition=EDITION)).task
    places = {records.path_of(run, EDITION, tmp_path) for run in grid.triage(task, 0)}
    assert len(places) == 2 + 3 * 4
    for path in places:  # those that Windows forbids, beside the slash
        assert not set('<>:"\\|?*') & set(str(path.relative_to(tmp_path)))


def test_what_fingerprints_hold(photos, folder, monkeypatch):
    """The pictures, the weights and the user's code, by content; neither their names nor their places."""
    monkeypatch.chdir(folder)
    (folder / "net.py").write_text("from netpress.nets import examples\nbuild = examples.small_resnet\n")
    torch.manual_seed(0)
    torch.save(examples.small_resnet(3).state_dict(), folder / "w.pt")

    def fingerprints(**changes) -> list[str]:
        wanted = Wanted("net.py:build", str(photos), "w.pt", px=16, edition=EDITION)
        return [run.fingerprint for run in grid.triage(prepare(replace(wanted, **changes)).task, 0)]

    first = fingerprints()
    (folder / "elsewhere").mkdir()
    (folder / "net.py").rename(folder / "elsewhere" / "net.py")
    (folder / "w.pt").rename(folder / "v.pt")
    assert fingerprints(model="elsewhere/net.py:build", weights="v.pt") == first
    torch.save(examples.small_resnet(3).state_dict(), folder / "w.pt")
    assert not set(fingerprints(model="elsewhere/net.py:build")) & set(first)
    with (folder / "elsewhere" / "net.py").open("a") as file:
        file.write("# changed\n")
    assert not set(fingerprints(model="elsewhere/net.py:build", weights="v.pt")) & set(first)


def test_weights_are_judged_as_they_were_trained(photos, folder):
    """A network that was trained here on images normalised as ImageNet's are is as good when it comes from a file."""
    from netpress.data.views import Normalise
    from netpress.nets.weights import NORMALISATIONS

    dataset = prepare(Wanted("netpress:small_resnet", str(photos), px=16, edition=EDITION)).task.dataset
    images, test = data.load(dataset, "fit", px=16), data.load(dataset, "validation", px=16)
    torch.manual_seed(0)
    net = examples.small_resnet(3)
    normalise = Normalise(*NORMALISATIONS["imagenet"])
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(25):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(normalise(images.x)), images.y).backward()
        optimiser.step()
    torch.save(net.state_dict(), folder / "w.pt")
    with torch.no_grad():
        expected = float((net.eval()(normalise(test.x)).argmax(1) == test.y).float().mean())
    prepared = prepare(Wanted("netpress:small_resnet", str(photos), str(folder / "w.pt"), px=16, edition=EDITION))
    parent = grid.parent_run(prepared.task, 0)
    from netpress.runs.perform import perform
    from netpress.runs.workspace import new_workspace

    assert expected > 0.8
    assert perform(parent, new_workspace())["last"] == pytest.approx(expected, abs=0.06)


def test_a_network_that_was_deleted_is_made_again(photos, folder):
    wanted = Wanted("netpress:small_resnet", str(photos), most=99.0, px=16, edition=EDITION)
    prepared = prepare(wanted)
    first, _ = shrink.shrink(prepared, workers=1)
    state = {name: tensor.clone() for name, tensor in first.network.state_dict().items()}
    for file in (folder / "cache" / "weights").iterdir():
        file.unlink()
    again, failures = shrink.shrink(prepared, workers=1)
    assert not failures
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.network.state_dict().items())


def test_a_parent_that_knows_nothing_is_told(photos):
    wanted = Wanted("netpress:small_resnet", str(photos), most=99.0, px=16, edition=EDITION)
    shrunk, _ = shrink.shrink(prepare(wanted), workers=1)
    known = replace(shrunk, tests=shrunk.tests | {"parent": [0.9]})
    guessing = replace(shrunk, tests=shrunk.tests | {"parent": [0.35]})
    assert not story.warnings(known) and "hardly more often right than by chance" in story.warnings(guessing)[0]


def test_batches_fit_few_images(photos):
    task = prepare(Wanted("netpress:small_resnet", str(photos), px=16, edition=EDITION)).task
    assert data.count(task.dataset, "fit") == 144 and task.batch_size == 16
    assert Task("netpress:small_resnet", "digits", 16, ("stem",), "demo").batch_size == 64


KILLED = """
import sys
sys.argv[0] = "netpress"
from netpress.cli import main
main()
"""


def started(photos: Path, home: Path) -> subprocess.Popen:
    """`netpress shrink` in a process of its own."""
    words = ["shrink", "net.py:build", "--data", str(photos), "--most", "60", "--px", "16", "--edition", EDITION]
    settings = {"NETPRESS_CACHE": str(home / "cache"), "NETPRESS_RESULTS": str(home / "results")}
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, *words, "--workers", "1", "--out", str(home / "out")],
        env=os.environ | settings | {"NETPRESS_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1"}, cwd=photos.parent,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_killed_it_goes_on_and_ends_with_the_same_bytes(tmp_path):
    photos = paint(tmp_path / "photos")
    (tmp_path / "net.py").write_text("from netpress.nets import examples\nbuild = examples.small_resnet\n")
    straight = started(photos, tmp_path / "a")
    assert straight.wait(timeout=300) == 0, straight.stderr.read()
    for after in (3, 15, 20):  # networks that have their record when it is killed
        process = started(photos, tmp_path / "b")
        for _ in range(3000):
            if len(list((tmp_path / "b" / "results").rglob("*-s0.json"))) >= after or process.poll() is not None:
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process = started(photos, tmp_path / "b")
    assert process.wait(timeout=300) == 0, process.stderr.read()

    def made(home: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for path in sorted((home / "results").rglob("*-s0.json")):
            found[path.name] = records.bare(records.read(path) or {})
        for name in ("network.safetensors", "network.onnx", "model.py"):
            found[name] = (home / "out" / name).read_bytes()
        return found

    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    assert first.keys() == second.keys() and len(first) > 20
    assert [name for name in first if first[name] != second[name]] == []


def test_labels_and_words_for_people():
    label = foreign.parse("my_net.py:build@1f3a9c2b10de~imagenet[layer2,layer3.0]+layer3.0+head")
    assert (label.asked, label.replaced, label.expects) == (("layer2", "layer3.0"), ("layer3.0", "head"), "imagenet")
    assert story.source(str(label)) == "my_net.py:build"
    assert json.dumps(str(label)) and foreign.parse(str(label)) == label
    command = files.command(Wanted("/home/me/my net.py:build", "/home/me/photos", "/x/w.pt", ("a", "b"), 2.0, (0, 1)))
    assert command.startswith("netpress shrink 'my net.py:build' --data photos --weights w.pt --blocks a,b --most 2 ")
