"""Throw away executed examples and notebooks when the package that they import has changed.

sphinx-gallery and myst-nb look at the script alone, so that a change in src would leave old
figures and numbers on the site in silence.
"""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import layerref

EXECUTED_WITH = ("torch", "numpy", "matplotlib", "sphinx-gallery", "myst-nb")


@cache
def digest():
    """Return a digest of the package's sources and of the libraries that execute with it."""
    result = hashlib.sha256(" ".join(map(version, EXECUTED_WITH)).encode())
    root = Path(layerref.__file__).parent
    for path in sorted(root.rglob("*.py")):
        result.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return result.hexdigest()[:16]


def notebook_cache(folder):
    """Return the folder of the notebook outputs that belong to the package as it is."""
    return str(folder / digest())


def when_changed(marker, now, work):
    """Do the work, unless ``marker`` says that it was done for ``now``; note it when it is done."""
    if marker.exists() and marker.read_text() == now:
        return
    work()
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(now)


def forget_stale_gallery(app, config):
    """Have sphinx-gallery run every script again when the package changed."""
    gallery = Path(app.srcdir, "auto_gallery")

    def forget():
        for md5 in gallery.rglob("*.md5"):
            md5.unlink()

    when_changed(gallery / ".digest", digest(), forget)


def make_once(app, output, now, make):
    """Call ``make(path)`` for an output, unless it is there and was made for ``now``."""
    target = Path(app.outdir, output)
    marker = Path(app.doctreedir, output.replace("/", "-") + ".digest")
    if not target.exists():
        marker.unlink(missing_ok=True)
    when_changed(marker, now, lambda: make(target))


def make_output(app, output, make):
    """Call ``make(path)`` for an output of the package, the pages and this folder's code."""
    now = hashlib.sha256(digest().encode())
    for path in sorted([*Path(__file__).parent.glob("*.py"), *Path(app.srcdir).glob("*/*.md")]):
        now.update(path.read_bytes())
    make_once(app, output, now.hexdigest(), make)


def setup(app):
    """Run before sphinx-gallery looks at its scripts."""
    app.connect("config-inited", forget_stale_gallery, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
