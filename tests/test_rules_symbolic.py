"""The rules with symbols give the numbers of the rules with ints, in Python and JavaScript."""

import json
import subprocess
from pathlib import Path

import playwright
import pytest
import sympy
from rules_draws import DRAWS
from test_rules_shapes import asked, draws
from torch.utils._pytree import tree_flatten, tree_map

from layerref import flops, output_shape, parameter_count
from layerref.rules import LAYERS, example, formula, javascript, latex, trace
from layerref.rules.reading import is_shape, read_settings
from layerref.rules.symbolic import NUMERIC

NODE = Path(playwright.__file__).parent / "driver" / "node"  # the one that drives the browser


def symbolic_question(name, shape, kwargs, forward):
    """Replace the numbers of a question by symbols; return the trace and the symbols' values."""
    rule = LAYERS[name]
    leaves, spec = tree_flatten(shape)
    symbols = sympy.symbols([f"x{n}" for n in range(len(leaves))], integer=True)
    fixed, values = {}, dict(zip(symbols, leaves, strict=True))
    settings = read_settings(rule, {**kwargs, **forward})
    for p in (*rule.parameters, *rule.forward):
        value = getattr(settings, p.name)
        numeric = p.kind in NUMERIC and (p.letter or p.name == "proj_size") and not p.structural
        flag = p.kind == "bool" and not p.structural
        if (not numeric and not flag) or value is None or isinstance(value, str):
            fixed[p.name] = kwargs.get(p.name, forward.get(p.name, p.default))
        elif isinstance(value, tuple) and None not in value:
            names = [f"{p.name}_{n}" for n in range(len(value))]
            mine = [sympy.Symbol(s, real=True, integer=p.kind != "ratios" or None) for s in names]
            fixed[p.name] = tuple(mine)
            values |= dict(zip(mine, value, strict=True))
        elif isinstance(value, tuple):
            fixed[p.name] = value
        else:
            fixed[p.name] = sympy.Symbol(p.name, real=True, integer=p.kind != "ratios" or None)
            values[fixed[p.name]] = int(value) if flag else value
    symbolic = spec.unflatten(symbols) if leaves else shape
    return trace(name, symbolic, **fixed), values


def evaluated(expression, values):
    return sympy.sympify(expression).subs(values, simultaneous=True)


def answer_of(t, values):
    """Answer with the symbols' values; refuse where a need fails."""
    for need in t.needs:
        if evaluated(need.holds, values) is not sympy.true:
            return None
    return tree_map(lambda e: int(evaluated(e, values)), t.output)


@pytest.mark.parametrize("name", DRAWS)
def test_symbols_agree_with_ints(name):
    """Numbers put into the expressions give the answers, and into the needs the refusals."""
    for shape, kwargs, forward in draws(name, 6):
        expected, _ = asked(lambda: output_shape(name, shape, **kwargs, **forward))  # noqa: B023
        question, refusal = asked(lambda: symbolic_question(name, shape, kwargs, forward))  # noqa: B023
        if refusal:
            assert expected is None, f"{name}{kwargs} on {shape}: {refusal}"
            continue
        t, values = question
        assert answer_of(t, values) == expected, f"{name}{kwargs} on {shape}"
        if expected is not None:
            assert evaluated(t.parameters, values) == parameter_count(name, **kwargs)
            assert evaluated(t.flops, values) == flops(name, shape, **kwargs, **forward)


def test_javascript_agrees_with_ints():
    """The same in JavaScript, as a browser computes it: answers, refusals and their messages."""
    cases, expected = [], []
    for name in DRAWS:
        for shape, kwargs, forward in draws(name, 15):
            question, _ = asked(lambda: symbolic_question(name, shape, kwargs, forward))  # noqa: B023
            if question is None:
                continue
            t, values = question
            answer, error = asked(lambda: output_shape(name, shape, **kwargs, **forward))  # noqa: B023
            expected.append(
                [answer, parameter_count(name, **kwargs), flops(name, shape, **kwargs, **forward)]
                if error is None
                else str(error)
            )
            cases.append({"js": javascript(t), "values": {str(s): v for s, v in values.items()}})
    program = r"""
    const answer = ({js, values}) => {
      const f = (e) => Array.isArray(e) ? e.map(f)
        : Function(...Object.keys(values), `return ${e}`)(...Object.values(values));
      const show = (v) => !Array.isArray(v) ? String(v)
        : v.length === 1 ? `(${v[0]},)` : `(${v.map(show).join(", ")})`;
      for (const need of js.needs) if (!f(need.holds))
        return `${js.layer}: ` + need.text.replace(/{(\w+)}/g, (_, k) => show(f(need.values[k])));
      return [f(js.output), f(js.parameters), f(js.flops)];
    };
    const cases = JSON.parse(require("fs").readFileSync(0));
    console.log(JSON.stringify(cases.map(answer)));
    """
    result = subprocess.run(
        [NODE, "-e", program], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    for case, mine, theirs in zip(
        cases, json.loads(json.dumps(expected)), json.loads(result.stdout), strict=True
    ):
        assert mine == theirs, case


@pytest.mark.parametrize("name", LAYERS)
def test_every_rule_prints(name):
    """Every layer has a trace; all of it prints as LaTeX and JavaScript, without Python's names."""
    for letters in (False, True):
        t = trace(name, letters=letters)
        printed = json.dumps(javascript(t))
        assert "Not supported" not in printed
        assert "sympy" not in printed
        for expression in tree_flatten((t.output, t.parameters, t.flops))[0]:
            assert latex(expression)
    for what in ("output", "parameters", "flops"):
        assert formula(name, what) is not None
    if LAYERS[name].axis is not None:
        assert latex(formula(name, "size"))
        assert "Not supported" not in sympy.jscode(formula(name, "size"))


@pytest.mark.parametrize("name", LAYERS)
def test_the_letters_agree_with_each_other(name):
    """In the site's letters, all that is left to check are inequalities: sizes match by name."""
    for need in trace(name, letters=True).needs:
        divides = need.holds.has(sympy.Mod) or need.text.startswith("{count} windows")
        assert not isinstance(need.holds, sympy.Eq) or divides, need.text


@pytest.mark.parametrize("name", LAYERS)
def test_the_example_fits(name):
    """A calculator may start from the example of any layer."""
    shape, kwargs = example(name)
    answer = output_shape(name, shape, **kwargs)
    assert is_shape(answer) or all(isinstance(one, tuple) for one in answer)
    assert parameter_count(name, **kwargs) >= 0
    assert flops(name, shape, **kwargs) >= 0


@pytest.mark.parametrize("name", [n for n in LAYERS if LAYERS[n].axis and n != "Unfold"])
def test_the_rule_of_one_axis_is_the_rule_of_the_layer(name):
    """What ``formula(name, "size")`` shows for i is the last axis of the layer's output."""
    rule = LAYERS[name]
    fixed = {p.name: 0 for p in rule.parameters if p.name == "output_padding"}
    for mode in (False, True) if "Pool" in name and rule.candidates else (False,):
        flags = {p.name: mode for p in rule.parameters if p.name == "ceil_mode"}
        t = trace(name, letters=True, **fixed, **flags)
        last = "L" if rule.axes == 1 else "W"
        ends = {"i": last, "scale": "r" if rule.axes < 2 else f"r_{last}"}
        ends |= {"p1": f"p_{last}1", "p2": f"p_{last}2"}
        size = formula(name, "size", **flags)
        renamed = {
            s: next(
                (x for x in t.output[-1].free_symbols if x.name == wanted), sympy.Symbol(wanted)
            )
            for s in size.free_symbols
            for wanted in [ends.get(s.name, s.name if rule.axes == 1 else f"{s.name}_{last}")]
        }
        assert sympy.simplify(size.xreplace(renamed) - t.output[-1]) == 0


def test_formulas_on_paper():
    """As the papers and the pages write them."""
    i, k, s, p, d = sympy.symbols("i k s p d", integer=True, positive=True)
    assert formula("Conv2d", "size") == sympy.floor((i + 2 * p - d * (k - 1) - 1) / s) + 1
    assert formula("ConvTranspose2d", "size") == (i - 1) * s - 2 * p + d * (k - 1) + 1
    assert formula("ReflectionPad1d", "size").free_symbols == {
        i, *sympy.symbols("p1 p2", integer=True, positive=True)
    }  # fmt: skip
    E, F, n = sympy.symbols("E F n", integer=True, positive=True)
    layer = 4 * E**2 + 4 * E + 2 * E * F + F + E + 4 * E
    assert sympy.expand(formula("TransformerEncoder", "parameters") - n * layer) == 0
    h, x = sympy.symbols("H H_in", integer=True, positive=True)
    gru = 3 * (x * h + h * h + 2 * h) + (n - 1) * 3 * (h * h + h * h + 2 * h)
    assert sympy.expand(formula("GRU", "parameters") - gru) == 0


def test_the_wrong_question():
    with pytest.raises(ValueError, match="what is 'size', 'output', 'parameters' or 'flops'"):
        formula("Conv2d", "speed")
    with pytest.raises(ValueError, match="LSTM has no rule for one axis"):
        formula("LSTM", "size")
