"""Load on each page what it uses and no more, scripts after the text, pictures at their size."""

import logging
import re
from base64 import b64encode
from io import BytesIO
from pathlib import Path

from fontTools.subset import Options, Subsetter, load_font, save_font
from sphinx.util.images import get_image_size

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table

#: what in a page's text needs the style sheets and scripts whose names start so
NEEDED_FOR = {
    "mystnb.": 'class="cell',
    "sphinx-design.": 'class="sd-',
    "design-tabs.": "sd-tab-set",
    "sg_gallery.": "sphx-glr",
    "sg_gallery-binder.": "binder-badge",
    "sg_gallery-dataframe.": "dataframe",
    "sg_gallery-rendered-html.": "rendered_html",
    "sg-tags.": "data-sgtags",
    "katex": 'class="katex',
    "copybutton": 'class="highlight',
    "clipboard.": 'class="highlight',
}
#: the fonts of nearly every formula, and those of its brackets: file, and how a script asks for it
INLINED = {
    "KaTeX_Main-Regular": "1em KaTeX_Main",
    "KaTeX_Math-Italic": "italic 1em KaTeX_Math",
    **{f"KaTeX_Size{n}-Regular": f"1em KaTeX_Size{n}" for n in (1, 2, 3, 4)},
}
IMAGE = re.compile(r"<img\b([^>]*?)\s*/?>")
SOURCE = re.compile(r'\bsrc="[^"]*_images/([^"/]+)"')


def is_used(asset, body):
    """Tell whether a page needs a style sheet or a script."""
    name = Path(str(asset.filename or "")).name
    return all(mark in body for start, mark in NEEDED_FOR.items() if name.startswith(start))


def sized(tag, first, folder, origin):
    """Return an image's tag with its size; all but the first load when they come into view."""
    attributes = tag[1]
    source = SOURCE.search(attributes)
    if source and " width=" not in attributes:
        # pictures are copied when the build ends, those of the gallery as they are met
        path = origin.get(source[1], folder / source[1])
        width, height = get_image_size(path)
        attributes += f' width="{width}" height="{height}"'
    if not first and " loading=" not in attributes:
        attributes += ' loading="lazy"'
    return f"<img{attributes} />"


def lighten(app, pagename, templatename, context, doctree):
    """Take away what the page does not use, defer the scripts, give the pictures their sizes."""
    body = context.get("body", "")
    for files in ("css_files", "script_files"):
        context[files] = [one for one in context[files] if is_used(one, body)]
    context["formula_fonts"] = list(INLINED.values()) if NEEDED_FOR["katex"] in body else []
    for script in context["script_files"]:
        if script.filename:
            script.attributes.setdefault("defer", "defer")
    builder = app.builder
    folder = Path(builder.outdir, builder.imagedir)
    origin = {name: Path(app.srcdir, source) for source, name in builder.images.items()}
    seen = iter([True])
    context["body"] = IMAGE.sub(lambda tag: sized(tag, next(seen, False), folder, origin), body)


def smaller(path, text):
    """Return a font with nothing but the letters of a text."""
    options, small = Options(flavor="woff2"), BytesIO()
    font = load_font(path, options)
    subsetter = Subsetter(options)
    subsetter.populate(text=text)
    subsetter.subset(font)
    save_font(font, small, options)
    return small.getvalue()


def inline_fonts(app, exception):
    """Put the letters of formulas into the style sheet: a line breaks once, at its true width."""
    if exception or app.builder.format != "html":
        return
    pages = Path(app.outdir).rglob("*.html")
    used = set().union(*(page.read_text(encoding="utf-8") for page in pages))
    sheet = Path(app.outdir, "_static", "katex", "katex.min.css")
    css = sheet.read_text()
    for name in INLINED:
        url = f"fonts/{name}.woff2"
        font = b64encode(smaller(sheet.parent / url, "".join(sorted(used)))).decode()
        css = css.replace(f"url({url})", f"url(data:font/woff2;base64,{font})")
    sheet.write_text(css)


def setup(app):
    """Come after all that add style sheets and scripts to a page."""
    app.connect("html-page-context", lighten, priority=900)
    app.connect("build-finished", inline_fonts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
