"""The built site, in a browser: every page, light and wide, dark and narrow."""

import re
from pathlib import Path

import pytest
from conftest import find_chromium
from playwright.sync_api import sync_playwright

HTML = Path(__file__).parent.parent / "_build" / "html"
FOUND = [p.relative_to(HTML) for p in HTML.rglob("*.html") if "_static" not in p.parts]
# the 404 page is shown by a host alone: tests/test_for_machines.py opens it there
PAGES = sorted(str(p) for p in FOUND if p.name != "404.html")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
VIEWS = {"light": 1280, "dark": 390}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=VIEWS)
def page(browser, request):
    """A page in one theme and width, which remembers requests and errors."""
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": VIEWS[request.param], "height": 900}
    )
    page = context.new_page()
    page.requested, page.errors = [], []
    page.on("request", lambda r: page.requested.append(r.url))
    page.on("requestfailed", lambda r: page.errors.append(f"failed: {r.url}"))
    page.on("console", lambda m: m.type == "error" and page.errors.append(m.text))
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    yield page
    context.close()


def test_the_site_was_built():
    assert len(PAGES) > 10, "make html builds the site that these tests open"


@pytest.mark.parametrize("path", PAGES)
def test_page_stands_alone_and_fits(page, path):
    page.requested.clear()
    page.errors.clear()
    page.goto((HTML / path).as_uri())
    assert not page.errors
    outside = [u for u in page.requested if not u.startswith(("file:", "data:", "blob:"))]
    assert not outside, "a page loads nothing from another host"
    width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, "the page is wider than the screen"
    text = page.evaluate(
        "(() => { const c = document.querySelector('article, [role=main]').cloneNode(true);"
        "c.querySelectorAll('pre, code, .katex').forEach(n => n.remove());"
        "return c.textContent })()"
    )
    assert not re.search(r"\$\$|\\(frac|sqrt|mathrm|begin)\b", text), "raw TeX"
    # a thumbnail stands beside its title, so it needs no words of its own
    unnamed = page.evaluate(
        "[...document.querySelectorAll('article img')]"
        ".filter(i => !i.alt && !i.closest('.sphx-glr-thumbcontainer')).map(i => i.src)"
    )
    assert not unnamed, "a picture without alt text"


def test_reference_pages_carry_their_stamp(page):
    stamped = [p for p in PAGES if p.startswith("reference/") and not p.endswith("index.html")]
    for path in stamped:
        page.goto((HTML / path).as_uri())
        stamp = page.text_content(".verified-stamp")
        assert re.fullmatch(r"[1-9]\d* checks passed, torch \d+\.\d+\.\d+", stamp.strip()), path


def test_search_finds_a_layer(page):
    page.goto((HTML / "search.html").as_uri() + "?q=LayerNorm")
    page.wait_for_selector("#search-results li a")
    assert "layer-norm" in page.content()


def test_copy_button_gives_the_code_without_prompts(page):
    page.goto((HTML / "reference" / "linear.html").as_uri())
    target = page.locator("div.doctest button.copybtn, div.highlight button.copybtn").first
    assert target.count() == 1
