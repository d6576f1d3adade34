"""Lay out the folder that any static host serves: `make site`.

The pages lie under stable/ and under the torch that they were checked with, so that the next torch
gets a folder beside them and no link breaks. The root only leads on.
"""

import json
import os
import shutil
from pathlib import Path

BUILD = Path(__file__).parent.parent / "_build"

# works without script; canonical is for search engines, the link for all else
LEAD_ON = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>layerref</title>
<meta http-equiv="refresh" content="0; url=stable/">
<link rel="canonical" href="{url}">
<p>The site is in <a href="stable/">stable</a>.</p>
</html>
"""


def lay_out(html, site, torch, url=None):
    """Write ``site`` anew from a build; ``url`` is where its stable/ will be, if that is known."""
    shutil.rmtree(site, ignore_errors=True)
    for version in ("stable", ".".join(torch.split(".")[:2])):
        # copies: hosts refuse links. Sphinx's notes on its own build are no page.
        shutil.copytree(html, site / version, ignore=shutil.ignore_patterns(".buildinfo*"))
    (site / "index.html").write_text(LEAD_ON.format(url=url or "stable/"))
    (site / ".nojekyll").touch()  # GitHub would leave out _static and _images
    sitemap = f"Sitemap: {url}sitemap.xml\n" if url and (html / "sitemap.xml").exists() else ""
    (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\n{sitemap}")
    if (html / "404.html").exists():  # hosts look for it at the root
        shutil.copy2(html / "404.html", site)


if __name__ == "__main__":
    checked_with = json.loads((BUILD / "doctest" / "record.json").read_text())["torch"]
    lay_out(BUILD / "html", BUILD / "site", checked_with, os.environ.get("LAYERREF_URL"))
