"""Throw away executed examples and notebooks when the package that they import has changed.

sphinx-gallery and myst-nb look at the script alone, so that a change in src would leave old
figures and numbers on the site in silence.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

import layerref

EXECUTED_WITH = ("torch", "numpy", "matplotlib", "sphinx-gallery", "myst-nb")


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


def forget_stale_gallery(app, config):
    """Have sphinx-gallery run every script again when the package changed."""
    marker = Path(app.srcdir, "auto_gallery", ".digest")
    if marker.exists() and marker.read_text() == digest():
        return
    for md5 in marker.parent.rglob("*.md5"):
        md5.unlink()
    marker.parent.mkdir(exist_ok=True)
    marker.write_text(digest())


def made_already(app, output):
    """Tell whether an earlier build left ``output``, made by the same package, pages and code."""
    now = hashlib.sha256(digest().encode())
    for path in sorted([*Path(__file__).parent.glob("*.py"), *Path(app.srcdir).glob("*/*.md")]):
        now.update(path.read_bytes())
    marker = Path(app.doctreedir, output.replace("/", "-") + ".digest")
    known = marker.exists() and marker.read_text() == now.hexdigest()
    marker.write_text(now.hexdigest())
    return known and Path(app.outdir, output).exists()


def setup(app):
    """Run before sphinx-gallery looks at its scripts."""
    app.connect("config-inited", forget_stale_gallery, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
