"""Have every build write the same bytes: today or tomorrow, from nothing or from the last one."""

import zipfile
from pathlib import Path

from myst_nb.sphinx_ext import add_global_html_resources

FIRST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold


def write_zip(path, contents):
    """Write files into a zip, in their order, all of the same date and readable for everybody."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, FIRST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)


def fix_dates(path):
    """Give every file in a zip the same date, and sort them by name."""
    with zipfile.ZipFile(path) as archive:
        if all(info.date_time == FIRST for info in archive.infolist()):
            return
        contents = {name: archive.read(name) for name in sorted(archive.namelist())}
    write_zip(path, contents)


def fix_gallery(app):
    """Treat the downloads that sphinx-gallery has just written, before pages link to them."""
    for path in Path(app.srcdir, "auto_gallery").rglob("*.zip"):
        fix_dates(path)


def bring_notebook_style(app):
    """Copy myst-nb's style sheet before the pages, not after.

    Sphinx puts the checksum of a file into its link, if the file is there: a first build would
    write other links than a second.
    """
    Path(app.outdir, "_static").mkdir(parents=True, exist_ok=True)
    add_global_html_resources(app, None)


def setup(app):
    """Run after sphinx-gallery and before any page is written."""
    app.connect("builder-inited", fix_gallery, priority=900)
    app.connect("builder-inited", bring_notebook_style, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
