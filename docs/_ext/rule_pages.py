"""The directive ``{layer} Conv1d Conv2d``: "At a glance" and "Try it" of a reference page.

Both are made from ``layerref.rules``: the table from formulas, the calculator from scripts that the
HTML builder writes to ``_static/rules``. Building doctests emits nothing and loads no SymPy.
"""

import inspect
import re
from itertools import groupby
from pathlib import Path

from docutils import nodes
from fresh_outputs import make_output
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import ensuredir

MODES = {
    "same": "Train and eval are the same",
    "differs": "Train and eval differ",
    "random": "Random in train and in eval",
}


# ---------------------------------------------------------------- what a cell says
# A line is a tuple of pieces: text, ("math", LaTeX) or ("code", text). A cell is a tuple of lines.
def math(text):
    return ("math", text)


COMMA = r",\, "


def tuple_latex(shape):
    """Typeset a shape, or nested tuples of shapes."""
    from layerref.rules import latex

    if isinstance(shape, tuple):
        return written(list(map(tuple_latex, shape)))
    return latex(shape)


def layout_latex(layout):
    """Typeset a layout such as ``N C_in H W``."""
    import sympy

    from layerref.rules import latex

    letters = ["*" if s == "*" else latex(sympy.Symbol(s)) for s in layout.split()]
    return written(letters)


def written(parts):
    """Write a tuple."""
    return f"({COMMA.join(parts)}{',' if len(parts) == 1 else ''})"


class Formulas:
    """The rules of one layer in the site's letters, the sizes of its axes named H_out and so on."""

    def __init__(self, rule):
        import sympy

        from layerref.rules import trace
        from layerref.rules.record import SPATIAL

        self.rule = rule
        self.trace = trace(rule.name, letters=True)
        letters = SPATIAL[rule.axes].split() if rule.axes else ["H", "W"]
        self.sizes = {}
        for letter in letters if rule.axis is not None else ():
            ending = f"_{letter}" if rule.axes > 1 else ""
            named = {"i": letter, "scale": f"r{ending}", "output_padding": f"p_out{ending}"}
            named |= {"p1": f"p_{letter}1", "p2": f"p_{letter}2"}
            arguments = {
                name: sympy.Symbol(
                    named.get(name, name + ending),
                    positive=True,
                    integer=None if name == "scale" else True,
                    **({"real": True} if name == "scale" else {}),
                )
                for name in inspect.signature(rule.axis).parameters
                if name != "ceil_mode"
            }
            size = rule.axis(**arguments)
            if not size.is_Symbol:
                self.sizes[size] = sympy.Symbol(f"{letter}_out", positive=True, integer=True)

    def named(self, expression):
        if isinstance(expression, tuple):
            return tuple(map(self.named, expression))
        return expression.subs(self.sizes) if hasattr(expression, "subs") else expression

    def inputs(self):
        from rule_scripts import input_names

        layouts = [layout.split(", ") for layout in self.rule.layouts]
        names = input_names(self.rule)
        if len(names) == 1:
            pieces = [math(layout_latex(one)) for (one,) in layouts if one != "*"]
            if len(pieces) < len(
                layouts
            ):  # the letters of one case say nothing, unless it has axes
                pieces = [*pieces[: self.rule.name[-1] == "d"], "any number of axes"]
            return (joined(pieces, " or "),)
        lines = []
        for layout in layouts:
            pieces = [f"{name} " for name in names]
            line = [
                x for n, p in enumerate(pieces) for x in (p, math(layout_latex(layout[n])), ", ")
            ]
            lines.append(tuple(line[:-1]))
        return tuple(lines)

    def output(self):
        if self.trace.output == self.trace.input:
            return (("as the input",),)
        return ((math(tuple_latex(self.named(self.trace.output))),),)

    def size(self):
        import sympy

        from layerref.rules import formula, latex

        rule = self.rule
        if rule.axis is None or not self.sizes:
            return ()
        known = inspect.signature(rule.axis).parameters
        own = {}
        if "scale" in known:
            own["scale"] = sympy.Symbol("r", positive=True)
        if "output_padding" in known:
            own["output_padding"] = sympy.Symbol("p_out", positive=True, integer=True)
        lines = [(math("o = " + latex(formula(rule.name, "size", **own))),)]
        if "ceil_mode" in known:
            text = latex(formula(rule.name, "size", ceil_mode=True))
            lines.append(("with ", ("code", "ceil_mode=True"), ": ", math("o = " + text)))
        return tuple(lines)

    def parameters(self):
        return self.number(self.trace.parameters, "none")

    def flops(self):
        return self.number(self.trace.flops, "0, it has no matrix product")

    def number(self, expression, zero):
        from layerref.rules import latex

        if expression == 0:
            return ((zero,),)
        text = latex(self.named(expression))
        if r"\frac" not in text:  # brackets that need not grow let a narrow screen break the line
            text = text.replace(r"\left(", "(").replace(r"\right)", ")")
        return ((math(text),),)

    def modes(self):
        note = self.rule.mode_note.replace("differs", "; they differ").replace("same", "; the same")
        return ((MODES[self.rule.mode] + note,),)

    def keys(self):
        from layerref.rules import state_keys

        keys = state_keys(self.rule.name)
        if not keys:
            return (("none",),)
        lines = []
        for start, group in groupby(keys, self.layer_before):
            if start:
                prefix, name = start
                lines.append((("code", f"{prefix}…"), f", each key of {name}"))
            else:
                lines.append(joined([("code", k) for k in group], " "))
        if self.rule.stacks:
            lines.append((f"and so on for {' and '.join(self.rule.stacks)} above 1",))
        return tuple(lines)

    def layer_before(self, key):
        """Return the start of a key that belongs to a repeated layer, and that layer's name."""
        prefix, found, _ = key.partition("layers.0.")
        part = "Decoder" if "decoder" in prefix or "Decoder" in self.rule.name else "Encoder"
        return (prefix + found, f"Transformer{part}Layer") if found else None

    def letters(self):
        from rule_scripts import fields_of

        known = [(p.letter, p.name) for p, _ in fields_of(self.rule) if p.letter]
        pieces = [(layout_latex(letter)[1:-2], name) for letter, name in known]
        line = [x for letter, name in pieces for x in (math(letter), " ", ("code", name), ", ")]
        return (tuple(line[:-1]),) if line else ()


def joined(pieces, separator):
    """Put a separator between pieces."""
    return tuple(x for piece in pieces for x in (piece, separator))[:-1]


ROWS = {
    "Input": Formulas.inputs,
    "Output": Formulas.output,
    "One axis, from i to o": Formulas.size,
    "Parameters": Formulas.parameters,
    "FLOPs": Formulas.flops,
    "Modes": Formulas.modes,
    "State dict": Formulas.keys,
    "Letters": Formulas.letters,
}


def base(name):
    """Return the name without the number of axes."""
    return re.sub(r"\dd", "", name)


def family(names):
    """Name layers that differ in the number of axes."""
    if len(names) == 1:
        return names[0]
    return base(names[0]) + "/".join(n.removeprefix(base(n)) or "" for n in names).strip("/")


def alike(rules):
    """Tell layers whose layouts differ in the spatial axes only."""
    return len({re.sub(r"\b(L|H W|D H W)\b", "…", str(r.layouts)) for r in rules}) == 1


def glance(names):
    """Return the rows of the table, (head, [(label, cell)]), and a note, or an empty text."""
    from layerref.rules import LAYERS

    rules = [LAYERS[name] for name in names]
    groups = [list(g) for _, g in groupby(rules, lambda r: base(r.name))]
    shown, notes = {}, []
    for group in groups:
        chosen = next((r for r in group if r.axes == 2), group[0])
        shown[family([r.name for r in group])] = (Formulas(chosen), group)
        if len({r.axes for r in group}) > 1 and alike(group):
            notes.append(chosen)
    rows = []
    for head, say in ROWS.items():
        cells = {}
        for label, (formulas, group) in shown.items():
            if head == "Input" and not alike(group):
                for r in group:
                    cells.setdefault(Formulas(r).inputs(), []).append(r.name)
            elif cell := say(formulas):
                cells.setdefault(cell, []).append(label)
        everywhere = len(cells) == 1 and sum(map(len, cells.values())) == len(shown)
        if cells:
            rows.append(
                (
                    head,
                    [("" if everywhere else ", ".join(who), cell) for cell, who in cells.items()],
                )
            )
    note = ""
    if notes:
        letters = {1: "L", 2: "H, W", 3: "D, H, W"}
        here = notes[0].axes
        others = sorted({r.axes for group in groups for r in group} - {here, 0})
        stand = " and ".join(f"{letters[n]} in {n}d" for n in others)
        note = f"Written for {letters[here]}; in their place stand {stand}." if others else ""
    return rows, note


# ---------------------------------------------------------------- nodes
def paragraph(label, line):
    """Turn a line into a paragraph."""
    node = nodes.paragraph()
    if label:
        node += [nodes.strong(label, label), nodes.Text(": ")]
    for piece in line:
        if isinstance(piece, str):
            node += nodes.Text(piece)
        elif piece[0] == "math":
            node += nodes.math(piece[1], piece[1])
        else:
            node += nodes.literal(piece[1], piece[1])
    return node


def table(rows):
    """Build the table: a head and a cell in each row."""
    group = nodes.tgroup(cols=2)
    group += [nodes.colspec(colwidth=20, stub=1), nodes.colspec(colwidth=80)]
    body = nodes.tbody()
    for head, cells in rows:
        entry = nodes.entry()
        for label, cell in cells:
            entry += [paragraph(label if n == 0 else "", line) for n, line in enumerate(cell)]
        body += nodes.row("", nodes.entry("", nodes.paragraph("", head)), entry)
    group += body
    return nodes.table("", group, classes=["at-a-glance"])


CALCULATOR = """\
<div class="layer-calculator{pictured}" style="--inputs: {inputs}; --fields: {fields}" \
data-layers="{layers}" data-start="{start}">
<noscript><p>The calculator needs JavaScript; the table above answers without it.</p></noscript>
</div>"""


def calculator(names, start):
    """Return the place of the calculator; the style sheet keeps free what it will fill."""
    import rule_scripts

    rule = rule_scripts.LAYERS[start]
    return CALCULATOR.format(
        layers=" ".join(names),
        start=start,
        inputs=len(rule_scripts.input_names(rule)),
        fields=len(list(rule_scripts.fields_of(rule))),
        pictured=" pictured" if rule_scripts.picture(rule) else "",
    )


class Layer(SphinxDirective):
    """``{layer} Conv1d Conv2d Conv3d``: what these layers cost, as a table and as a calculator."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        if self.env.app.builder.format != "html":
            return []
        from layerref import rules

        names = self.arguments[0].split()
        unknown = [name for name in names if name not in rules.LAYERS]
        if unknown:
            raise self.error(f"no rule for {', '.join(unknown)}")
        for path in Path(rules.__file__).parent.glob("*.py"):
            self.env.note_dependency(str(path))
        self.env.metadata[self.env.docname]["layers"] = " ".join(names)
        rows, note = glance(names)
        content = [table(rows)] + ([nodes.paragraph("", note)] if note else [])
        start = next((n for n in names if rules.LAYERS[n].axes == 2), names[0])
        html = calculator(names, start)
        return [
            self.section("At a glance", *content),
            self.section("Try it", nodes.raw("", html, format="html")),
        ]

    def section(self, title, *content):
        """Make a section that the table of contents lists."""
        node = nodes.section("", nodes.title(title, title), *content)
        node["names"].append(nodes.fully_normalize_name(title))
        self.state.document.note_implicit_target(node, node)
        self.set_source_info(node)
        return node


# ---------------------------------------------------------------- files
def add_scripts(app, pagename, templatename, context, doctree):
    """Load the calculator where there is one."""
    if "layers" in app.env.metadata.get(pagename, {}):
        app.add_js_file("rules.js", loading_method="defer")
        app.add_js_file("calculator.js", loading_method="defer")
        app.add_css_file("calculator.css")


def write_scripts(app, exception):
    """Write the rules that the browser evaluates, a file for each layer."""
    if exception or app.builder.format != "html":
        return

    def write(folder):
        import rule_scripts

        ensuredir(folder)
        for name in rule_scripts.LAYERS:
            (folder / f"{name}.js").write_text(rule_scripts.script(name), encoding="utf-8")

    make_output(app, "_static/rules", write)


def setup(app):
    """Register the directive and what its pages load."""
    app.add_directive("layer", Layer)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
