"""Pages in a headless Chromium: no complaint in the console, every figure drawn, legends and menus at work.

Debian: ``apt-get install chromium``. Skipped where there is no such program.
"""

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


def test_menu_of_the_scan_changes_the_signal(browser):
    def height():
        return browser.run("document.querySelector('#scan .scatterlayer .trace .point').getAttribute('transform')")

    before = height()
    press(browser, "document.querySelector('#scan .updatemenu-header')")
    press(browser, "document.querySelectorAll('#scan .updatemenu-dropdown-button')[3]")
    assert height() != before


def test_menu_of_the_scores_changes_the_detector(browser):
    """The axis of the score is that of the chosen detector."""

    def title():
        return browser.run("document.querySelector('#score_maps .updatemenu-header-group text').textContent")

    def ticks():
        return browser.run("[...document.querySelectorAll('#score_maps .ytick text')].map((e) => e.textContent)")

    before, parts = (title(), ticks()), drawn(browser, "score_maps")
    press(browser, "document.querySelector('#score_maps .updatemenu-header')")
    press(browser, "document.querySelectorAll('#score_maps .updatemenu-dropdown-button')[1]")
    assert title() != before[0]
    assert ticks() != before[1]
    assert drawn(browser, "score_maps") == parts


def test_nothing_is_wider_than_a_laptop_screen(browser, other):
    check_width(browser)
    check_width(other, ["areas", "significance"])


def test_console_stays_silent_to_the_end(browser, other):
    assert browser.complaints == other.complaints == []
