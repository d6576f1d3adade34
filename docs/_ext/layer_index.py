"""All layers at once: the table of the finder, and layers.json, the twin for machines."""

import json
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from fresh_outputs import make_output
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

import layerref
from layerref.rules import LAYERS, example, formula, latex, state_keys, trace
from layerref.rules.record import REQUIRED

WORDS = {
    "channels": {"C", "K"},
    "features": {"H_in", "E", "E_v"},
    "size": {"L", "D", "H", "W"},
    "axes": {"*"},
}
DIRECTIVE = re.compile(r"^```\{layer\} (.+)$", re.MULTILINE)


def changes(rule):
    """Say in words what a layer may change."""
    if rule.name == "Embedding":
        return ["axes"]
    return [word for word, letters in WORDS.items() if letters & set(rule.changes)] or ["nothing"]


def built_example(name):
    """Build the layer of a rule's example, and random inputs for it."""
    import torch

    shape, kwargs = example(name)
    kwargs = dict(kwargs)
    for key, part in (("encoder_layer", "Encoder"), ("decoder_layer", "Decoder")):
        if key in kwargs:
            kwargs[key] = getattr(layerref, f"Transformer{part}Layer")(**kwargs[key])
    shapes = shape if isinstance(shape[0], tuple) else (shape,)
    if name == "Embedding":
        inputs = [torch.randint(kwargs["num_embeddings"], shapes[0])]
    else:
        inputs = [torch.randn(s, dtype=torch.float64) for s in shapes]
    return getattr(layerref, name)(**kwargs).eval().double(), inputs


@cache
def blind_to_order(name):
    """Ask the layer itself: swap tokens of the input; does the output swap the same and no more?

    A token is an index of the axis L, of the last spatial axis, or of the first axis if there is
    neither.
    """
    import torch

    main = 1 if name == "Transformer" else 0  # the sequence that the output follows
    layout = LAYERS[name].layouts[0].split(", ")[main].split()
    axis = layout.index(next(letter for letter in "LWN" if letter in layout))

    def answer():
        torch.manual_seed(1)  # for the layers that are random in eval, too
        y = layer(*inputs)
        return y[0] if isinstance(y, tuple) else y

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        layer, inputs = built_example(name)
        y = answer()
        order = torch.randperm(inputs[main].shape[axis])
        inputs[main] = inputs[main].index_select(axis, order)
        swapped = answer()
    if y.dim() <= axis or y.shape[axis] != len(order):
        return False
    return torch.allclose(y.index_select(axis, order), swapped)


def pages(srcdir):
    """Return the page of each layer, read off the directives in the sources."""
    found = {}
    for path in sorted(Path(srcdir, "reference").glob("*.md")):
        for names in DIRECTIVE.findall(path.read_text(encoding="utf-8")):
            found |= dict.fromkeys(names.split(), f"reference/{path.stem}")
    return found


def how(rule):
    """Say by which candidates the browser searches for settings."""
    if rule.candidates is None or rule.family in ("linear", "recurrent"):
        return "plain"
    return rule.candidates.__name__.removesuffix("_candidates")


def properties(rule):
    """Return what the filters of the finder ask for."""
    return {
        "changes": changes(rule),
        "learns": trace(rule.name, letters=True).parameters != 0,
        "mode": rule.mode,
        "blind_to_order": blind_to_order(rule.name),
    }


# ---------------------------------------------------------------- the finder
HEADS = ("Layer", "Changes", "Parameters", "Train, eval", "Blind to order")
FINDER = """\
<div class="layer-finder" data-layers='{data}'>
<noscript><p>The search needs JavaScript; the table below answers without it.</p></noscript>
</div>"""


class Finder(SphinxDirective):
    """``{finder}``: the search, and the table of all layers, which stands without JavaScript."""

    def run(self):
        if self.env.app.builder.format != "html":
            return []
        self.env.metadata[self.env.docname]["finder"] = "yes"
        self.env.note_dependency(__file__)
        where = pages(self.env.srcdir)
        for path in Path(layerref.__file__).parent.rglob("*.py"):
            self.env.note_dependency(str(path))
        group = nodes.tgroup(cols=len(HEADS))
        group += [nodes.colspec(colwidth=20) for _ in HEADS]
        group += nodes.thead("", row([nodes.Text(head) for head in HEADS]))
        body = nodes.tbody()
        for rule in LAYERS.values():
            if rule.name in where:
                body += row([link(rule.name, where[rule.name]), *map(nodes.Text, said(rule))])
        group += body
        data = {
            name: {"how": how(rule), "layouts": [one.split(", ")[0] for one in rule.layouts]}
            for name, rule in LAYERS.items()
        }
        html = FINDER.format(data=json.dumps(data, separators=(",", ":")))
        return [
            nodes.raw("", html, format="html"),
            nodes.table("", group, classes=["all-layers"]),
        ]


def said(rule):
    """Say the properties in words, one for each column."""
    known = properties(rule)
    return (
        ", ".join(known["changes"]),
        "yes" if known["learns"] else "no",
        known["mode"],
        "yes" if known["blind_to_order"] else "no",
    )


def row(cells):
    """Build a row of the table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def link(name, page):
    """Link a layer to its page."""
    return addnodes.pending_xref(
        "",
        nodes.literal(name, name),
        refdomain="std",
        reftype="doc",
        reftarget=f"/{page}",
        refexplicit=True,
        refwarn=True,
    )


# ---------------------------------------------------------------- the twin for machines
def plain(value):
    """Return a value that JSON can hold."""
    if value is REQUIRED or isinstance(value, (int, float, str, bool, type(None))):
        return value
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value]


def in_three(expression):
    """Return an expression as SymPy writes it, as LaTeX and as JavaScript."""
    import sympy

    if isinstance(expression, tuple):
        return [in_three(one) for one in expression]
    if isinstance(expression, int):
        expression = sympy.Integer(expression)
    return {
        "text": str(expression),
        "latex": latex(expression),
        "javascript": sympy.jscode(expression),
    }


def described(rule, page):
    """Return all that is known about a layer."""
    t = trace(rule.name, letters=True)
    parameters = [
        {
            "name": p.name,
            "kind": p.kind,
            "letter": p.letter or None,
            "required": p.default is REQUIRED,
            "default": None if p.default is REQUIRED else plain(p.default),
            "choices": list(p.choices),
            "of": "forward" if p in rule.forward else "constructor",
        }
        for p in (*rule.parameters, *rule.forward)
    ]
    shape, kwargs = example(rule.name)
    return {
        "name": rule.name,
        "family": rule.family,
        "page": f"{page}.html" if page else None,
        "layouts": list(rule.layouts),
        "parameters": parameters,
        **properties(rule),
        "mode_note": rule.mode_note,
        "state_dict": list(state_keys(rule.name)),
        "axis": in_three(formula(rule.name, "size")) if rule.axis is not None else None,
        "output": in_three(t.output),
        "parameter_count": in_three(t.parameters),
        "flops": in_three(t.flops),
        "needs": [
            {
                "holds": str(n.holds),
                "text": n.text,
                "values": {k: str(v) for k, v in n.values.items()},
            }
            for n in t.needs
        ],
        "example": {"input": plain(shape), "settings": plain(kwargs)},
    }


def index(srcdir):
    """Return the whole twin."""
    where = pages(srcdir)
    return {
        "layerref": layerref.__version__,
        "layers": [described(rule, where.get(rule.name)) for rule in LAYERS.values()],
    }


def write_index(app, exception):
    """Write layers.json beside the pages."""
    if exception or app.builder.format != "html":
        return

    def write(path):
        text = json.dumps(index(app.srcdir), indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    make_output(app, "layers.json", write)


def add_scripts(app, pagename, templatename, context, doctree):
    """Load the finder where it is."""
    if "finder" in app.env.metadata.get(pagename, {}):
        app.add_js_file("rules.js", loading_method="defer")
        app.add_js_file("finder.js", loading_method="defer")
        app.add_css_file("calculator.css")


def setup(app):
    """Register the directive, its scripts and the file."""
    app.add_directive("finder", Finder)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
