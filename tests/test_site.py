"""The built site, in a browser: every page, light and wide, dark and narrow."""

import gzip
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import FLAGS, HTML, PAGES, watch
from conftest import find_chromium

VIEWS = {"light": 1280, "dark": 390}
KILOBYTES = 150
# On a slow machine a line may be shown before all of it has arrived, and break anew: that is not
# the page's doing. Once the text is there, nothing moves.
WHILE_IT_ARRIVES, SHIFT = 0.01, 0.0005
WATCH_SHIFTS = """
window.shift = window.early = 0;
new PerformanceObserver((list) => {
  const arrived = performance.getEntriesByType("navigation")[0].domInteractive || Infinity;
  for (const entry of list.getEntries())
    if (entry.startTime < arrived) early += entry.value; else shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# A calculator starts when somebody looks at it.
LOOK = "document.querySelector('.layer-calculator')?.scrollIntoView({ behavior: 'instant' })"
# The colour of a token is that of its class: axe looks at one of each, in half the time.
ONE_TOKEN_OF_A_KIND = """
const seen = new Set();
for (const token of document.querySelectorAll("pre span")) {
  const kind = token.closest("div.highlight")?.parentElement.className + "|" + token.className;
  if (seen.has(kind)) token.replaceWith(...token.childNodes);
  seen.add(kind);
}
"""
FONTS = "document.fonts.status === 'loaded'"
BUSY = ".layer-calculator:not([data-layer]), .layer-finder[data-busy=yes]"
SETTLED = f"{FONTS} && !document.querySelector('{BUSY}')"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=VIEWS)
def page(browser, request):
    """A page in one theme and width, which remembers requests and errors."""
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": VIEWS[request.param], "height": 900}
    )
    context.add_init_script(WATCH_SHIFTS)
    yield watch(context.new_page())
    context.close()


@pytest.fixture(scope="module", params=PAGES)
def visited(page, request):
    """The page at one address, loaded once for all that is asked of it."""
    page.requested.clear()
    page.errors.clear()
    page.goto((HTML / request.param).as_uri())
    page.evaluate(LOOK)
    page.wait_for_function(SETTLED)
    return page


def test_the_site_was_built():
    assert len(PAGES) > 10, "make html builds the site that these tests open"


def test_page_stands_alone(visited):
    assert not visited.errors
    urls = [r.url for r in visited.requested]
    outside = [u for u in urls if not u.startswith(("file:", "data:", "blob:"))]
    assert not outside, "a page loads nothing from another host"


def test_page_is_light(visited):
    paths = {urlsplit(r.url).path for r in visited.requested if r.resource_type != "image"}
    files = [Path(unquote(path)) for path in paths if path.startswith("/")]
    sizes = {f.name: size(f) for f in files if f.is_file()}
    assert any(name.endswith(".css") for name in sizes), "the browser's requests were not seen"
    assert sum(sizes.values()) < 1000 * KILOBYTES, sizes


def size(path):
    """Return the bytes that a host would send: text compressed, fonts as they are."""
    data = path.read_bytes()
    return len(data) if path.suffix == ".woff2" else len(gzip.compress(data, 6))


def test_no_script_blocks(visited):
    # module scripts and inline ones do not wait for the line; the others have to say so
    blocking = visited.evaluate(
        "[...document.querySelectorAll('script[src]')]"
        ".filter(s => !s.defer && !s.async && s.type !== 'module').map(s => s.src)"
    )
    assert not blocking


def test_nothing_jumps(visited):
    assert visited.evaluate("shift") < SHIFT
    assert visited.evaluate("early") < WHILE_IT_ARRIVES
    # what comes later must not jump either: each picture has its size, and waits for its turn
    bare = visited.evaluate(
        "[...document.images].filter(i => !i.getAttribute('width') || !i.getAttribute('height'))"
        ".map(i => i.src)"
    )
    assert not bare, "pictures without width and height"
    eager = visited.evaluate(
        "[...document.querySelectorAll('article img')].slice(1)"
        ".filter(i => i.loading !== 'lazy').map(i => i.src)"
    )
    assert not eager, "pictures below the first that do not wait"


def test_formulas_move_nothing_on_a_first_visit(browser):
    """A browser that has no font yet: the one above knows them after its first formula."""
    fresh = browser.browser_type.launch(executable_path=find_chromium(), args=FLAGS)
    page = fresh.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(WATCH_SHIFTS)
    page.goto((HTML / "reference" / "attention.html").as_uri())
    page.wait_for_function(FONTS)
    assert page.evaluate("document.fonts.check('italic 1em KaTeX_Math')")
    assert page.evaluate("early + shift") < SHIFT
    fresh.close()


def test_page_fits_and_reads(visited):
    width, room = visited.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, "the page is wider than the screen"
    text = visited.evaluate(
        "(() => { const c = document.querySelector('article, [role=main]').cloneNode(true);"
        "c.querySelectorAll('pre, code, .katex').forEach(n => n.remove());"
        "return c.textContent })()"
    )
    assert not re.search(r"\$\$|\\(frac|sqrt|mathrm|begin)\b", text), "raw TeX"
    # a thumbnail stands beside its title, so it needs no words of its own
    unnamed = visited.evaluate(
        "[...document.querySelectorAll('article img')]"
        ".filter(i => !i.alt && !i.closest('.sphx-glr-thumbcontainer')).map(i => i.src)"
    )
    assert not unnamed, "a picture without alt text"


def test_axe_finds_nothing(visited):
    visited.evaluate(ONE_TOKEN_OF_A_KIND)  # the last thing asked of a page, as it changes it
    results = Axe().run(visited)
    assert not results.violations_count, results.generate_report()


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
