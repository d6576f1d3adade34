"""What programs read of the site: descriptions, Open Graph data, the sitemap and llms.txt.

The address of the site is ``html_baseurl`` of conf.py, and nothing else: canonical links, og:url,
the sitemap and llms.txt follow it.
"""

import textwrap
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

#: title and description of the pages that have no source
WITHOUT_SOURCE = {
    "404": ("Page not found", "There is no such page of layerref."),
    "genindex": ("Index", "Every name that layerref documents, from A to Z."),
    "search": ("Search", "Search the pages of layerref; the search runs in your browser."),
}
PICTURE = "_static/readme.png"
PICTURE_SAYS = "Which cells share a mean in each normalisation: small grids of numbers and colours."


def note_description(app, doctree):
    """Describe a page that brings no description of its own by its first paragraph."""
    section = next(doctree.findall(nodes.section), None)
    paragraphs = section.findall(nodes.paragraph) if section else ()
    text = next((p.astext() for p in paragraphs), "")
    short = textwrap.shorten(text, 200, placeholder=" …")
    app.env.metadata[app.env.docname].setdefault("description", short)


def add_tags(app, pagename, templatename, context, doctree):
    """Put the description and the Open Graph data of a page into its head."""
    if pagename in WITHOUT_SOURCE:
        title, description = WITHOUT_SOURCE[pagename]
    else:
        title = app.env.titles[pagename].astext()
        description = app.env.metadata[pagename]["description"]
    tags = {
        "og:title": title,
        "og:type": "website",
        "og:url": context["pageurl"],
        "og:site_name": app.config.project,
        "og:description": description,
        "og:image": app.config.html_baseurl + PICTURE,
        "og:image:alt": PICTURE_SAYS,
    }
    lines = [f'<meta name="description" content="{escape(description)}">']
    lines += [f'<meta property="{p}" content="{escape(c)}">' for p, c in tags.items()]
    lines += ['<meta name="twitter:card" content="summary">']
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])


def sections(env):
    """Yield (caption, pages in reading order) for each part of the sidebar."""
    seen = set()

    def below(page):
        if page not in seen:
            seen.add(page)
            yield page
            for child in env.toctree_includes.get(page, ()):
                yield from below(child)

    for toctree in env.get_doctree(env.config.root_doc).findall(addnodes.toctree):
        pages = [page for _, page in toctree["entries"] if page in env.found_docs]
        yield toctree["caption"], [page for start in pages for page in below(start)]


LLMS = """\
# {project}

> {description}

Every page is also Markdown, under its own address with `.md` in place of `.html`. \
The links below lead there; [one file]({url}llms-full.txt) has all pages. What the tables say \
about each layer is also [JSON]({url}layers.json). Start: [{project}]({url}{root}.md).
"""


def write_files(app, exception):
    """Write the sitemap, llms.txt and llms-full.txt, from all pages, also those built earlier."""
    if exception or app.builder.name != "html":
        return
    env, root, url = app.env, app.config.root_doc, app.config.html_baseurl
    parts = dict(sections(env))
    order = [root, *(page for pages in parts.values() for page in pages)]

    def describe(page):
        description = env.metadata[page]["description"]
        return f"- [{env.titles[page].astext()}]({url}{page}.md): {description}"

    head = LLMS.format(
        project=app.config.project,
        description=env.metadata[root]["description"],
        url=url,
        root=root,
    )
    lists = [
        f"## {part}\n\n" + "\n".join(map(describe, pages)) + "\n" for part, pages in parts.items()
    ]
    twins = [Path(app.outdir, f"{page}.md").read_text(encoding="utf-8") for page in order]
    places = [f"  <url><loc>{escape(url + page)}.html</loc></url>\n" for page in sorted(order)]
    sitemap = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{''.join(places)}</urlset>\n"
    )
    for name, text in {
        "llms.txt": "\n".join([head, *lists]),
        "llms-full.txt": "\n".join(twins),
        "sitemap.xml": sitemap,
    }.items():
        Path(app.outdir, name).write_text(text, encoding="utf-8")


def setup(app):
    """Note descriptions when pages are read, and use them when pages are written."""
    app.connect("doctree-read", note_description)
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
