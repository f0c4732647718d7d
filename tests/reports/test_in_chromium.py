"""Pages in a headless Chromium: no complaint in the console, every figure drawn, legends and menus at work.

Debian: ``apt-get install chromium``. Skipped where there is no such program.
"""

import re

import pytest

from .browser import PROGRAM, Browser
from .test_detector_comparison import FIGURES as COMPARISON

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium here; on Debian: apt-get install chromium")

SCAN = {
    *("rejection", "detectors_rejection", "scan", "roc_signals", "roc_methods"),
    *("encoder_training", "energy_training", "augmentations"),
    *("training_curves", "coordinates", "slices", "importances", "timeline"),
    *("score_histograms", "score_menu", "score_maps", "representations", "jets_most", "jets_least", "occlusion"),
}


@pytest.fixture(scope="module")
def browser(report):
    """A browser that shows the page of an embedding scan."""
    with Browser() as browser:
        browser.open(report)
        yield browser


@pytest.fixture(scope="module")
def other(comparison):
    """A browser that shows the page of a comparison of detectors."""
    with Browser() as browser:
        browser.open(comparison)
        yield browser


def drawn(browser, figure):
    """Parts of a figure that are shown: those of its traces that are switched on and left a mark on the page."""
    marks = ("scatterlayer .trace", "scatterlayer .js-fill", "heatmaplayer .hm", "barlayer .trace")
    selector = ", ".join(f".{mark}" for mark in marks)
    return browser.run(f"document.getElementById('{figure}').querySelectorAll('{selector}').length")


def press(browser, element):
    """Scroll to an element, click on it, and wait until plotly knows that it is no double click and has redrawn."""
    place = browser.run(
        f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center', behavior: 'instant'}});"
        " const box = e.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    browser.click(*place)
    browser.run("new Promise((done) => setTimeout(done, 1000))")


def check_figures(browser, figures):
    assert browser.complaints == []
    assert set(browser.run("[...document.querySelectorAll('div.plot')].map((place) => place.id)")) == figures
    for figure in figures:
        assert browser.run(f"document.getElementById('{figure}').querySelectorAll('.main-svg').length") > 0
        assert drawn(browser, figure) > 0


def check_legend(browser, figure, parts):
    """The first entry of the legend hides and shows that many parts of the figure."""
    before = drawn(browser, figure)
    entry = f"document.getElementById('{figure}').querySelectorAll('.legendtoggle')[0]"
    press(browser, entry)
    assert drawn(browser, figure) == before - parts
    press(browser, entry)
    assert drawn(browser, figure) == before


def check_width(browser, scrolled=()):
    """Nothing is wider than the screen but tables that scroll in their own frame."""
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
    too_wide = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
    assert browser.run(f"{too_wide}.map((e) => e.firstChild.id)") == list(scrolled)


def test_every_figure_of_a_scan_is_drawn(browser):
    check_figures(browser, SCAN)


def test_every_figure_of_a_comparison_is_drawn(other):
    check_figures(other, COMPARISON)


@pytest.mark.parametrize(("figure", "parts"), [("rejection", 4), ("roc_signals", 6), ("scan", 6)])
def test_legend_of_a_scan_hides_and_shows_a_curve_in_all_panels(browser, figure, parts):
    """A detector has a trace in each of 4 panels, a signal a line and a band (two parts) in each of 2, a score 6."""
    check_legend(browser, figure, parts)


@pytest.mark.parametrize(
    ("figure", "parts"), [("rejection", 20), ("detectors_rejection", 10), ("contamination_rejection", 2)]
)
def test_legend_of_a_comparison_hides_and_shows_a_curve_in_all_panels(other, figure, parts):
    """A detector has a line and two bands (two parts each) in each of 4 panels, a weighting points and bars in each of
    5, a contaminated detector a trace in each of 2."""
    check_legend(other, figure, parts)


def test_menu_of_the_scan_changes_the_signal_by_keyboard(browser):
    def height():
        return browser.run("document.querySelector('#scan .scatterlayer .trace .point').getAttribute('transform')")

    assert browser.run("document.querySelectorAll('.updatemenu-container').length") == 0
    before = height()
    browser.run("document.getElementById('scan-menu').focus()")
    for _ in range(3):
        browser.press("ArrowDown")
    assert browser.run("document.getElementById('scan-menu').selectedIndex") == 3
    browser.run("new Promise((done) => setTimeout(done, 500))")
    assert height() != before


def test_menu_of_the_scores_changes_the_detector(browser):
    """The axis of the score is that of the chosen detector."""

    def ticks():
        return browser.run("[...document.querySelectorAll('#score_maps .ytick text')].map((e) => e.textContent)")

    before, parts = ticks(), drawn(browser, "score_maps")
    browser.run("document.getElementById('score_maps-menu').focus()")
    browser.press("ArrowDown")
    assert browser.run("document.getElementById('score_maps-menu').selectedIndex") == 1
    browser.run("new Promise((done) => setTimeout(done, 500))")
    assert ticks() != before
    assert drawn(browser, "score_maps") == parts


def column(browser, table, at):
    return browser.run(
        f"[...document.querySelectorAll('#{table} tbody tr')].map((row) => row.cells[{at}].textContent.trim())"
    )


def test_tables_sort_by_click_and_by_keyboard(browser):
    """The trials by their objective, the largest first and then the smallest; those without one stay last."""
    heading = "document.querySelector('#trials thead tr:last-child').cells[{}]"
    names = browser.run("[...document.querySelector('#trials thead tr:last-child').cells].map((e) => e.textContent)")
    at = names.index("objective,validation")
    numbers = sorted((float(one) for one in column(browser, "trials", at) if one != "–"), reverse=True)
    assert len(numbers) == 4
    browser.run(heading.format(at) + ".querySelector('button').click()")
    assert [float(one) for one in column(browser, "trials", at)[:4]] == numbers
    assert browser.run(heading.format(at) + ".getAttribute('aria-sort')") == "descending"
    browser.run(heading.format(at) + ".querySelector('button').focus()")
    browser.press("Enter")
    assert [float(one) for one in column(browser, "trials", at)[:4]] == numbers[::-1]
    assert column(browser, "trials", at)[4:] == ["–", "–"]
    assert browser.run(heading.format(at) + ".getAttribute('aria-sort')") == "ascending"
    browser.run(heading.format(0) + ".querySelector('button').focus()")
    browser.press("Enter")
    assert column(browser, "trials", 0) == ["5", "4", "3", "2", "1", "0"]
    assert browser.run("document.querySelectorAll('#trials [aria-sort]').length") == 1


def luminance(colour):
    """Relative luminance of "rgb(r, g, b)", as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(browser, element, behind="document.body"):
    ink, paper = (
        browser.run(f"getComputedStyle({one}).{style}")
        for one, style in ((element, "fill" if "svg" in element else "color"), (behind, "backgroundColor"))
    )
    dark, light = sorted((luminance(ink), luminance(paper)))
    return (light + 0.05) / (dark + 0.05)


SMALL = """(() => {
  const shown = (e) => e.checkVisibility() && !e.closest("sub, title, script, style, noscript, option")
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const subscript = (e) => e.style.fontSize.endsWith("%");  // as plotly writes <sub>
  return [...document.querySelectorAll("body *")].filter((e) => shown(e) && !subscript(e)
    && parseFloat(getComputedStyle(e).fontSize) < 12).map((e) => e.outerHTML.slice(0, 200));
})()"""


@pytest.mark.parametrize(("width", "height", "dark"), [(1440, 900, False), (1440, 900, True), (390, 844, False)])
@pytest.mark.parametrize("kind", ["scan", "comparison"])
def test_page_can_be_read_on_every_screen(report, comparison, kind, width, height, dark):
    """Every figure is drawn; nothing is wider than the screen; rows are low; text is large and has contrast."""
    page = report if kind == "scan" else comparison
    assert page.stat().st_size < 2 * 2**20
    with Browser() as browser:
        browser.open(page, width, height, dark=dark)
        check_figures(browser, SCAN if kind == "scan" else COMPARISON)
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        rows = "[...document.querySelectorAll('tbody tr')].map((row) => row.getBoundingClientRect().height)"
        assert max(browser.run(rows)) < 120
        assert browser.run(SMALL) == []
        paper = luminance(browser.run("getComputedStyle(document.body).backgroundColor"))
        assert paper < 0.02 if dark else paper > 0.9
        for words in ("h1", ".headline", "figcaption", "td", "nav a", "a.csv", "#rejection svg text"):
            assert contrast(browser, f"document.querySelector('{words}')") > 4.5
        backgrounds = browser.run("[...document.querySelectorAll('.plot .main-svg')].map((e) => e.style.background)")
        shown = [luminance(one) for one in backgrounds if one.startswith("rgb(")]
        assert len(shown) == len(SCAN if kind == "scan" else COMPARISON)
        assert all(one < 0.02 if dark else one > 0.9 for one in shown)


def test_figures_far_below_are_drawn_when_the_page_is_scrolled_to_them(report):
    with Browser() as browser:
        browser.open(report, figures="first")
        assert 0 < browser.run("Number(document.documentElement.dataset.drawn)") < len(SCAN)
        browser.run("document.getElementById('augmentations').scrollIntoView({behavior: 'instant'})")
        browser.wait("document.querySelectorAll('#augmentations .main-svg').length > 0")


def test_old_browser_gets_a_sentence_instead_of_a_figure(report):
    with Browser() as browser:
        browser.before("delete window.DecompressionStream")
        browser.open(report, figures="none")
        browser.wait("document.getElementById('rejection').textContent.includes('cannot draw the figure')")
        assert browser.complaints == []


def test_nothing_is_wider_than_a_laptop_screen(browser, other):
    check_width(browser)
    check_width(other)


def test_console_stays_silent_to_the_end(browser, other):
    assert browser.complaints == other.complaints == []
