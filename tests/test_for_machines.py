"""What programs read of the built site: Markdown twins, llms.txt, tags, sitemap, inventory."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from browser import HTML
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.inventory import InventoryFile

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

import markdown_twins  # noqa: E402

WITHOUT_SOURCE = {"404", "genindex", "search"}
FILES = [p.relative_to(HTML) for p in HTML.rglob("*.html") if "_static" not in p.parts]
ALL = sorted(str(p.with_suffix("")) for p in FILES)
PAGES = [page for page in ALL if page not in WITHOUT_SOURCE]
LLMS_LINE = re.compile(r"- \[(.+)\]\((\S+)\): (.+)")


def read(name):
    return (HTML / name).read_text(encoding="utf-8")


def soup(page, folder=HTML):
    return BeautifulSoup((folder / f"{page}.html").read_text(encoding="utf-8"), "html.parser")


def head_of(page, folder=HTML):
    text = (folder / f"{page}.html").read_text(encoding="utf-8").partition("</head>")[0]
    return BeautifulSoup(text, "html.parser").head


def canonical(page, folder=HTML):
    return head_of(page, folder).find("link", rel="canonical")["href"]


@pytest.fixture(scope="module")
def url():
    """The address of the site that was built, as its front page says it."""
    return canonical("index").removesuffix("index.html")


def flat(text):
    """Leave white space out of a comparison: a list indents its code."""
    return re.sub(r"\s+", " ", text).strip()


def lacking(pieces, text):
    """Return the pieces of a page that its twin does not hold as often as the page."""
    return [p for p, n in Counter(map(flat, pieces)).items() if p and text.count(p) < n]


# ---------------------------------------------------------------- twins
def test_every_page_has_its_twin_and_names_it():
    assert len(PAGES) > 80
    assert sorted(str(p.relative_to(HTML).with_suffix("")) for p in HTML.rglob("*.md")) == PAGES
    for page in PAGES:
        link = head_of(page).find("link", rel="alternate", type="text/markdown")
        assert link["href"] == f"{Path(page).name}.md"


@pytest.mark.parametrize("page", PAGES)
def test_twin_holds_what_the_page_says(page, url):
    """Title, paragraphs, code, outputs, TeX, signatures and descriptions of figures."""
    text, article = read(f"{page}.md"), soup(page).find("article", id="furo-main-content")
    assert text.startswith("---\ntitle: ")
    assert f"\nurl: {url}{page}.html\n---\n\n# " in text
    flattened = flat(text)
    code = [pre.get_text() for pre in article.select("div.highlight pre")]
    assert lacking(code, flattened) == []
    tex = [a.get_text() for a in article.select("annotation[encoding='application/x-tex']")]
    assert lacking(tex, flattened.replace(r"\vert ", "|")) == []
    alts = [i["alt"] for i in article.select("img[alt]") if i["alt"]]
    assert lacking(alts, flattened) == []
    captions = [p.get_text() for p in article.select(".lr-frame p")]
    assert lacking(captions, flattened) == []
    for signature in article.select("dt.sig"):
        (signature.select_one(".headerlink") or signature).extract()
        assert f"`{flat(signature.get_text())}`" in flattened
    plain = re.sub(r"[\\*`$]|\[|\]\([^)]*\)|\]", "", flattened)
    for paragraph in article.select("section > p"):
        if not paragraph.find(["img", "code", "span", "a", "strong", "em"]):
            said = re.sub(r"[\\*`$\[\]]", "", flat(paragraph.get_text()))
            assert said in plain
    assert not re.search(r"<(div|svg|span|script|figure|section)\b", re.sub("`.*?`", "", plain))


def test_links_of_twins_lead_somewhere():
    dead, count = [], 0
    for page in PAGES:
        text = re.sub(r"^\s*(`{3,})\w*\n.*?\n\s*\1$", "", read(f"{page}.md"), flags=re.M | re.S)
        text = re.sub(r"(?<!\[)`[^`\n]*`(?!\])", "", text)
        for target in re.findall(r"\]\(([^)\s]+)\)|<a href=\"(.*?)\"", text):
            target = "".join(target)
            if "://" not in target:
                count += 1
                path = (HTML / page).parent / target.partition("#")[0]
                if not path.exists():
                    dead.append((page, target))
    assert count > 500
    assert not dead


def test_twin_of_a_reference_page():
    """A few lines in full, as a reader gets them."""
    text = read("reference/layer-norm.md")
    for line in (
        "| Input | $(N,\\, L,\\, E)$ or $(*,\\, E)$ |",
        "| State dict | `weight` `bias` |",
        "### `class layerref.LayerNorm(normalized_shape, eps=1e-5, elementwise_affine=True, "
        "bias=True)`",
        "- **ValueError** – The input’s last axes are not `normalized_shape`; a size is negative "
        "or there is none.",
        ">>> x = torch.randn(2, 3, 5) * 7 + 4                                  # N=2, L=3, E=5",
    ):
        assert f"\n{line}\n" in text, line
    assert re.search(r"\n# LayerNorm\n\n[1-9]\d* checks passed, torch ", text)
    assert "## Try it" not in text, "the calculator is for a browser"


def twin(*children):
    return markdown_twins.Twin(None, "page").write(nodes.container("", *children))


def test_text_is_not_taken_for_markup():
    paragraph = nodes.paragraph("", "2 * 3 costs $5, `x` [a](b) <b> under_score _start")
    assert twin(paragraph) == r"2 \* 3 costs \$5, \`x\` [a\](b) \<b> under_score \_start"
    assert twin(nodes.paragraph("", "1. is no list")) == r"\1. is no list"
    code = "```\nfence\n```"
    assert twin(nodes.literal_block(code, code, language="ipython3")) == f"````python\n{code}\n````"
    assert twin(nodes.paragraph("", "", nodes.literal("", "a `b`"))) == "`` a `b` ``"


def test_bars_in_a_cell_are_no_borders():
    cell = nodes.paragraph("", "", nodes.math("", r"|x| \|y\|"), nodes.literal("", "a|b"))
    row = nodes.row("", nodes.entry("", cell), nodes.entry("", nodes.paragraph("", "z")))
    table = nodes.table("", nodes.tgroup("", nodes.tbody("", row)))
    last = twin(table).splitlines()[-1]
    assert last == r"| $\vert x\vert  \Vert y\Vert$`a\|b` | z |"


def test_lists_nest():
    inner = nodes.bullet_list("", nodes.list_item("", nodes.paragraph("", "in")))
    outer = nodes.list_item("", nodes.paragraph("", "out"), inner)
    last = nodes.list_item("", nodes.paragraph("", "last"))
    assert twin(nodes.bullet_list("", outer, last)) == "- out\n  - in\n- last"


def test_a_node_that_nobody_knows_is_an_error():
    with pytest.raises(ExtensionError, match="page: no Markdown for the node system_message"):
        twin(nodes.system_message())


# ---------------------------------------------------------------- llms.txt
def test_llms_txt_lists_every_page_with_its_description(url):
    title, quote, *rest = read("llms.txt").split("\n\n")
    assert title == "# layerref"
    assert quote.startswith("> A reference of neural-network layers")
    parts = [block for block in rest if block.startswith("## ")]
    assert parts == ["## Learn", "## Look up", "## Look", "## About"]
    lists = [block for block in rest if block.startswith("- ")]
    assert len(lists) == len(parts)
    lines = [line for block in lists for line in block.strip().splitlines()]
    entries = [LLMS_LINE.fullmatch(line).groups() for line in lines]
    assert sorted(link for _, link, _ in entries) == sorted(
        f"{url}{page}.md" for page in PAGES if page != "index"
    )
    for title, link, _ in entries:
        page = link.removeprefix(url).removesuffix(".md")
        assert json.dumps(title, ensure_ascii=False) in read(f"{page}.md").splitlines()[1]
    for name in re.findall(rf"\({re.escape(url)}(\S+)\)", rest[0]):
        assert (HTML / name).exists(), "what the introduction names is there"


def test_the_full_text_is_all_twins():
    full = read("llms-full.txt")
    assert [page for page in PAGES if read(f"{page}.md") not in full] == []


# ---------------------------------------------------------------- tags, sitemap, one address
@pytest.mark.parametrize("page", ALL)
def test_every_page_describes_itself(page, url):
    head = head_of(page)
    said = {m["property"]: m["content"] for m in head.find_all("meta", property=True)}
    assert said["og:url"] == f"{url}{page}.html"
    assert said["og:site_name"] == "layerref"
    assert said["og:type"] == "website"
    assert said["og:title"] in unescape(head.title.get_text())
    (description,) = head.find_all("meta", attrs={"name": "description"})
    assert description["content"] == said["og:description"]
    assert 20 < len(said["og:description"]) <= 200
    assert (HTML / said["og:image"].removeprefix(url)).exists()
    assert said["og:image:alt"]
    assert head.find("link", rel="canonical")["href"] == f"{url}{page}.html"


@pytest.mark.parametrize("page", PAGES)
def test_page_leads_to_its_source(page):
    for link, action in (("view", "blob"), ("edit", "edit")):
        address = urlsplit(soup(page).select_one(f".{link}-this-page a")["href"])
        where, _, path = address.path.partition(f"/{action}/main/")
        assert where == "/layerref/layerref"
        assert not path.startswith("docs/auto_gallery"), "made by the build, not in the repository"
        assert (ROOT / path).is_file(), path


def test_descriptions_tell_pages_apart():
    said = {}
    for page in ALL:
        text = head_of(page).find("meta", attrs={"name": "description"})["content"]
        said.setdefault(text, []).append(page)
    assert [pages for pages in said.values() if len(pages) > 1] == []


def test_sitemap_lists_every_page(url):
    assert re.findall("<loc>(.*?)</loc>", read("sitemap.xml")) == [f"{url}{p}.html" for p in PAGES]


CONF = f"""
import os, sys
sys.path.insert(0, {str(DOCS / "_ext")!r})
project, version, html_theme = "mini", "1", "furo"
extensions = ["myst_parser", "notfound.extension", "for_machines", "markdown_twins", "offline_zip"]
html_baseurl = os.environ["LAYERREF_URL"]
notfound_urls_prefix = "/some/where/"
"""
MINI = {
    "conf.py": CONF,
    "index.md": "# Mini\n\nA site.\n\n```{offline}\n```\n\n```{toctree}\n:caption: Part\nsub/a\nb\n"
    "```\n",
    "sub/a.md": "---\ndescription: Said in front.\n---\n# A\n\nText, and {doc}`/b`.\n",
    "b.md": "# B\n\nThe first paragraph.\n\nThe second.\n",
}


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """A miniature site at another address, one page of which was built again."""
    docs = tmp_path_factory.mktemp("mini") / "docs"
    for name, text in MINI.items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(text)
    out = docs.parent / "html"
    for _ in range(2):
        command = ["sphinx", "-q", "-W", "-b", "html", str(docs), str(out)]
        environment = os.environ | {"LAYERREF_URL": "https://example.org/some/where/"}
        subprocess.run([sys.executable, "-m", *command], check=True, env=environment)
        (docs / "b.md").write_text(MINI["b.md"] + "\nThe third.\n")
    return out


def test_all_addresses_follow_the_one_variable(mini):
    here = "https://example.org/some/where/"
    pages = ["b", "index", "sub/a"]
    for page in pages:
        assert canonical(page, mini) == f"{here}{page}.html"
        head = head_of(page, mini)
        assert head.find("meta", property="og:url")["content"] == f"{here}{page}.html"
        assert head.find("meta", property="og:image")["content"].startswith(here)
        assert f"url: {here}{page}.html\n" in (mini / f"{page}.md").read_text()
    sitemap = (mini / "sitemap.xml").read_text()
    assert re.findall("<loc>(.*?)</loc>", sitemap) == [f"{here}{p}.html" for p in pages]
    llms = (mini / "llms.txt").read_text()
    assert f"## Part\n\n- [A]({here}sub/a.md): Said in front.\n" in llms
    assert f"- [B]({here}b.md): The first paragraph.\n" in llms
    assert "The third." in (mini / "llms-full.txt").read_text()
    assert not [p for p in mini.rglob("*.*ml") if "layerref.github.io" in p.read_text()]
    assert "Text, and [B](../b.md)." in (mini / "sub" / "a.md").read_text()


CONF_ASKS = """
import json, os, runpy, sys
tags = type("Tags", (), {"has": lambda self, name: False})()
for given in json.load(sys.stdin):
    os.environ |= given
    conf = runpy.run_path(sys.argv[1], {"tags": tags})
    print(json.dumps([conf["html_baseurl"], conf["notfound_urls_prefix"]]))
    for name in given:
        del os.environ[name]
"""


def test_where_the_variable_comes_from():
    """LAYERREF_URL, else what Read the Docs sets, else the project's pages."""
    mine, theirs = "https://example.org/mine", "https://example.org/en/stable/"
    given = [
        {},
        {"READTHEDOCS_CANONICAL_URL": theirs},
        {"READTHEDOCS_CANONICAL_URL": theirs, "LAYERREF_URL": mine},
    ]
    clean = {k: v for k, v in os.environ.items() if k not in given[-1]}
    done = subprocess.run(
        [sys.executable, "-c", CONF_ASKS, str(DOCS / "conf.py")],
        input=json.dumps(given), capture_output=True, text=True, check=True, env=clean,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [
        ["https://layerref.github.io/layerref/stable/", "/layerref/stable/"],
        [theirs, "/en/stable/"],
        [f"{mine}/", "/mine/"],
    ]
    assert f'"{answers[0][0]}"' in (DOCS / "linking.md").read_text()


# ---------------------------------------------------------------- how to link to us
LINKING = (DOCS / "linking.md").read_text(encoding="utf-8")


def test_what_the_page_says_to_write_links_to_this_site(tmp_path):
    """A Sphinx site with the settings and the lines of the page, against our inventory."""
    (settings,) = re.findall(r"```python\n(.*?)```", LINKING, re.S)
    (rst,) = re.findall(r"```rst\n(.*?)```", LINKING, re.S)
    (md,) = re.findall(r"```md\n(.*?)```", LINKING, re.S)
    assert settings.count("None") == 1
    conf = settings.replace("None", repr(str(HTML / "objects.inv")))
    conf += "extensions += ['myst_parser']\nhtml_theme = 'basic'\n"
    (tmp_path / "conf.py").write_text(
        f"{conf}extensions += ['myst_parser']\nhtml_theme = 'basic'\n"
    )
    (tmp_path / "index.rst").write_text(f"Test\n====\n\n{rst}\n.. toctree::\n\n   md\n")
    (tmp_path / "md.md").write_text(f"# Test\n\n{md}")
    out = tmp_path / "out"
    command = ["sphinx", "-q", "-n", "-W", "-b", "html", str(tmp_path), str(out)]
    subprocess.run([sys.executable, "-m", *command], check=True)
    base = "https://layerref.github.io/layerref/stable/"
    for page, lines in (("index", rst), ("md", md)):
        links = [a["href"] for a in soup(page, out).select("a.external")]
        links = [link for link in links if link.startswith(base)]
        assert len(links) == len(re.findall(r":`|\}`", lines))
        for link in links:
            path, _, place = link.removeprefix(base).partition("#")
            assert not place or soup(path.removesuffix(".html")).find(id=place), link


def test_permalinks_of_the_page_are_places():
    addresses = re.findall(r"\| `(\S+\.html\S*)` \|", LINKING)
    assert len(addresses) == 5
    for address in addresses:
        path, _, place = address.partition("#")
        assert not place or soup(path.removesuffix(".html")).find(id=place), address


def test_files_that_the_page_names_are_there():
    for name in re.findall(r'<a href="(.*?)">', LINKING):
        assert (HTML / name).exists(), name


def test_inventory_holds_every_public_name(url):
    import layerref

    inventory = InventoryFile.loads((HTML / "objects.inv").read_bytes(), uri=url)
    known = {
        name.rpartition(".")[2]
        for role in ("py:class", "py:function")
        for name in inventory.data[role]
    }
    assert set(layerref.__all__) <= known
    item = inventory["py:class", "layerref.LayerNorm"]
    assert urljoin(url, item.uri) == f"{url}reference/layer-norm.html#layerref.LayerNorm"
