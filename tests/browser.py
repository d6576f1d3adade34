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
