"""The site away from its address: unpacked from the zip on disk, and the page of a lost reader."""

import re
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urljoin, urlsplit

import pytest
from browser import HTML, watch

import layerref

NAME = f"layerref-{layerref.__version__}"
ZIP = HTML / f"{NAME}.zip"


def offer():
    """Return the line of the landing page that offers the zip."""
    return re.search(r'<p class="offline">(.*?)</p>', (HTML / "index.html").read_text(), re.S)[1]


def test_the_landing_page_offers_the_zip_that_is_there():
    assert f'href="{ZIP.name}"' in offer()
    said = int(re.search(r"as a zip of (\d+) MB\.", offer())[1])
    assert said == round(ZIP.stat().st_size / 1e6) > 0
    assert [p.name for p in HTML.glob("*.zip")] == [ZIP.name], "no zip of another version"


def test_the_zip_holds_the_site_as_it_is():
    with zipfile.ZipFile(ZIP) as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
        assert {i.date_time for i in infos} == {(1980, 1, 1, 0, 0, 0)}
        names = [i.filename for i in infos]
        assert names == sorted(names, key=Path)
        adapted = [f"{NAME}/index.html", f"{NAME}/_static/documentation_options.js"]
        for name in names:
            if name not in adapted:
                assert archive.read(name) == (HTML / name.removeprefix(f"{NAME}/")).read_bytes()
        copy = archive.read(f"{NAME}/index.html").decode()
    assert "This is a copy of layerref" in copy
    assert ZIP.name not in copy, "the copy does not offer what it does not hold"
    pages = {str(p.relative_to(HTML)) for p in HTML.rglob("*.html")} - {"404.html"}
    assert pages <= {name.removeprefix(f"{NAME}/") for name in names}
    assert not [n for n in names if re.search(r"buildinfo|sitemap\.xml|layerref-[^/]*\.zip", n)]


@pytest.mark.browser
def test_the_zip_is_read_from_disk(browser, tmp_path):
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(tmp_path)
    page = watch(browser.new_context(offline=True).new_page())
    page.goto((tmp_path / NAME / "index.html").as_uri())
    page.get_by_text("One page per layer").click(force=True)  # its link covers the whole card
    page.click("article a[href='layer-norm.html']")
    assert page.title().startswith("LayerNorm")
    page.locator("#try-it").scroll_into_view_if_needed()
    page.wait_for_selector(".layer-calculator[data-layer=LayerNorm] input", state="attached")
    page.fill(".sidebar-search", "fractional")
    page.press(".sidebar-search", "Enter")
    page.wait_for_selector("#search-results li a[href*='fractional-max-pooling']")
    assert not page.errors
    requested = [r.url for r in page.requested]
    assert [u for u in requested if not u.startswith((tmp_path.as_uri(), "data:", "blob:"))] == []


class Host(SimpleHTTPRequestHandler):
    """A static host with the site under a path, which shows 404.html at any other address."""

    prefix = "/"

    def translate_path(self, path):
        path = urlsplit(path).path
        inside = path.startswith(self.prefix)
        return str(HTML / path.removeprefix(self.prefix)) if inside else "/nowhere"

    def send_error(self, code, message=None, explain=None):
        body = (HTML / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def host():
    text = (HTML / "index.html").read_text()
    address = re.search(r'<link rel="canonical" href="(.*?)index.html">', text)[1]
    handler = type("Here", (Host,), {"prefix": urlsplit(address).path})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(HTML)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.prefix
    server.shutdown()


@pytest.mark.browser
@pytest.mark.parametrize("lost", ["nothing.html", "reference/no/such/page.html", "../old.html"])
def test_a_lost_reader_finds_the_way(browser, host, lost):
    """Styles, pictures and every link of the 404 page hold, however deep the address is."""
    root, prefix = host
    page = browser.new_context().new_page()
    answers = {}
    page.on("response", lambda r: answers.update({r.url: r.status}))
    address = urljoin(root + prefix, lost)
    page.goto(address, wait_until="networkidle")
    assert answers.pop(address) == 404
    assert page.text_content("h1") == "Page not found"
    assert answers
    assert set(answers.values()) == {200}
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
    ours = {link.partition("#")[0] for link in links if link.startswith(root)} - {address}
    assert len(ours) > 30
    assert {link: s for link in ours if (s := page.request.get(link).status) != 200} == {}
