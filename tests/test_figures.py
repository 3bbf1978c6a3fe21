"""Figures: what is drawn, the same bytes always, fit for a page in light and dark and for a phone, escaped."""

import base64
import hashlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netpress.errors import UserError
from netpress.report import theme
from netpress.report.figures import (
    Box,
    Encoding,
    Row,
    Words,
    curves,
    diagram,
    dumbbells,
    few_letters,
    heat,
    images,
    pareto,
    points,
    summary,
)

CSS = Path(__file__).parents[1] / "_static" / "netpress.css"
WORDS = Words(
    "Points fall from left to right.", "How to read it", "block", "accuracy, %", "Block 1 matters", "Accuracy"
)
HOSTILE = '<script>alert("$x^2$")</script>&'
BY_BLOCK = Encoding("model", "best", "method", "dataset", "last", scale=100)
PHONE = 350  # CSS pixels that a figure has on a page of 390


def runs(seeds=3):
    rows = [
        {"dataset": d, "model": f"block{b}", "method": m, "seed": s, "best": 0.5 + 0.1 * b + 0.01 * s,
         "last": 0.5, "parameters": 1e6 * b, "status": "done", "name": f"{d}-{b}-{m}-{s}"}
        for d in ("mnist", "dogs") for b in (1, 2, 3) for m in ("frozen", "thawed") for s in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def parents():
    return pd.DataFrame(
        [{"dataset": d, "method": "parent", "seed": s, "best": 0.9 + 0.01 * s, "status": "done"}
         for d in ("mnist", "dogs") for s in (0, 1)]
    )  # fmt: skip


def history():
    rows = [{"name": name, "epoch": e, "test_accuracy": 1 - 1 / e} for name in runs()["name"] for e in range(1, 6)]
    return pd.DataFrame(rows).merge(runs()[["name", "dataset", "method", "seed", "status"]], on="name")


def network():
    return (
        Row("VGG16", (Box("conv", "3→64"), Box("conv", "64→64"), Box("pool"))),
        Row("replaced", (Box("one conv", "3→64", "compressed"), Box("pool", state="frozen"))),
    )


ALL = {
    "points": lambda: points(runs(), BY_BLOCK, WORDS, {"the parent": parents()}),
    "dumbbells": lambda: dumbbells(runs(), Encoding("model", "best", "method"), WORDS),
    "heat": lambda: heat(runs(), Encoding("model", "best", "method", "dataset"), WORDS),
    "curves": lambda: curves(history(), Encoding("epoch", "test_accuracy", "method", "dataset"), WORDS),
    "scatter": lambda: curves(runs(), Encoding("parameters", "best", "method"), WORDS, log=True, joined=False),
    "images": lambda: images(np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4), WORDS, ("a", "b")),
    "diagram": lambda: diagram(network(), WORDS),
}


@pytest.fixture(params=list(ALL), name="drawn", scope="module")
def _drawn(request):
    return ALL[request.param]()


def axes_of(figure):
    """The axes of every panel, as matplotlib has them."""
    from matplotlib.figure import Figure

    found = []
    for panel in figure.panels:
        canvas = Figure(figsize=(panel.width / 72, panel.height / 72))
        panel.paint(canvas)
        found += canvas.axes
    return found


def test_every_panel_is_an_image_with_a_name_that_follows_the_theme(drawn):
    for svg in (*drawn.drawn, drawn.svg):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img" and WORDS.alt in root.get("aria-label")
        assert root.get("width") is None and "currentColor" in svg
        for left_over in ("<?xml", "<metadata", "<style", "matplotlib", "#ffffff", theme.INK, theme.FAINT):
            assert left_over not in svg, left_over
        assert not re.findall(r"(?:fill|stroke): (#[0-9a-f]+)", svg)


def test_text_has_12_pixels_on_a_phone(drawn):
    for panel, svg in zip(drawn.panels, drawn.drawn, strict=True):
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
        assert min(sizes, default=20) * min(1, PHONE / panel.width) >= 11.8
        assert f"max-width:{round(panel.width * 8 / 7)}px" in svg and "min-width" not in svg


def test_ids_are_the_figures_own_and_every_reference_resolves():
    pages = [make()._repr_html_() for make in ALL.values()]
    ids = [re.findall(r'\sid="([^"]+)"', page) for page in pages]
    together = [one for page in ids for one in page]
    assert len(together) == len(set(together))
    for page, own in zip(pages, ids, strict=True):
        assert set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", page)) <= set(own)


def test_bytes_are_the_same_in_another_process_and_under_other_settings():
    import matplotlib

    before = dict(matplotlib.rcParams)
    code = (
        "import sys, hashlib; sys.path.insert(0, 'tests'); import matplotlib, test_figures as t\n"
        "matplotlib.rcParams.update({'font.size': 30, 'lines.linewidth': 9, 'axes.facecolor': 'red'})\n"
        "print(hashlib.sha256(''.join(m()._repr_html_() for m in t.ALL.values()).encode()).hexdigest())"
    )
    here = hashlib.sha256("".join(make()._repr_html_() for make in ALL.values()).encode()).hexdigest()
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    root = Path(__file__).parents[1]
    there = subprocess.run([sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here
    assert dict(matplotlib.rcParams) == before


def test_the_page_says_what_to_see_and_how_to_read_it_and_has_the_data(drawn):
    page = drawn._repr_html_()
    assert page.index("Block 1 matters") < page.index(">Accuracy<") < page.index("<svg") < page.index("How to read it")
    if len(drawn.data):
        assert "<details><summary>Data behind this figure</summary>" in page


def test_the_numbers_name_their_runs():
    found = ALL["points"]().to_frame()
    assert found["runs"].iloc[0] == "mnist-1-frozen-0 mnist-1-frozen-1 mnist-1-frozen-2"
    assert "mnist-1-frozen-0" not in ALL["points"]()._repr_html_()
    assert "mnist-3-frozen-2" in ALL["curves"]().to_frame()["runs"].iloc[0]


def test_importing_the_report_does_not_import_matplotlib():
    code = (
        "import sys, netpress.report.figures, netpress.report.claims, netpress.report.tables; "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'altair', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def contrast(a, b):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("page", "ground"), [("html {", "#ffffff"), ('html[data-theme="dark"] {', "#14181e")])
def test_colours_stand_out_on_the_page(page, ground):
    body = CSS.read_text()[CSS.read_text().index(page) :]
    colours = dict(re.findall(r"--np-(\w+): (#[0-9a-f]{6})", body[: body.index("}")]))
    for name, fallback in theme.PALETTE.items():
        assert min(contrast(colours[name], ground), contrast(fallback, "#ffffff")) >= 3, name
    assert all(contrast(colours[name], ground) >= 4.5 for name in ("good", "bad", "open", "none"))
    assert len(set(theme.MARKERS.values())) >= len(theme.COLOURS)  # series differ by more than colour


def test_summary_averages_within_a_seed_and_scales():
    frame = runs().assign(model="all")
    found = summary(frame, Encoding("model", "best", "method", "dataset", scale=100))
    per_seed = [100 * np.mean([0.5 + 0.1 * b + 0.01 * s for b in (1, 2, 3)]) for s in range(3)]
    assert found["n"].tolist() == [3] * 4
    assert found["mean"].iloc[0] == pytest.approx(np.mean(per_seed))
    assert found["high"].iloc[0] == pytest.approx(np.mean(per_seed) + 4.302652730 * 1 / np.sqrt(3))


def test_points_are_drawn_where_the_numbers_are():
    figure = ALL["points"]()
    axes = axes_of(figure)[0]
    assert axes.get_title(loc="left") == "mnist"
    heights = {round(y, 6) for line in axes.lines for y in np.atleast_1d(line.get_ydata())}
    assert {61.0, 71.0, 81.0, 50.0, 90.5} <= heights  # best, mean over seeds; last, hollow; the parents' line
    assert "the parent" in [name for _, _, name in figure.key]
    assert figure.note == "Intervals: 95 %, Student's t, n = 3."
    alone = points(runs(seeds=1), BY_BLOCK, WORDS)
    assert "One run each: no intervals." in alone._repr_html_()


def test_dumbbells_join_the_ends_of_a_row():
    axes = axes_of(dumbbells(runs(), Encoding("model", "last", "method"), WORDS))[0]
    assert [text.get_text() for text in axes.texts] == ["block1", "block2", "block3"]
    assert {round(float(x), 6) for line in axes.lines for x in np.atleast_1d(line.get_xdata())} == {0.5}


def test_unfinished_runs_are_not_drawn_and_nothing_says_so():
    frame = runs()
    frame.loc[frame["dataset"] == "dogs", "status"] = "missing"
    assert len(points(frame, BY_BLOCK, WORDS).panels) == 1
    for draw in (points, curves, dumbbells, heat):
        figure = draw(runs().assign(status="missing", epoch=1), Encoding("epoch", "best", "method", "dataset"), WORDS)
        assert "nothing to show yet" in figure.svg and "<details>" not in figure._repr_html_()
        assert not figure.words.finding


def test_curves_have_their_names_at_their_ends_and_a_table():
    figure = ALL["curves"]()
    assert list(figure.data.columns) == ["dataset", "method", 1, 2, 3, 4, 5, "runs"]
    assert figure.data.iloc[0, 2:7].tolist() == pytest.approx([0, 0.5, 2 / 3, 0.75, 0.8])
    first, _ = axes_of(figure)
    names = {text.get_text(): text.xy[1] for text in first.texts}
    assert set(names) == {"frozen", "thawed"} and not figure.key
    assert abs(names["frozen"] - names["thawed"]) * (figure.panels[0].height - 70) >= 16.9  # none covers the other


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_pareto_agrees_with_a_loop(places):
    found = pareto([x for x, _ in places], [y for _, y in places])
    for (x, y), on_front in zip(places, found, strict=True):
        assert on_front == (not any(a <= x and b >= y and (a < x or b > y) for a, b in places))
    assert pareto([1, np.nan, 2], [1, 9, np.nan]).tolist() == [True, False, False]


@pytest.mark.parametrize(("value", "said"), [(0.2, "0.2"), (50, "50"), (2000, "2k"), (1.5e6, "1.5M"), (1e9, "1G")])
def test_brief_numbers(value, said):
    assert few_letters(value) == said


def pixels_of(figure):
    from PIL import Image

    data = re.search(r"data:image/png;base64,([^\"]+)", figure.svg)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def test_images_keep_every_pixel_or_are_stretched_one_by_one():
    grid = np.random.default_rng(0).random((2, 3, 5, 4, 3))
    sheet = pixels_of(images(grid, WORDS, each=False))
    if (sheet[0, 0, :3] != np.round(grid[0, 0, 0, 0] * 255)).any():
        sheet = sheet[::-1]
    assert sheet.shape == (2 * 6 - 1, 3 * 5 - 1, 4)
    for i in range(2):
        for j in range(3):
            tile = sheet[6 * i : 6 * i + 5, 5 * j : 5 * j + 4]
            assert (tile[..., :3] == np.round(grid[i, j] * 255)).all() and (tile[..., 3] == 255).all()
    assert (sheet[5] == 0).all()
    stretched = pixels_of(images(np.array([[[[0.0, 4.0]], [[-1.0, -1.0]]]]), WORDS))
    assert stretched[0, :, 0].tolist() == [0, 255, 0, 128, 128]
    with pytest.raises(UserError, match="rows, columns"):
        images(np.zeros((3, 3)), WORDS)


def test_diagram_shows_every_part_and_explains_its_states():
    texts = re.findall(r">([^<>]+)</text>", ALL["diagram"]().svg)
    for text in ("VGG16", "one conv", "3→64", "compressed", "frozen", "plain"):
        assert text in texts
    assert "trained" not in texts
    with pytest.raises(UserError, match="molten"):
        diagram([Row("x", (Box("a", state="molten"),))], WORDS)
    with pytest.raises(UserError, match="no boxes"):
        diagram([], WORDS)


def test_hostile_text_is_text_everywhere():
    words = Words(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    frame = runs().assign(dataset=HOSTILE, method=HOSTILE)
    frame["model"] = HOSTILE + frame["model"]
    by_size = Encoding("parameters", "best", "method", label="model")
    rows = [Row(HOSTILE, (Box(HOSTILE, HOSTILE),))]
    for figure in (points(frame, BY_BLOCK, words), curves(frame, by_size, words), diagram(rows, words)):
        page = figure._repr_html_()
        assert "<script" not in page and "&lt;script&gt;" in page and "$x^2$" in page
        ElementTree.fromstring(figure.svg)


def test_bad_input_is_named():
    with pytest.raises(UserError, match="alternative text"):
        points(runs(), Encoding("dataset", "best"), Words(" ", "caption"))
    with pytest.raises(UserError, match="lacks level"):
        points(runs(), Encoding("level", "best"), WORDS)
