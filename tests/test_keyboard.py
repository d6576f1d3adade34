"""The site without a mouse: the Tab key reaches everything, shows where it is, and gets out."""

import pytest
from browser import HTML

SAMPLES = {
    "landing": "index.html",
    "chapter": "chapters/basic.html",
    "reference": "reference/convolution.html",
    "steps": "auto_gallery/attention/plot_parallel_decoding.html",
    "gallery": "auto_gallery/index.html",
    "search": "search.html?q=LayerNorm",
    "finder": "finder.html",
}
# What can be pressed, typed into or scrolled: seen, and not switched off. Of a group of radio
# buttons the Tab key reaches the chosen one, and the arrows the others.
STOPS = """
[...document.querySelectorAll(
  "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
)].filter((e) => !e.disabled && e.checkVisibility({ visibilityProperty: true })
    && (e.type !== "radio" || e.checked))
"""
# Where the focus is, and whether a reader sees it: an outline around the element, its label or
# what holds it, no mere speck and on the screen.
FOCUS = """
(() => {
  const e = document.activeElement;
  if (!e || e === document.body || e === document.documentElement) return null;
  const around = [e, ...(e.labels ?? [])];
  for (let up = e.parentElement; up && around.length < 8; up = up.parentElement) around.push(up);
  const shown = around.some((one) => {
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
      && one.checkVisibility({ opacityProperty: true, visibilityProperty: true })
      && Math.min(box.width, box.height) >= 6
      && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  });
  return { stop: stops.indexOf(e), shown, what: e.outerHTML.slice(0, 120) };
})()
"""

pytestmark = pytest.mark.browser


@pytest.fixture
def open_page(browser):
    """Open a page of the site in a window of some width."""
    contexts = []
    calm = {"reduced_motion": "reduce"}  # nothing glides while we look

    def open_at(path, width):
        contexts.append(browser.new_context(**calm, viewport={"width": width, "height": 900}))
        page = contexts[-1].new_page()
        page.goto(f"{HTML.as_uri()}/{path}")
        if path.startswith("search"):
            page.get_by_text("Search finished").wait_for()
        page.wait_for_function("!document.querySelector('.layer-finder[data-busy=yes]')")
        return page

    yield open_at
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", SAMPLES.values(), ids=SAMPLES)
def test_tab_reaches_everything_and_gets_out(open_page, path, width):
    page = open_page(path, width)
    page.keyboard.press("Shift")  # the first key that is pressed starts a calculator
    page.wait_for_function("!document.querySelector('.layer-calculator:not([data-layer])')")
    count = page.evaluate(f"(window.stops = {STOPS}).length")
    assert count > 10
    reached, hidden = set(), []
    for _ in range(count + 10):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus is None:
            break  # past the last element, back to the window
        reached.add(focus["stop"])
        if not focus["shown"]:
            hidden.append(focus["what"])
    else:
        pytest.fail("the focus does not leave the page")
    assert not "\n".join(hidden), "nothing shows that these have the focus"
    missed = set(range(count)) - reached
    html = page.evaluate("(missed) => missed.map((n) => stops[n].outerHTML)", sorted(missed))
    assert not html, "the Tab key does not reach these"


def test_the_first_stop_leads_past_the_navigation(open_page):
    page = open_page("reference/convolution.html", 1280)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("skip-to-content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('article') !== null")


@pytest.mark.parametrize(
    ("icon", "inside"), [("nav", ".sidebar-brand"), ("toc", ".toc-tree li li a")]
)
def test_a_drawer_opens_and_closes_by_keyboard(open_page, icon, inside):
    page = open_page("reference/convolution.html", 390)
    button = page.locator(f".{icon}-overlay-icon .icon:visible")
    link = page.locator(inside).first
    assert not link.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    link.wait_for(state="visible")
    assert button.get_attribute("aria-expanded") == "true"
    link.focus()
    page.keyboard.press("Escape")
    link.wait_for(state="hidden")
    assert button.get_attribute("aria-expanded") == "false"
    assert button.evaluate("(e) => e === document.activeElement")


def test_a_branch_of_the_tree_opens_by_keyboard(open_page):
    page = open_page("index.html", 1280)
    box = page.locator(".toctree-checkbox").first
    branch = page.locator("li:has(> .toctree-checkbox) > ul").first
    assert not branch.is_visible()
    box.focus()
    page.keyboard.press("Space")
    assert branch.is_visible()
