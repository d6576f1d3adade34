"""What the tests that drive Chromium share: where the site is, and how the browser starts."""

from pathlib import Path

HTML = Path(__file__).parent.parent / "_build" / "html"
FOUND = [p.relative_to(HTML) for p in HTML.rglob("*.html") if "_static" not in p.parts]
# the 404 page is shown by a host alone: tests/test_for_machines.py opens it there
PAGES = sorted(str(p) for p in FOUND if p.name != "404.html")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def watch(page):
    """Have a page remember what it asks for and what goes wrong on it."""
    page.requested, page.errors = [], []
    page.on("request", lambda r: page.requested.append(r))
    page.on("requestfailed", lambda r: page.errors.append(f"failed: {r.url}"))
    page.on("console", lambda m: m.type == "error" and page.errors.append(m.text))
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    return page
