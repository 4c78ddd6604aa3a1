"""report.html as a reader sees it: in headless Chromium, on a wide and a narrow screen, dark, and printed."""

import re

import chromium
import pytest
from evaluations import HOSTILE, PICTURE, full

from lesionkit import reports
from lesionkit.text import as_text

pytestmark = pytest.mark.skipif(not chromium.find(), reason=f"none of {', '.join(chromium.NAMES)} is here")

WIDE, NARROW = 1280, 390

# The least contrast of the text on what is behind it, and the text; as WCAG 2.2 computes it.
CONTRAST = """(() => {
    const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = colour => {
        pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
        return pen.getImageData(0, 0, 1, 1).data;
    };
    const luminance = colour => [0.2126, 0.7152, 0.0722].reduce((sum, weight, place) => {
        const value = rgba(colour)[place] / 255;
        return sum + weight * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    }, 0);
    const behind = element => {
        for (let one = element; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (rgba(colour)[3] === 255) return colour;
        }
        return "white";
    };
    let least = [99, ""];
    for (const element of document.querySelectorAll("body *")) {
        const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data).join("").trim();
        if (!text) continue;
        const style = getComputedStyle(element);
        const [a, b] = [luminance(element.closest("svg") ? style.fill : style.color), luminance(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < least[0]) least = [contrast, text.slice(0, 80)];
    }
    return least;
})()"""

# What reaches out of the page to the right, and is not in a box of its own that can be moved sideways.
OVERFLOWING = """[...document.querySelectorAll("body *")]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll"))
    .map(one => one.outerHTML.slice(0, 120))"""

# The texts of figures that reach out of their figure.
CUT = """[...document.querySelectorAll("svg text")].filter(text => {
    const [inner, outer] = [text, text.closest("svg")].map(one => one.getBoundingClientRect());
    return inner.width && (inner.left < outer.left - 3 || inner.right > outer.right + 3
        || inner.top < outer.top - 3 || inner.bottom > outer.bottom + 3);
}).map(text => text.textContent)"""


@pytest.fixture(scope="module")
def browser():
    with chromium.Chromium(chromium.find()) as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of an evaluation of which all is known and nearly all names are awkward."""
    names = ("melanoma", "nevus", "basal cell carcinoma", *HOSTILE)
    files = [f"Test/{name}/{PICTURE}" for name in HOSTILE * 20][:110]
    evaluation = full(names, n=110, held_out=330, sources=files)
    return reports.get("html")(evaluation, tmp_path_factory.mktemp("report") / "report.html")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_it_opens_without_a_complaint_and_asks_the_network_nothing(browser, report, width):
    browser.open(report, width)
    assert browser.run("document.readyState") == "complete"
    assert not browser.happened("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    asked = [one["request"]["url"] for one in browser.happened("Network.requestWillBeSent")]
    assert all(url == report.resolve().as_uri() or url.startswith("data:image/jpeg") for url in asked)
    assert browser.run("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert browser.run("document.images.length") >= 4


def test_names_are_seen_and_nothing_of_them_runs(browser, report):
    browser.open(report)
    shown = browser.run("document.body.innerText")
    for name in HOSTILE:
        assert as_text(name) in shown
    assert browser.run("document.scripts.length") == 0
    assert browser.run("document.querySelectorAll('[onerror], [onload], [onclick]').length") == 0
    assert not browser.happened("Page.javascriptDialogOpening")


def test_a_script_in_the_page_would_not_run(browser, report, tmp_path):
    page = tmp_path / "report.html"
    harm = "<script>document.title = 'ran'</script><img src=https://example.org/x onerror=\"document.title = 'ran'\">"
    page.write_text(report.read_text(encoding="utf-8").replace("<main>", f"<main>{harm}"), encoding="utf-8")
    browser.open(page)
    assert browser.run("document.title").startswith("Report")
    assert browser.happened("Log.entryAdded", "Network.loadingFailed"), "the policy of the page says no"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_reaches_out_of_the_page(browser, report, width):
    browser.open(report, width)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.run("innerWidth") == width
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(OVERFLOWING) == []
    assert browser.run(CUT) == []
    assert (
        browser.run(
            "Math.min(...[...document.querySelectorAll('svg text')].map(one => one.getBoundingClientRect().height))"
        )
        >= 9
    )


def test_every_picture_has_a_text(browser, report):
    browser.open(report)
    tree = browser("Accessibility.getFullAXTree")["nodes"]
    pictures = [node for node in tree if node.get("role", {}).get("value") in ("image", "img", "graphics-document")]
    assert len(pictures) == browser.run("document.querySelectorAll('svg, img').length")
    assert all(len(node["name"]["value"]) > 10 for node in pictures)


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out(browser, report, dark):
    browser.open(report, dark=dark)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    least, text = browser.run(CONTRAST)
    assert least >= 4.5, text


def test_dark_pages_are_dark_and_so_are_their_figures(browser, report):
    seen = {}
    for dark in (False, True):
        browser.open(report, dark=dark)
        style = "getComputedStyle(document.{}).{}"
        marks = "querySelector('svg path[style*=ours], svg use[style*=ours]')"
        asked = (
            ("body", "backgroundColor"),
            ("body", "color"),
            ("querySelector('svg text')", "fill"),
            (marks, "stroke"),
        )
        seen[dark] = [browser.run(style.format(*one)) for one in asked]
    assert all(light != dark for light, dark in zip(seen[False], seen[True], strict=True))
    assert max(map(int, re.findall(r"\d+", seen[True][0]))) < 40


def test_it_prints_light_whole_and_without_links(browser, report):
    browser.open(report, 688, dark=True)  # of A4, between the margins
    browser.colours(dark=True, media="print")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not browser.run("document.querySelector('nav').checkVisibility()")
    assert browser.run("document.querySelector('details:not([open])') !== null")
    folded = "[...document.querySelectorAll('details table, details pre, details svg')]"
    assert browser.run(f"{folded}.every(one => one.checkVisibility() && one.getBoundingClientRect().height > 0)")
    assert (
        browser.run(
            "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
        )
        == 0
    )
    assert browser.pdf().startswith(b"%PDF-")
