"""Put figures on the site as SVG that follow the page's theme, with their alt text."""

from pathlib import Path

import matplotlib.pyplot as plt
from sphinx_gallery.scrapers import figure_rst

from layerref import figures


class SvgScraper:
    """Save the figures of a gallery script as themed SVG; the alt text is the script's own."""

    def __repr__(self):
        return "SvgScraper"  # sphinx-gallery compares this between builds

    def __call__(self, block, block_vars, gallery_conf):
        paths = block_vars["image_path_iterator"]
        rst = []
        for number in plt.get_fignums():
            figure = plt.figure(number)
            path = Path(next(paths)).with_suffix(".svg")
            path.write_text(figures.svg(figure))
            alt = getattr(figure, "_layerref_alt", "")
            rst.append(figure_rst([str(path)], gallery_conf["src_dir"], fig_titles=alt))
        plt.close("all")
        return "\n".join(rst)


def theme_notebook_figures(app, exception):
    """Treat the figures that notebooks drew alike."""
    if exception is None and app.builder.format == "html":
        for path in Path(app.outdir, "_images").glob("*.svg"):
            svg = path.read_text()
            if "currentColor" not in svg:
                path.write_text(figures.themify(svg))


def setup(app):
    """Theme the notebooks' figures when the build ends."""
    app.connect("build-finished", theme_notebook_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
