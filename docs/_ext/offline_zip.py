"""Pack the site into a zip for reading it from disk, and offer the zip on the landing page."""

import hashlib
import re
from pathlib import Path

from docutils import nodes
from fresh_outputs import make_once
from same_bytes import write_zip
from sphinx.util.docutils import SphinxDirective

#: what a reader of files from disk has no use for; only a host answers with the 404 page
LEFT_OUT = re.compile(
    r"_sources|\.buildinfo.*|404\.html|sitemap\.xml|llms-full\.txt|layerref-.*\.zip"
)
OPTIONS = "_static/documentation_options.js"
OFFER = re.compile(r'<p class="offline">.*?</p>', re.DOTALL)
THIS_COPY = '<p class="offline">This is a copy of layerref {version} for reading offline; '
THIS_COPY += 'the site is at <a href="{url}">{url}</a>.</p>'


def name(config):
    """Name the file after the version that it holds."""
    return f"layerref-{config.version}.zip"


def is_packed(top):
    """Tell the files and folders of the site that an offline reader needs."""
    return not LEFT_OUT.fullmatch(top)


class Offline(SphinxDirective):
    """``{offline}``: the line that offers the zip."""

    def run(self):
        link = nodes.reference("", "download the site", refuri=name(self.config))
        words = nodes.Text("Read it offline: "), link, nodes.Text(" as a zip.")
        return [nodes.paragraph("", "", *words, classes=["offline"])]


def pack(app, exception):
    """Write the zip, the same bytes for the same site, and its size into the offer."""
    if exception or app.builder.name != "html":
        return
    out, target = Path(app.outdir), Path(app.outdir, name(app.config))
    page = Path(out, f"{app.config.root_doc}.html")
    text = page.read_text(encoding="utf-8")
    copy = THIS_COPY.format(version=app.config.version, url=app.config.html_baseurl)
    files = {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and is_packed(path.relative_to(out).parts[0])
    }
    files[page.name] = OFFER.sub(copy, text).encode()
    # from disk, a browser lets the search read its index, and refuses it the pages
    shown, hidden = b"SHOW_SEARCH_SUMMARY: true", b"SHOW_SEARCH_SUMMARY: false"
    files[OPTIONS] = files[OPTIONS].replace(shown, hidden)
    digest = hashlib.sha256()
    for path, content in files.items():
        digest.update(path.encode() + hashlib.sha256(content).digest())

    def write(target):
        for old in out.glob("layerref-*.zip"):
            old.unlink()
        write_zip(target, {f"{target.stem}/{path}": content for path, content in files.items()})

    make_once(app, target.name, digest.hexdigest(), write)
    size = f"{target.stat().st_size / 1e6:.0f} MB"
    offered = re.sub(r"</a> as a zip( of \d+ MB)?\.", f"</a> as a zip of {size}.", text)
    if offered != text:
        page.write_text(offered, encoding="utf-8")


def setup(app):
    """Pack when everything else has been written."""
    app.add_directive("offline", Offline)
    app.connect("build-finished", pack, priority=1000)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
