"""SVG figures that follow the page's light or dark theme: black ink is currentColor, white is empty."""

import re
from pathlib import Path

import matplotlib as mpl
from sphinx_gallery.scrapers import matplotlib_scraper

# text stays text, so that it can be searched, read aloud and set in the page's font
RC = {"svg.hashsalt": "layerref", "svg.fonttype": "none", "font.family": "sans-serif"}
STYLE = (
    "<style>:root{color:#1f2328}@media(prefers-color-scheme:dark){:root{color:#d8dbe0}}</style>"
)
INK = [
    (r"<metadata>.*?</metadata>\s*", ""),
    (r"(fill|stroke): ?#000000", r"\1: currentColor"),
    (r"(fill|stroke): ?#ffffff", r"\1: none"),
    (r"stroke: ?#cccccc; ", "stroke: currentColor; stroke-opacity: .3; "),
    (r"stroke: ?#b0b0b0; ", "stroke: currentColor; stroke-opacity: .5; "),
    # matplotlib leaves black text without a fill
    (r'(<text\b[^>]*style=")(?![^"]*fill:)', r"\1fill: currentColor; "),
]


def themed(svg):
    """Return an SVG drawn by matplotlib with ink that follows the theme."""
    if "currentColor" in svg:
        return svg
    for pattern, ink in INK:
        svg = re.sub(pattern, ink, svg, flags=re.S)
    return svg.replace("<defs>", STYLE + "<defs>", 1)


class SvgScraper:
    """Save the figures of a gallery script as themed SVG."""

    def __repr__(self):
        return "SvgScraper"  # sphinx-gallery compares this between builds

    def __call__(self, block, block_vars, gallery_conf):
        paths = block_vars["image_path_iterator"].paths
        known = len(paths)
        with mpl.rc_context(RC):
            rst = matplotlib_scraper(
                block, block_vars, gallery_conf, format="svg", metadata={"Date": None}
            )
        for path in paths[known:]:
            svg = Path(path).with_suffix(".svg")
            if svg.exists():
                svg.write_text(themed(svg.read_text()))
        return rst


def theme_notebook_figures(app, exception):
    """Treat the figures that notebooks drew alike."""
    if exception is None and app.builder.format == "html":
        for path in Path(app.outdir, "_images").glob("*.svg"):
            path.write_text(themed(path.read_text()))


def setup(app):
    """Theme the notebooks' figures when the build ends."""
    app.connect("build-finished", theme_notebook_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
