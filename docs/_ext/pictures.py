"""Show the gallery on a reference page: its picture, and the examples that use its layers."""

import re
from pathlib import Path

from sphinx.util.docutils import SphinxDirective


class Picture(SphinxDirective):
    """``{picture} family/plot_name``: the first figure of a gallery script, linked to its page."""

    required_arguments = 1

    def run(self):
        """Return the image and a line that names the question it answers."""
        if self.env.app.tags.has("doctest"):
            return []
        family, name = self.arguments[0].split("/")
        image = f"auto_gallery/{family}/images/sphx_glr_{name}_001.svg"
        svg = Path(self.env.srcdir, image)
        self.env.note_dependency(str(svg))
        alt = re.search(r"<title>(.*?)</title>", svg.read_text(), re.S)[1]
        page = f"auto_gallery/{family}/{name}"
        return self.parse_text_to_nodes(
            f"```{{image}} /{image}\n:alt: {' '.join(alt.split())}\n"
            f":target: ../{page}.html\n:loading: lazy\n```\n\n{{doc}}`/{page}`\n"
        )


class Examples(SphinxDirective):
    """``{examples} A B``: the gallery scripts that use one of these names."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        """Return sphinx-gallery's mini-gallery of the names that occur in a script."""
        if self.env.app.tags.has("doctest"):
            return []
        folder = Path(self.env.srcdir, "auto_gallery", "backreferences")
        names = [f"layerref.{name}" for name in self.arguments[0].split()]
        used = [n for n in names if (folder / f"{n}.examples").stat().st_size]
        listed = " ".join(used)
        return self.parse_text_to_nodes(f"```{{eval-rst}}\n.. minigallery:: {listed}\n```\n")


def setup(app):
    """Register both directives."""
    app.add_directive("picture", Picture)
    app.add_directive("examples", Examples)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
