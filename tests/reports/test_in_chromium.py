"""The page in a headless Chromium: no complaint in the console, every figure drawn, legend and menu at work.

Debian: ``apt-get install chromium``. Skipped where there is no such program.
"""

import pytest

from .browser import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium here; on Debian: apt-get install chromium")

FIGURES = {"rejection", "scan", "roc", "encoder_training", "energy_training", "augmentations"}


@pytest.fixture(scope="module")
def browser(report):
    with Browser() as browser:
        browser.open(report)
        yield browser


def drawn(browser, figure):
    """Curves of a figure that are shown: those of its traces that are switched on and left a mark on the page."""
    return browser.run(
        f"document.getElementById('{figure}').querySelectorAll('.scatterlayer .trace, .scatterlayer .js-fill').length"
    )


def press(browser, element):
    """Scroll to an element, click on it, and wait until plotly knows that it is no double click and has redrawn."""
    place = browser.run(
        f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center', behavior: 'instant'}});"
        " const box = e.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    browser.click(*place)
    browser.run("new Promise((done) => setTimeout(done, 1000))")


def test_console_is_silent(browser):
    assert browser.complaints == []


def test_every_figure_is_drawn(browser):
    assert set(browser.run("[...document.querySelectorAll('div.plot')].map((place) => place.id)")) == FIGURES
    for figure in FIGURES:
        assert browser.run(f"document.getElementById('{figure}').querySelectorAll('.main-svg').length") > 0
        assert drawn(browser, figure) > 0


@pytest.mark.parametrize(("figure", "curves"), [("rejection", 4), ("roc", 6), ("scan", 6)])
def test_legend_hides_and_shows_a_curve_in_all_panels(browser, figure, curves):
    """A detector has a trace in each of 4 panels, a signal a line and a band (two parts) in each of 2, a score 6."""
    before = drawn(browser, figure)
    entry = f"document.getElementById('{figure}').querySelectorAll('.legendtoggle')[0]"
    press(browser, entry)
    assert drawn(browser, figure) == before - curves
    press(browser, entry)
    assert drawn(browser, figure) == before


def test_menu_of_the_scan_changes_the_signal(browser):
    def height():
        return browser.run("document.querySelector('#scan .scatterlayer .trace .point').getAttribute('transform')")

    before = height()
    press(browser, "document.querySelector('#scan .updatemenu-header')")
    press(browser, "document.querySelectorAll('#scan .updatemenu-dropdown-button')[3]")
    assert height() != before


def test_nothing_is_wider_than_a_laptop_screen(browser):
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
    too_wide = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
    assert browser.run(f"{too_wide}.map((e) => e.firstChild.id)") == []


def test_console_stays_silent_to_the_end(browser):
    assert browser.complaints == []
