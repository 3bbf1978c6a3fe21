"""The explorer: its data against the records, its escaping, and in a browser filters, order, comparison and speed."""

import json
import re
import shutil

import books
import invented
import pandas as pd
import pytest

from netpress import papers
from netpress.report import explorer
from netpress.report.explorer import Explorer, coded, in_script, plain
from netpress.runs import records

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = '</script><img src=x onerror="document.title=1">'
MOST_MILLISECONDS = 100
CLICKS = 15


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Explorer:
    """An explorer of about a thousand invented runs, one with a hostile device."""
    folder = tmp_path_factory.mktemp("records")
    invented.fill(folder, "small")
    frames, histories = [], []
    for paper in ("triage", "pyramid", "compressing"):
        runs = papers.grid(paper, "small")
        frames.append(records.frame(runs, "small", folder))
        histories.append(records.history(runs, "small", folder))
    runs = pd.concat(frames, ignore_index=True)
    runs.loc[3, "device"] = HOSTILE
    return Explorer(runs, pd.concat(histories, ignore_index=True))


def test_it_holds_every_run_as_it_is(made):
    data = json.loads(re.search(r'<script type="application/json"[^>]*>(.*)</script>', made._repr_html_(), re.S)[1])
    columns = {n: c.get("values") or [c["different"][i] for i in c["codes"]] for n, c in data["columns"].items()}
    assert len(columns["best"]) == len(made.runs) == len(data["curves"]) == len(data["measures"])
    for i in (0, 400, len(made.runs) - 1):
        row = made.runs.iloc[i]
        paper, dataset, model, method, seed = (columns[n][i] for n in ("paper", "dataset", "model", "method", "seed"))
        assert f"{paper}/{dataset}/{model}-{method}-s{seed}" == row["name"]
        assert columns["best"][i] == round(100 * row["best"], 2) and columns["parameters"][i] == row["parameters"]
        own = made.history[made.history["name"] == row["name"]]
        which, *values = data["measures"][i]
        measured = dict(zip(data["measured"][which], values, strict=True))
        shown = row.filter(like="measures.").dropna()
        plain = [name for name, value in shown.items() if isinstance(value, float | int | str)]
        assert list(measured) == [name.removeprefix("measures.") for name in plain]
        assert all(v == pytest.approx(row[f"measures.{n}"], abs=1e-5) for n, v in measured.items())
        which, test_accuracy, *_ = data["curves"][i]
        assert test_accuracy == [round(10_000 * v) for v in own["test_accuracy"]]
        assert sum(epochs for _, epochs in data["stages"][which]) == len(own) == row["epochs"]


def test_a_thousand_runs_leave_room_for_the_page(made):
    page = len(made._repr_html_().encode())
    scripts = sum(len(text.encode()) for text in explorer.assets().values())
    assert len(made.runs) > 1000 and page + scripts < 2_500_000


def test_what_comes_from_records_is_escaped(made):
    shown = made._repr_html_()
    assert "<img" not in shown and shown.count("</script>") == 1
    assert json.loads(in_script(json.dumps(HOSTILE))) == HOSTILE
    assert "a &lt;b&gt;" not in shown and "<b>processor" not in shown


def test_runs_without_a_record_are_left_out(made):
    rows = made.runs.head(5).assign(time=[None, "2026", None, "2026", None])
    shown = Explorer(rows, made.history.iloc[:0])
    assert len(shown.rows) == 2 and 'data-runs="2"' in shown._repr_html_()
    empty = Explorer(made.runs.head(0), made.history.iloc[:0])
    assert 'data-runs="0"' in empty._repr_html_()


def test_columns_are_coded_where_that_is_shorter():
    assert coded(["a", "b", "a", "a", "a"]) == {"different": ["a", "b"], "codes": [0, 1, 0, 0, 0]}
    assert coded([1, 2, None]) == {"values": [1, 2, None]}


@pytest.mark.parametrize(
    ("value", "digits", "factor", "shown"),
    [
        (0.98765, 2, 100, 98.77),
        (5.0, 1, 1, 5),
        (float("nan"), 2, 1, None),
        (None, 2, 1, None),
        ("x", 0, 1, "x"),
        ("", 0, 1, None),
    ],
)
def test_numbers_are_rounded(value, digits, factor, shown):
    assert plain(value, digits, factor) == shown


def test_nothing_is_fetched_and_the_bundle_is_the_same_each_time():
    first = explorer.assets()
    assert list(first) == list(explorer.FILES) and first == explorer.assets()
    assert not re.search(r"(?:src|href)=.https?:|@import|importScripts", "".join(first[name] for name in explorer.OWN))


# in a browser


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    """The explorer on a bare page, opened from the disk."""
    playwright = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("no Chromium here: `make setup-browser` installs it")
    folder = tmp_path_factory.mktemp("page")
    styles = [books.ROOT / "_static" / name for name in ("netpress-report.css", "pages.css")]
    for name, text in explorer.assets().items():
        (folder / name).write_text(text, encoding="utf-8")
    links = "".join(f"<style>{style.read_text()}</style>" for style in styles)
    links += "".join(f'<script defer src="{name}"></script>' for name in explorer.FILES if name.endswith(".js"))
    links += f'<link rel="stylesheet" href="{explorer.FILES[-1]}">'
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>{links}<body>'
    text += f"<main>{made._repr_html_()}</main></body></html>"
    (folder / "index.html").write_text(text, encoding="utf-8")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1300, "height": 900})
        wrong: list[str] = []
        opened.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else wrong.append(r.url))
        opened.goto((folder / "index.html").as_uri())
        opened.wait_for_selector("#np-explorer[data-curves]")
        opened.wait_for_selector("#np-explorer[data-scatter]")
        yield opened
        assert wrong == []
        browser.close()


browser = [pytest.mark.browser, pytest.mark.xdist_group("site")]


def said(page) -> str:
    return page.locator(".np-explorer-said").inner_text()


class TestInABrowser:
    pytestmark = browser

    def test_filters_words_and_pages(self, page, made):
        first = (made.runs["dataset"] == "cifar10").sum()
        assert said(page) == f"1–10 of {first:,} runs"
        page.get_by_role("button", name="Show all").click()
        assert said(page) == f"1–10 of {len(made.runs):,} runs"
        page.get_by_label("Paper").select_option("pyramid")
        assert said(page).endswith(f"of {(made.runs['paper'] == 'pyramid').sum():,} runs")
        page.get_by_label("Words in the name").fill("cifar100 gram svgg8")
        words = ("pyramid/", "cifar100", "gram", "svgg8")
        fits = made.runs["name"].map(lambda name: all(word in name for word in words))
        assert said(page).endswith(f"of {fits.sum()} runs")
        page.get_by_role("button", name="Next").click()
        assert said(page).startswith("11–")
        page.get_by_role("button", name="Show all").click()
        assert said(page) == f"1–10 of {len(made.runs):,} runs"

    def test_columns_are_sorted_both_ways(self, page, made):
        head = page.get_by_role("button", name="best, %")
        head.click()
        first = page.locator(".np-explorer-table tbody tr").first
        assert f"{100 * made.runs['best'].min():.2f}" in first.inner_text()
        head.click()
        assert f"{100 * made.runs['best'].max():.2f}" in first.inner_text()
        assert page.locator("th[aria-sort=descending]").inner_text().startswith("best")

    def test_two_runs_are_compared(self, page, made):
        page.get_by_role("button", name="Show all").click()
        page.get_by_role("button", name="seed").click()
        row = page.locator(".np-explorer-table tbody tr").nth(2)
        row.get_by_text("A", exact=True).click()
        page.locator(".np-explorer-table tbody tr").nth(5).get_by_text("B", exact=True).click()
        names = [page.locator("button[aria-pressed=true]", has_text=slot).get_attribute("aria-label") for slot in "AB"]
        one, two = (made.runs.set_index("name").loc[name.partition(": ")[2]] for name in names)
        table = page.get_by_role("region", name="the records of A and B")
        best = table.locator("tr", has=page.get_by_role("rowheader", name="best, %"))
        cells = best.locator("td").all_inner_texts()
        assert cells[0] == f"{100 * one['best']:.2f}".rstrip("0").rstrip(".")
        assert float(cells[2].replace("−", "-")) == pytest.approx(100 * (two["best"] - one["best"]), abs=0.011)

    def test_hostile_texts_stay_texts(self, page, made):
        page.get_by_role("button", name="Show all").click()
        page.get_by_label("Words in the name").fill(made.runs.loc[3, "name"])
        page.locator(".np-slot-A").first.click()
        assert HOSTILE in page.get_by_role("region", name="the records of A and B").inner_text()
        assert page.title() == "t" and page.locator("img").count() == 0

    def test_a_point_can_be_clicked(self, page):
        page.get_by_role("button", name="Show all").click()
        before = page.locator(".np-explorer-frame table tbody").inner_text()
        box = page.locator("canvas").first.bounding_box()
        for dx, dy in [(x / 20, y / 20) for x in range(6, 20) for y in range(4, 14)]:
            page.mouse.click(box["x"] + dx * box["width"], box["y"] + dy * box["height"])
            if page.locator(".np-explorer-frame table tbody").inner_text() != before:
                return
        raise AssertionError("no click on the scatter chose a run")

    def test_it_starts_with_two_runs_that_can_be_compared(self, page):
        page.goto(page.url.split("#")[0])
        page.reload()
        page.wait_for_selector("#np-explorer[data-scatter]")
        label = page.locator("canvas").first.get_attribute("aria-label")
        one, two = re.findall(r"[AB]: (\S+), best", label)
        assert one.replace("-frozen", "-thawed") == two and "/cifar10/" in one

    def test_the_address_holds_what_is_chosen(self, page, made):
        page.get_by_role("button", name="Show all").click()
        page.get_by_label("Paper").select_option("pyramid")
        page.get_by_label("Words in the name").fill("gram")
        page.get_by_role("button", name="best, %").click()
        page.locator(".np-slot-B").nth(3).click()
        page.wait_for_function("location.hash.includes('words=gram') && location.hash.includes('B=')")
        before, chosen = said(page), page.locator("canvas").first.get_attribute("aria-label")
        page.reload()
        page.wait_for_selector("#np-explorer[data-scatter]")
        assert said(page) == before and page.get_by_label("Paper").input_value() == "pyramid"
        assert page.locator("canvas").first.get_attribute("aria-label") == chosen

    def test_choices_narrow_each_other(self, page, made):
        page.get_by_role("button", name="Show all").click()
        page.get_by_label("Paper").select_option("triage")
        options = "[...document.querySelectorAll('.np-explorer-controls select')[2].options]"
        offered = page.evaluate(f"{options}.filter(o => !o.hidden).map(o => o.value)")
        assert set(offered) == {"", *made.runs.loc[made.runs["paper"] == "triage", "model"]}
        page.get_by_role("button", name="Show all").click()

    def test_arrow_keys_go_from_point_to_point(self, page):
        page.get_by_role("group", name="Scatter of all runs").focus()
        before = page.locator("canvas").first.get_attribute("aria-label")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert page.locator("canvas").first.get_attribute("aria-label") != before

    def test_the_theme_changes_the_charts(self, page):
        drawn = page.locator("#np-explorer").get_attribute("data-curves")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function(f"document.getElementById('np-explorer').dataset.curves !== '{drawn}'")
        page.wait_for_function("document.querySelectorAll('canvas').length === 2")

    def test_a_click_is_answered_within_a_tenth_of_a_second(self, page):
        """From the click until the browser has painted; the quickest of many, since other processes may be busy."""
        page.get_by_role("button", name="Show all").click()
        script = """async (selector) => {
            const element = document.querySelector(selector);
            const began = performance.now();
            element.click();
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            return performance.now() - began;
        }"""
        for selector in ("th:nth-child(4) .np-sort", ".np-slot-B", ".np-explorer-controls button"):
            took = [page.evaluate(script, selector) for _ in range(CLICKS)]
            assert min(took) < MOST_MILLISECONDS, f"{selector}: {took}"


@pytest.mark.browser
@pytest.mark.xdist_group("site")
def test_without_javascript_there_is_a_table(made, page, tmp_path):
    context = page.context.browser.new_context(java_script_enabled=False)
    plainly = context.new_page()
    plainly.goto(page.url)
    assert plainly.locator("tbody tr").count() == len(made.runs)
    assert plainly.locator("select").count() == 0
    context.close()
