"""The folder that a static host serves: room for versions, one way in, and both hosts use it."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / ".ci"))

from lay_out import lay_out  # noqa: E402

URL = "https://example.org/layerref/stable/"
PAGES = {"index.html": "home", "reference/linear.html": "Linear", ".buildinfo": "ours"}


@pytest.fixture
def html(tmp_path):
    """A miniature build."""
    for name, text in PAGES.items():
        path = tmp_path / "html" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "html"


@pytest.fixture
def site(html):
    return html.parent / "site"


def served(site):
    return sorted(str(p.relative_to(site)) for p in site.rglob("*") if p.is_file())


def test_pages_lie_under_stable_and_under_torchs_version(html, site):
    lay_out(html, site, "2.13.0")
    pages = ["index.html", "reference/linear.html"]
    both = [f"{version}/{page}" for version in ("2.13", "stable") for page in pages]
    assert served(site) == sorted([".nojekyll", "index.html", "robots.txt", *both])
    assert not [p for p in site.rglob("*") if p.is_symlink()], "hosts refuse links"
    for page in both:
        assert (site / page).read_text() == PAGES[page.partition("/")[2]]


def test_root_leads_on_without_script(html, site):
    lay_out(html, site, "2.13.0", URL)
    root = (site / "index.html").read_text()
    assert re.search(r'<meta http-equiv="refresh" content="0; url=(.*?)">', root)[1] == "stable/"
    assert re.search(r'<a href="(.*?)">', root)[1] == "stable/"
    assert re.search(r'<link rel="canonical" href="(.*?)">', root)[1] == URL
    assert "<script" not in root
    assert (site / "stable" / "index.html").exists()


def test_robots_name_the_sitemap_only_if_there_is_one(html, site):
    lay_out(html, site, "2.13.0", URL)
    assert "Sitemap" not in (site / "robots.txt").read_text()
    (html / "sitemap.xml").write_text("<urlset/>")
    lay_out(html, site, "2.13.0", URL)
    assert f"Sitemap: {URL}sitemap.xml\n" in (site / "robots.txt").read_text()
    lay_out(html, site, "2.13.0")  # a sitemap is named by its whole address or not at all
    assert "Sitemap" not in (site / "robots.txt").read_text()


def test_page_for_lost_readers_lies_at_the_root(html, site):
    (html / "404.html").write_text("not here")
    lay_out(html, site, "2.13.0")
    assert (site / "404.html").read_text() == "not here"


def test_nothing_of_an_earlier_layout_stays(html, site):
    lay_out(html, site, "2.12.1")
    lay_out(html, site, "2.13.0")
    assert not (site / "2.12").exists()


def test_both_hosts_call_the_one_command_and_serve_what_it_wrote():
    actions = (ROOT / ".github" / "workflows" / "site.yml").read_text()
    assert re.search(r"run: make site$", actions, re.M)
    assert re.search(r"path: _build/site$", actions, re.M)
    readthedocs = (ROOT / ".readthedocs.yaml").read_text()
    assert re.search(r"- (\w+=\S+ )?make site$", readthedocs, re.M)
    assert "cp -r _build/site/stable " in readthedocs
    for text in (actions, readthedocs):
        assert "LAYERREF_URL" in text
        assert not re.search(r"make html|sphinx", text), "make site builds it"
