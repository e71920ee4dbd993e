"""The page of a study in a real browser: drawn, sorted, read by all, on any screen and paper."""

import pytest
from playwright.sync_api import expect

from explorer.report.page import html
from explorer.store import tables
from tests.browser.conftest import watched_page
from tests.report import rows
from tests.report.trials import add_trials

INK = {"light": "rgb(34, 34, 34)", "dark": "rgb(232, 232, 232)"}
"""Text of a figure in either scheme."""

WIDTHS = "[...document.querySelectorAll('.main-svg')].map(svg => svg.clientWidth)"

STUDY_FILE = "# </pre><script>throw new Error('from the study file')</script>\nvary: [frequency]\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a study of everything, with what a user might have written to break it."""
    folder = tmp_path_factory.mktemp("page")
    run = {
        "run_id": "b" * 32,
        "study": "rich",
        "host": "box",
        "process": "1",
        "command": "explorer",
    }
    times = {"started": rows.BEGIN, "seen": rows.BEGIN, "provenance": "{}"}
    with rows.connect(folder) as database:
        description = "<script>throw new Error('from a description')</script> How rough & wide?"
        rows.sampled(database, "rich", samples=12, description=description)
        broken = {"state": "FAIL", "reason": "</script><b>bad"}
        arm = "<img src=x onerror=alert(1)>"
        rows.add_rows(database, "rich", [rows.row(arm, 0, ranges={"frequency": [0, 1]}, **broken)])
        add_trials(database, "rich")
        with database.engine.begin() as connection:
            connection.execute(tables.runs.insert().values(**run, **times, study_file=STUDY_FILE))
        path = folder / "rich.html"
        path.write_text(html(database, "rich"), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def seen():
    """What has gone wrong on the page so far."""
    return []


@pytest.fixture(scope="module")
def loaded(browser, address, seen):
    """The page with all its figures drawn, loaded once for all these tests."""
    with watched_page(browser, seen) as page:
        page.goto(address)
        page.wait_for_selector("html[data-drawn]", state="attached")
        yield page


@pytest.fixture
def opened(loaded, seen):
    """The same as everyone sees it first; what goes wrong on it fails the test."""
    yield loaded
    loaded.emulate_media(color_scheme="light", media="screen")
    loaded.set_viewport_size({"width": 1280, "height": 800})
    assert seen == []


def settled(page, condition):
    """Wait until something is so; the page's own policy keeps Playwright from doing it."""
    for _ in range(300):
        if page.evaluate(condition):
            return True
        page.wait_for_timeout(50)
    return False


def test_it_shows_all_it_has_and_looks_for_nothing_else(opened):
    assert opened.locator("h1").inner_text() == "rich"
    assert "<script>" in opened.locator(".lead").inner_text()
    assert opened.locator("pre").filter(has_text="vary:").inner_text().strip() == STUDY_FILE.strip()
    assert "</script><b>bad" in opened.locator("#failures ~ .table").inner_text()

    figures = opened.locator("[data-figure]")
    assert figures.count() == int(opened.locator("html").get_attribute("data-drawn")) >= 2
    for figure in figures.all():
        assert figure.locator("svg.main-svg").first.locator(".trace, .contour").count() > 0
    # Images stand once, with the arms.
    widths = opened.locator("img").evaluate_all("all => all.map(img => img.naturalWidth)")
    assert len(widths) == opened.locator(".sheets figure").count() >= 7
    assert set(widths) == {702}
    links = opened.locator("nav a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert all(opened.locator(link).count() == 1 for link in links)


def test_tables_sort_by_click_and_by_keyboard(opened):
    table = opened.locator("section[aria-labelledby=results] table").first
    heading = table.locator("thead th").filter(has_text="Accuracy")
    place = heading.evaluate("cell => cell.cellIndex")

    def values():
        cells = table.locator(f"tbody tr > :nth-child({place + 1})")
        return [float(text.partition(" ")[0]) for text in cells.all_inner_texts()]

    before = values()
    assert before != sorted(before)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert values() == sorted(before, reverse=True)
    opened.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(before)
    opened.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "none"
    assert values() == before
    arm = table.locator("thead th").first
    arm.locator("button").click()
    assert arm.get_attribute("aria-sort") == "ascending"
    names = table.locator("tbody th").all_inner_texts()
    assert names == sorted(names)
    # What has no number stays below: the baseline has no gain to sort by.
    gain = table.locator("thead th").filter(has_text="Gain")
    for _ in range(2):
        gain.locator("button").click()
        assert "best_practice" in table.locator("tbody th").last.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_figures_follow_the_scheme(opened, axe, scheme):
    opened.emulate_media(color_scheme=scheme)
    title = opened.locator("[data-figure=accuracy] .xtitle")
    expect(title).to_have_css("fill", INK[scheme], timeout=30_000)
    assert axe(opened, without=".plot > *") == []


def test_a_phone_shows_it_without_scrolling_sideways(opened):
    opened.set_viewport_size({"width": 360, "height": 740})
    assert settled(opened, f"{WIDTHS}[0] <= 360")
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    # A wide table is scrolled in its place, and so are Optuna's panels; those of other figures
    # stand one below the other, in the order that they have side by side.
    wide = "all => all.filter(box => box.scrollWidth > box.clientWidth).length"
    assert opened.locator("figure .scroll").evaluate_all(wide) == 4
    assert opened.locator(".table .scroll").evaluate_all(wide) >= 1
    panels = opened.locator("[data-figure=ranges] .bglayer rect")
    boxes = [panels.nth(i).bounding_box() for i in range(panels.count())]
    lefts, tops = ({round(box[side]) for box in boxes if box} for side in ("x", "y"))
    assert (len(lefts), len(tops)) == (1, 3)


def test_print_is_light_and_whole(opened):
    opened.emulate_media(color_scheme="dark", media="print")
    assert settled(opened, f"{WIDTHS}.every(width => width === 640)")
    expect(opened.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    title = opened.locator("[data-figure=accuracy] .xtitle")
    expect(title).to_have_css("fill", INK["light"], timeout=30_000)
    assert not opened.locator("nav").is_visible()
    paper = opened.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    # Figures are vector graphics, contact sheets pictures.
    assert paper.count(b"/Subtype /Image") >= 7
