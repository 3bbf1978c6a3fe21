"""Figures: what is drawn, the same bytes always, fit for a page in light and dark, legible, escaped."""

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
    bars,
    curves,
    diagram,
    grouped_points,
    images,
    pareto,
    scatter,
    summary,
)

CSS = Path(__file__).parents[1] / "_static" / "netpress-report.css"
WORDS = Words("Points fall from left to right.", "Figure 2. Accuracy", "block", "accuracy, %")
HOSTILE = '<script>alert("$x^2$")</script>&'
BY_BLOCK = Encoding("model", "best", "method", "dataset", "last", scale=100)


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
    rows = [
        {"name": name, "epoch": e, "test_accuracy": 1 - 1 / e}
        for name in runs()["name"] for e in range(1, 6)
    ]  # fmt: skip
    return pd.DataFrame(rows).merge(runs()[["name", "dataset", "method", "seed", "status"]], on="name")


def network():
    return (
        Row("VGG16", (Box("conv", "3→64"), Box("conv", "64→64", "removed"), Box("pool"))),
        Row("replaced", (Box("one conv", "3→64", "compressed", 2), Box("pool", state="frozen"))),
    )


ALL = {
    "points": lambda: grouped_points(runs(), BY_BLOCK, WORDS, parents()),
    "bars": lambda: bars(runs(), Encoding("dataset", "best", "method"), WORDS),
    "curves": lambda: curves(history(), Encoding("epoch", "test_accuracy", "method", "dataset"), WORDS),
    "scatter": lambda: scatter(runs(), Encoding("parameters", "best", "method", label="model"), WORDS),
    "images": lambda: images(np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4), WORDS, ("a", "b")),
    "diagram": lambda: diagram(network(), WORDS),
}


@pytest.fixture(params=list(ALL), name="drawn", scope="module")
def _drawn(request):
    return ALL[request.param]()


def axes_of(figure):
    with theme._canvas(figure.size, figure.paint) as canvas:
        canvas.draw_without_rendering()
        return canvas.axes


def test_it_is_an_image_with_a_name_and_without_a_background(drawn):
    root = ElementTree.fromstring(drawn.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == WORDS.alt
    assert root.get("viewBox") == f"0 0 {drawn.size[0]} {drawn.size[1]}"
    assert root.get("width") is None and root.get("height") is None
    for left_over in (
        "<?xml",
        "<!DOCTYPE",
        "<metadata",
        "<style",
        "matplotlib",
        "#ffffff",
        theme.INK,
        theme.FAINT,
    ):
        assert left_over not in drawn.svg, left_over


def test_ink_follows_the_page_and_colours_are_variables(drawn):
    assert "currentColor" in drawn.svg
    assert "<text" in drawn.svg
    for colour in re.findall(r"(?:fill|stroke): (#[0-9a-f]+)", drawn.svg):
        pytest.fail(f"{colour} does not follow the theme")


def test_ids_are_the_figures_own_and_every_reference_resolves():
    pages = [make().svg for make in ALL.values()]
    ids = [re.findall(r'\sid="([^"]+)"', page) for page in pages]
    together = [one for page in ids for one in page]
    assert len(together) == len(set(together))
    for page, own in zip(pages, ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", page)) <= {
            pair for one in own for pair in ((one, ""), ("", one))
        }


def test_bytes_are_the_same_in_another_process_and_under_other_settings():
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


def test_the_readers_own_matplotlib_settings_stay():
    import matplotlib

    before = dict(matplotlib.rcParams)
    ALL["points"]()._repr_html_()
    assert dict(matplotlib.rcParams) == before


def test_text_stays_legible_on_a_phone(drawn):
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawn.svg)]
    assert min(sizes) * theme.SMALLEST >= 8.5
    least = int(re.search(r"min-width:(\d+)px", drawn.svg)[1])
    assert least >= drawn.size[0] * theme.SMALLEST - 1


def test_the_page_gets_caption_scrolling_and_the_data(drawn):
    page = drawn._repr_html_()
    assert page.startswith('<figure class="np-figure"><div class="np-scroll"')
    assert 'tabindex="0" role="region" aria-label="Figure: Figure 2. Accuracy"' in page
    assert "<figcaption>Figure 2. Accuracy" in page
    if len(drawn.data):
        assert "<details><summary>Data behind this figure</summary>" in page
        assert '<table class="dataframe np-table">' in page


def test_importing_the_report_does_not_import_matplotlib():
    code = (
        "import sys, netpress.report.figures, netpress.report.claims, netpress.report.tables; "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'altair', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def css_colours(theme_name):
    css = CSS.read_text()
    start = 'html[data-theme="dark"] {' if theme_name == "dark" else "html {"
    body = css[css.index(start) :]
    return dict(re.findall(r"--np-(\w+): (#[0-9a-f]{6})", body[: body.index("}")]))


@pytest.mark.parametrize(("page", "ground"), [("light", "#ffffff"), ("dark", "#14181e")])
def test_colours_stand_out_on_the_page(page, ground):
    colours = css_colours(page)
    for name, fallback in theme.PALETTE.items():
        assert contrast(colours[name], ground) >= 3, name
        assert contrast(fallback, ground) >= 3, name
    for name in ("good", "bad", "open", "none"):
        assert contrast(colours[name], ground) >= 4.5, name
        assert contrast(colours[name], {"light": "#f3f4f5", "dark": "#29313d"}[page]) >= 4.5, name


def test_series_differ_by_more_than_colour():
    assert len(set(theme.MARKERS[: len(theme.COLOURS)])) == len(theme.COLOURS)


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
    assert {61.0, 71.0, 81.0} <= heights  # best, mean over seeds 0, 1, 2
    assert 50.0 in heights  # last, hollow
    assert 90.5 in heights  # the parents' line
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert len(hollow) == 2
    assert figure.note == "Intervals: 95 %, Student's t, n = 3."
    assert "n = 3.</span></figcaption>" in figure._repr_html_()


def test_a_single_run_has_no_whisker_and_says_so():
    figure = grouped_points(runs(seeds=1), BY_BLOCK, WORDS)
    assert all(not len(c.get_segments()) for axes in axes_of(figure) for c in axes.collections)
    assert "One run each: no intervals." in figure._repr_html_()


def test_unfinished_runs_are_not_drawn():
    frame = runs()
    frame.loc[frame["dataset"] == "dogs", "status"] = "missing"
    assert len(axes_of(grouped_points(frame, BY_BLOCK, WORDS))) == 1


def test_nothing_to_show_says_so():
    figure = grouped_points(runs().assign(status="missing"), BY_BLOCK, WORDS)
    assert "nothing to show yet" in figure.svg
    assert "<details>" not in figure._repr_html_()
    encoding = Encoding("parameters", "best", label="model")
    assert "nothing to show yet" in scatter(runs().head(0), encoding, WORDS).svg


def test_curves_band_and_table():
    figure = ALL["curves"]()
    assert list(figure.data.columns) == ["dataset", "method", 1, 2, 3, 4, 5]
    assert figure.data.iloc[0, 2:].tolist() == pytest.approx([0, 0.5, 2 / 3, 0.75, 0.8])
    assert len(axes_of(figure)) == 2


def test_bars_begin_at_zero():
    axes = axes_of(ALL["bars"]())[0]
    assert axes.get_ylim()[0] == 0
    assert sorted(round(p.get_height(), 6) for p in axes.patches) == [0.71] * 4


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_pareto_agrees_with_a_loop(points):
    found = pareto([x for x, _ in points], [y for _, y in points])
    for (x, y), on_front in zip(points, found, strict=True):
        beaten = any(a <= x and b >= y and (a < x or b > y) for a, b in points)
        assert on_front == (not beaten)


def test_pareto_leaves_missing_points_out():
    assert pareto([1, np.nan, 2], [1, 9, np.nan]).tolist() == [True, False, False]


def test_scatter_names_its_points_once():
    figure = ALL["scatter"]()
    texts = [text.get_text() for text in axes_of(figure)[0].texts]
    assert sorted(texts) == sorted(["block1", "block2", "block3"] * 2)
    assert figure.data["on the front"].sum() >= 1


def test_images_keep_every_pixel():
    from PIL import Image

    grid = np.random.default_rng(0).random((2, 3, 5, 4, 3))
    svg = images(grid, WORDS, each=False).svg
    data = re.search(r"data:image/png;base64,([^\"]+)", svg)[1]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    if (sheet[0, 0, :3] != np.round(grid[0, 0, 0, 0] * 255)).any():
        sheet = sheet[::-1]
    assert sheet.shape == (2 * 6 - 1, 3 * 5 - 1, 4)
    for i in range(2):
        for j in range(3):
            tile = sheet[6 * i : 6 * i + 5, 5 * j : 5 * j + 4]
            assert (tile[..., :3] == np.round(grid[i, j] * 255)).all()
            assert (tile[..., 3] == 255).all()
    assert (sheet[5] == 0).all()
    assert "image-rendering" in svg


def test_images_are_stretched_one_by_one():
    from netpress.report.pictures import _stretched

    grid = np.array([[[[0.0, 2.0], [1.0, 4.0]], [[-1.0, -1.0], [-1.0, -1.0]]]])
    assert _stretched(grid)[0, 0].tolist() == [[0, 0.5], [0.25, 1]]
    assert (_stretched(grid)[0, 1] == 0.5).all()
    with pytest.raises(UserError, match="rows, columns"):
        images(np.zeros((3, 3)), WORDS)


def test_diagram_shows_every_part_and_explains_its_states():
    svg = ALL["diagram"]().svg
    texts = re.findall(r">([^<>]+)</text>", svg)
    for text in ("VGG16", "one conv", "3→64", "compressed", "frozen", "removed", "plain"):
        assert text in texts
    assert "trained" not in texts
    with pytest.raises(UserError, match="molten"):
        diagram([Row("x", (Box("a", state="molten"),))], WORDS)
    with pytest.raises(UserError, match="no boxes"):
        diagram([], WORDS)


def test_hostile_text_is_text_everywhere():
    words = Words(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    frame = runs().assign(dataset=HOSTILE, method=HOSTILE)
    frame["model"] = HOSTILE + frame["model"]
    encoding = Encoding("parameters", "best", "method", label="model")
    rows = [Row(HOSTILE, (Box(HOSTILE, HOSTILE),))]
    for figure in (
        grouped_points(frame, BY_BLOCK, words),
        scatter(frame, encoding, words),
        diagram(rows, words),
    ):
        page = figure._repr_html_()
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert "$x^2$" in page
        ElementTree.fromstring(figure.svg)


def test_save(tmp_path):
    figure = ALL["scatter"]()
    assert ElementTree.parse(figure.save(tmp_path / "a.svg")).getroot().tag.endswith("svg")
    first, second = (figure.save(tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first[:4] == b"\x89PNG" and first == second
    with pytest.raises(UserError, match=r"\.svg or \.png"):
        figure.save(tmp_path / "a.jpg")


def test_a_figure_needs_alternative_text():
    with pytest.raises(UserError, match="alternative text"):
        bars(runs(), Encoding("dataset", "best"), Words(" ", "caption"))


def test_columns_that_are_missing_are_named():
    with pytest.raises(UserError, match="lacks level"):
        bars(runs(), Encoding("level", "best"), WORDS)
