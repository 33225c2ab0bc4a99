"""The page in a real browser: it opens, sorts and filters by mouse and key, fits a phone, and asks nobody anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from shutil import which

import pytest
from test_report import MODELS, make, page

from genbench.record import read_results
from genbench.report import report

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium")]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("page")
    make(root / "runs")
    return report(page(), read_results(root / "runs"), root / "out")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=lambda p: f"{p[0]} {p[1]}")
def tab(browser, written, request) -> Iterator:
    """The open page. Whatever it complains of or asks of a network fails the test."""
    width, scheme = request.param
    complaints: list[str] = []
    made = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    made.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    made.on("pageerror", lambda e: complaints.append(str(e)))
    made.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
    made.goto(written.as_uri())
    yield made
    made.close()
    assert complaints == []


def models(tab, table: int = 0, body: int = 1) -> list[str]:
    found = tab.locator("table").nth(table).locator("tbody").nth(body).locator("tr:visible th[scope=row]")
    return found.all_inner_texts()


def values(tab) -> list[float]:
    cells = tab.locator("table").first.locator("tbody").nth(1).locator("tr")
    at = 1 + tab.locator("table").first.locator("thead th.family").count()
    return [float(row.locator("td, th").nth(at).get_attribute("data-sort")) for row in cells.all()]


def test_columns_sort_by_mouse_and_by_key_and_references_stay_on_top(tab):
    head = tab.locator("thead th").filter(has_text="frechet").first
    head.click()
    tab.wait_for_selector("th[aria-sort=descending]")
    tab.wait_for_timeout(100)
    assert all(a >= b for a, b in pairwise(values(tab)))
    head.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("th[aria-sort=ascending]")
    tab.wait_for_timeout(100)
    assert all(a <= b for a, b in pairwise(values(tab)))
    assert models(tab)[0] == "realnvp"
    assert set(models(tab, body=0)) == {"truth", "noise", "thief"}


def test_a_filter_hides_models_in_every_table(tab):
    tab.get_by_label("Show models or families").fill("vae, pca")
    assert models(tab, 0) == models(tab, 1) == ["vae", "pca"]
    assert "2 shown" in tab.locator("[role=status]").inner_text()
    tab.get_by_label("Show models or families").fill("")
    assert len(models(tab)) == len(MODELS) - 3


def test_the_page_is_no_wider_than_the_screen_and_its_figures_are_there(tab):
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert tab.evaluate(
        "[...document.images].every(i => { i.loading = 'eager'; return i.alt && i.src.startsWith('data:'); })"
    )
    tab.wait_for_function("[...document.images].filter(i => !i.closest('details')).every(i => i.naturalWidth > 0)")
    if folder := os.environ.get("GENBENCH_SHOTS"):
        tab.screenshot(path=f"{folder}/{tab.viewport_size['width']}.png", full_page=True)


def test_every_table_has_headings_and_a_name_and_every_control_a_label(tab):
    """What a screen reader needs."""
    for table in tab.locator("table").all():
        assert table.locator("caption").inner_text() or table.locator("caption").text_content()
        assert table.locator("thead th:not([scope])").count() == 0
        assert table.locator("tbody tr:not(:has(th[scope=row]))").count() == 0
    assert tab.locator("html[lang]").count() == 1
    ratio = tab.evaluate("""() => {
        const light = c => { const [r, g, b] = c.match(/[0-9.]+/g).map(v => (v /= 255) <= 0.03928 ? v / 12.92 :
            ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const paper = light(getComputedStyle(document.body).backgroundColor);
        return Math.min(...['p.note', '.verdict', 'td', 'small', 'th'].map(s => {
            const ink = light(getComputedStyle(document.querySelector(s)).color);
            return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); }));
    }""")
    assert ratio >= 4.5  # WCAG 2.1, 1.4.3


def test_it_prints_on_a4(browser, written):
    tab = browser.new_page()
    tab.goto(written.as_uri())
    assert tab.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 1016, "height": 688})  # 269 mm of paper between the margins, at 96 to the inch
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    tab.close()
