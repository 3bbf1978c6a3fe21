"""The explorer: its data against the records, its escaping, and in a browser filters, order and comparison."""

import json

import books
import invented
import pytest

from netpress.report import explorer
from netpress.report.explorer import Explorer, coded, plain, split
from netpress.runs import records

HOSTILE = '</script><img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Explorer:
    """An explorer of some thousand invented runs, one with a hostile device."""
    folder = tmp_path_factory.mktemp("records")
    runs = tuple(invented.fill(folder, "small", ("triage", "compressing")))
    frame = records.frame(runs, "small", folder)
    frame.loc[3, "device"] = HOSTILE
    return Explorer(frame, records.history(runs, "small", folder), "https://example.org/code/")


def test_it_holds_every_run_as_it_is(made):
    data = made.data
    columns = {n: c.get("values") or [c["different"][i] for i in c["codes"]] for n, c in data["columns"].items()}
    assert len(columns["best"]) == len(made.runs) == len(data["curves"]) == len(data["measures"])
    for i in (0, 400, len(made.runs) - 1):
        row = made.runs.iloc[i]
        paper, dataset, model, method, seed = (columns[n][i] for n in ("paper", "dataset", "model", "method", "seed"))
        assert f"{paper}/{dataset}/{model}-{method}-s{seed}" == row["name"]
        assert columns["best"][i] == round(100 * row["best"], 2) and columns["parameters"][i] == row["parameters"]
        which, *values = data["measures"][i]
        shown = row.filter(like="measures.").dropna()
        expected = {n.removeprefix("measures."): v for n, v in shown.items() if isinstance(v, float | int | str)}
        assert dict(zip(data["measured"][which], values, strict=True)) == pytest.approx(expected, abs=1e-5)
        own = made.history[made.history["name"] == row["name"]]
        assert data["curves"][i][0] == [round(10_000 * v) for v in own["test_accuracy"]]


def test_a_page_stays_small_however_many_runs_there_are(made):
    page, data = split(f"before{made._repr_html_()}after")
    assert page.startswith("before<div") and page.endswith("</div>after") and len(page) < 60_000
    assert data.startswith("window.npExplorer={") and split(page) == (page, "")
    assert len(data) / len(made.runs) < 420  # bytes: 7,400 runs leave room in 3 MB
    assert page.count("<tr>") == 101 and f"of {len(made.runs):,} runs" in page


def test_what_comes_from_records_is_escaped(made):
    shown = made._repr_html_()
    assert "<img" not in shown and shown.count("</script>") == 1
    data = json.loads(split(shown)[1].removeprefix("window.npExplorer=").removesuffix(";\n"))
    assert HOSTILE in (data["columns"]["device"].get("different") or data["columns"]["device"]["values"])


def test_runs_without_a_record_are_left_out(made):
    rows = made.runs.head(5).assign(time=[None, "2026", None, "2026", None])
    assert 'data-runs="2"' in Explorer(rows, made.history.iloc[:0])._repr_html_()
    assert 'data-runs="0"' in Explorer(made.runs.head(0), made.history.iloc[:0])._repr_html_()


def test_columns_are_coded_where_that_is_shorter():
    assert coded(["a", "b", "a", "a", "a"]) == {"different": ["a", "b"], "codes": [0, 1, 0, 0, 0]}
    assert coded([1, 2, None]) == {"values": [1, 2, None]}


@pytest.mark.parametrize(
    ("value", "digits", "factor", "shown"),
    [(0.98765, 2, 100, 98.77), (5.0, 1, 1, 5), (float("nan"), 2, 1, None), (None, 2, 1, None), ("x", 0, 1, "x")],
)
def test_numbers_are_rounded(value, digits, factor, shown):
    assert plain(value, digits, factor) == shown


@pytest.fixture(scope="module")
def page(made, tmp_path_factory, chromium):
    """The explorer on a bare page, its data beside it, opened from the disk."""
    folder = tmp_path_factory.mktemp("page")
    body, data = split(made._repr_html_())
    for name, text in {"data.js": data, **explorer.assets()}.items():
        (folder / name).write_text(text, encoding="utf-8")
    style = (books.ROOT / "_static" / "netpress.css").read_text()
    scripts = "".join(f'<script defer src="{n}"></script>' for n in ("data.js", *explorer.FILES) if n.endswith(".js"))
    head = f'<meta charset="utf-8"><title>t</title><style>{style}</style>{scripts}'
    head += f'<link rel="stylesheet" href="{explorer.FILES[-1]}">'
    (folder / "index.html").write_text(f'<!doctype html><html lang="en">{head}<body><main>{body}</main>', "utf-8")
    opened = chromium.new_page(viewport={"width": 1300, "height": 900})
    wrong: list[str] = []
    opened.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else wrong.append(r.url))
    opened.goto((folder / "index.html").as_uri())
    opened.wait_for_selector("#np-explorer[data-drawn]")
    yield opened
    assert wrong == []
    opened.close()


@pytest.mark.browser
@pytest.mark.xdist_group("site")
class TestInABrowser:
    def said(self, page) -> str:
        return page.get_by_role("status").inner_text()

    def test_filters_words_pages_and_order(self, page, made):
        assert self.said(page) == f"1–10 of {len(made.runs):,} runs"
        page.get_by_label("Paper").select_option("triage")
        assert self.said(page).endswith(f"of {(made.runs['paper'] == 'triage').sum():,} runs")
        page.get_by_label("Words in the name").fill("cifar100 mean block5")
        words = ("triage/", "cifar100", "mean", "block5")
        fits = made.runs["name"].map(lambda name: all(word in name for word in words))
        assert self.said(page).endswith(f"of {fits.sum()} runs")
        page.get_by_role("button", name="Next").click()
        assert self.said(page).startswith("11–")
        page.get_by_role("button", name="Show all").click()
        for end in (made.runs["best"].min(), made.runs["best"].max()):
            page.get_by_role("button", name="best, %").click()
            assert f"{round(100 * end, 2):g}" in page.locator("tbody tr").first.inner_text()
        assert page.locator("th[aria-sort=descending]").inner_text().startswith("best")

    def test_two_runs_are_compared_with_their_records(self, page, made):
        names = list(made.runs["name"][[3, 40]])
        for name in names:
            page.get_by_label("Words in the name").fill(name)
            page.get_by_role("button", name=f"show {name}", exact=True).click()
        shown = page.locator(".np-explorer-records")
        assert [link.get_attribute("href") for link in shown.get_by_role("link", name="results/").all()] == [
            f"https://example.org/code/results/small/{name}.json" for name in names
        ]
        shown.locator("summary").first.click()
        held = json.loads(shown.locator("pre").first.inner_text())
        row = made.runs.iloc[3]
        assert held["device"] == HOSTILE and held["best"] == round(100 * row["best"], 2)
        assert len(held["test_accuracy"]) == row["epochs"]
        assert page.title() == "t" and page.locator("img").count() == 0

    def test_a_point_can_be_clicked(self, page):
        page.get_by_role("button", name="Show all").click()
        before = page.locator(".np-explorer-records").inner_text()
        box = page.locator("canvas").first.bounding_box()
        for dx, dy in [(x / 20, y / 20) for x in range(6, 20) for y in range(4, 14)]:
            page.mouse.click(box["x"] + dx * box["width"], box["y"] + dy * box["height"])
            if page.locator(".np-explorer-records").inner_text() != before:
                return
        raise AssertionError("no click on the scatter chose a run")

    def test_the_address_holds_what_is_chosen(self, page):
        page.get_by_role("button", name="Show all").click()
        page.get_by_label("Paper").select_option("triage")
        page.get_by_label("Words in the name").fill("mean")
        page.wait_for_function("location.hash.includes('words=mean')")
        before, chosen = self.said(page), page.locator(".np-explorer-records").inner_text()
        page.reload()
        page.wait_for_selector("#np-explorer[data-drawn]")
        assert self.said(page) == before and page.get_by_label("Paper").input_value() == "triage"
        assert page.locator(".np-explorer-records").inner_text() == chosen

    def test_the_theme_changes_the_charts(self, page):
        drawn = page.locator("#np-explorer").get_attribute("data-drawn")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function(f"document.getElementById('np-explorer').dataset.drawn !== '{drawn}'")
        assert page.locator("canvas").count() == 2
