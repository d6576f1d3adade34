"""The rules with symbols in place of numbers: for pages (LaTeX) and browsers (JavaScript)."""

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from layerref.rules.arithmetic import as_flag, is_symbolic, product, sympy
from layerref.rules.reading import checked, read_settings, read_shape
from layerref.rules.record import SPATIAL, Need, Parameter, Rule, Settings, settle
from layerref.rules.table import LAYERS, find

NUMERIC = ("int", "axes", "pads", "sizes", "ratios")


@dataclass(frozen=True)
class Trace:
    """A rule, run with symbols: what it needs, and what it answers.

    Attributes
    ----------
    layer, input
        The layer's name; the input's shape, or shapes, in symbols.
    settings
        The value of each parameter: symbols, tuples of symbols, or what was kept fixed.
    needs
        What the symbols have to meet, in order: each may rely on those before it.
    output, parameters, flops
        The answers, as SymPy expressions (``output`` in the tuples that ``output_shape`` gives).
    """

    layer: str
    input: Any
    settings: Mapping[str, Any]
    needs: tuple[Need, ...]
    output: Any
    parameters: Any
    flops: Any


def linear(n: Any, one: Any, two: Any) -> Any:
    """Continue an arithmetic sequence that starts with ``one`` and ``two`` to its n-th number."""
    each = sympy().factor_terms(sympy().expand(two - one))
    rest = sympy().expand(one - each)
    if any(term.could_extract_minus_sign() for term in sympy().Add.make_args(rest)):
        return one + (n - 1) * each
    others = [symbol for symbol in rest.free_symbols if symbol.name.startswith("n")]
    return n * each + sympy().collect(rest, others)


def over_stacks(s: Settings, measure: Callable[[Settings], Any]) -> Any:
    """Measure a layer; where the number of its sub-layers is a symbol, by one and two of them.

    >>> formula("GRU", "parameters", input_size=64, hidden_size=32)
    6336*n + 3072
    """
    for name in s.rule.stacks:
        count = getattr(s, name)
        if is_symbolic(count):
            one, two = (
                over_stacks(Settings(**{**vars(s), name: times}), measure) for times in (1, 2)
            )
            return linear(count, one, two)
    return measure(s)


def count_parameters(s: Settings) -> Any:
    """Add up the learned tensors of the state dict."""
    learned = [e for e in s.rule.state(s) if e.learned]
    return sum(as_flag(e.present) * product(e.shape) for e in learned)


def symbolic_settings(rule: Rule, given: Mapping[str, Any], letters: bool) -> Settings:
    """Read settings, with symbols for the sizes that are not given."""
    spatial = SPATIAL[rule.axes].split() if rule.axes else []

    def symbol(p: Parameter, suffix: str = "") -> Any:
        name = (p.letter if letters else p.name) + suffix
        if p.kind == "ratios":
            return sympy().Symbol(name, positive=letters or None, real=True)
        return sympy().Symbol(name, integer=True, positive=letters or None)

    def fill(p: Parameter) -> Any:
        shown = p.default if p.example is None else p.example
        left_out = shown is None and p.name != "stride"
        if p.kind == "layer" and shown:
            inner = LAYERS["Transformer" + p.name.title().replace("_", "")]
            values = symbolic_settings(inner, {}, letters)
            return {q.name: getattr(values, q.name) for q in inner.parameters}
        if left_out or p.kind not in NUMERIC or not p.letter or p.structural:
            return shown
        if p.kind == "pads":
            sides = ("before", "after") if not letters else ("1", "2")
            return tuple(symbol(p, f"_{axis}{side}") for axis in spatial[::-1] for side in sides)
        if p.kind in ("axes", "ratios") and spatial and (len(spatial) > 1 or not letters):
            return tuple(symbol(p, f"_{axis}") for axis in spatial)
        return symbol(p)

    return read_settings(rule, given, fill)


def symbolic_shape(layout: str, letters: bool) -> Any:
    """Make a shape of symbols out of a layout."""
    shapes = tuple(
        tuple(sympy().Symbol(name, integer=True, positive=letters or None) for name in one.split())
        for one in layout.split(", ")
    )
    return shapes[0] if len(shapes) == 1 else shapes


def trace(layer: Any, input_shape: Any = None, *, letters: bool = False, **settings: Any) -> Trace:
    """Run a rule with symbols for all sizes that are not given.

    Flags, choices and optional parameters keep their defaults, unless a value or a SymPy symbol
    (for a flag: one that is 0 or 1) is given.

    Parameters
    ----------
    layer
        The layer's name or class.
    input_shape
        A shape of ints and symbols, or the layout that :class:`Rule` lists, such as ``"C H W"``;
        the first layout if it is left out.
    letters
        Name the symbols as the site's notation does and take them to be positive (``C_in``,
        ``k_H``), so that channels and ``in_channels`` are one symbol. Otherwise each parameter is a
        symbol of its own name (``in_channels``, ``kernel_size_H``), and ``needs`` says what has to
        agree: this is what a browser computes with.
    **settings
        Constructor arguments that are not to be symbols.

    Examples
    --------
    >>> t = trace("Conv1d", letters=True)
    >>> t.input, t.output
    ((N, C_in, L), (N, C_out, floor((L - d*(k - 1) + 2*p - 1)/s) + 1))
    >>> t.parameters
    C_in*C_out*k/G + C_out
    >>> [need.holds for need in trace("LayerNorm").needs]
    [normalized_shape >= 0, Eq(E, normalized_shape)]
    """
    rule = find(layer)
    s = symbolic_settings(rule, settings, letters)
    if input_shape is None or isinstance(input_shape, str):
        x = symbolic_shape(input_shape or rule.layouts[0], letters)
    else:
        x = read_shape(rule.name, input_shape)
    needs, _ = settle(rule.name, checked(s))
    more, y = settle(rule.name, rule.shape(x, s))
    return Trace(
        rule.name,
        x,
        {p.name: getattr(s, p.name) for p in (*rule.parameters, *rule.forward)},
        tuple(needs + more),
        y,
        over_stacks(s, count_parameters),
        over_stacks(s, lambda s: rule.products(x, y, s)),
    )


def formula(layer: Any, what: str, **settings: Any) -> Any:
    """Return a rule as a SymPy expression in the site's letters.

    ``what`` is ``"size"`` (one axis after the layer, from ``i``, its size before), ``"output"``,
    ``"parameters"`` or ``"flops"``. Arguments of the constructor (with ``"size"``, of the rule of
    one axis) take the place of symbols.

    Examples
    --------
    >>> formula("Conv2d", "size")
    floor((-d*(k - 1) + i + 2*p - 1)/s) + 1
    >>> formula("MaxPool2d", "size", d=1, ceil_mode=True)
    Min(ceiling((i - k + 2*p)/s), floor((i + p - 1)/s)) + 1
    >>> formula("Linear", "parameters"), formula("Linear", "flops")
    (H_in*H_out + H_out, 2*H_in*H_out*N)
    >>> formula("LSTM", "parameters", bias=False, num_layers=1)
    4*H**2 + 4*H*H_in
    """
    if what != "size":
        if what not in ("output", "parameters", "flops"):
            raise ValueError(f"what is 'size', 'output', 'parameters' or 'flops', got {what!r}")
        return getattr(trace(layer, letters=True, **settings), what)
    rule = find(layer)
    if rule.axis is None:
        raise ValueError(f"{rule.name} has no rule for one axis: ask for its 'output'")
    arguments = {
        name: sympy().Symbol(name, integer=True, positive=True)
        if name != "scale"
        else sympy().Symbol(name, positive=True)
        for name, p in inspect.signature(rule.axis).parameters.items()
        if p.default is inspect.Parameter.empty
    }
    return rule.axis(**{**arguments, **settings})


def latex(expression: Any) -> str:
    r"""Typeset an expression, positive terms before negative ones and numbers last.

    >>> latex(formula("Conv2d", "size"))
    '\\left\\lfloor{\\frac{i + 2 p - d \\left(k - 1\\right) - 1}{s}}\\right\\rfloor + 1'
    """
    printer: Any = importlib.import_module("sympy.printing.latex").LatexPrinter

    class PositiveFirst(printer):
        def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
            terms = super()._as_ordered_terms(expr, order)
            return sorted(terms, key=lambda t: (t.is_number, t.could_extract_minus_sign()))

    return str(PositiveFirst({"mul_symbol": None}).doprint(expression))


def javascript(t: Trace) -> dict[str, Any]:
    """Print a trace as JavaScript expressions, ready for JSON.

    ``needs`` is a list of ``holds`` (an expression), ``text`` (with ``{name}`` in it) and
    ``values`` (an expression for each name); the browser stops at the first that does not hold,
    and otherwise evaluates ``output``, ``parameters`` and ``flops``. The variables are the symbols'
    names. Lists stand for tuples: Python's error writes a value ``[2, 3]`` as ``(2, 3)``.

    >>> js = javascript(trace("Linear"))
    >>> js["output"], js["parameters"]
    (['N', 'out_features'], 'in_features*out_features + out_features')
    >>> js["needs"][-1]["holds"]
    'H_in == in_features'
    """

    def one(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [one(v) for v in value]
        if isinstance(value, str):
            return json.dumps(value)
        return sympy().jscode(value, human=True)

    return {
        "layer": t.layer,
        "input": one(t.input),
        "needs": [
            {
                "holds": one(n.holds),
                "text": n.text,
                "values": {name: one(value) for name, value in n.values.items()},
            }
            for n in t.needs
        ],
        "output": one(t.output),
        "parameters": one(t.parameters),
        "flops": one(t.flops),
    }


def state_keys(layer: Any, **settings: Any) -> tuple[str, ...]:
    """Return the keys of the state dict in order; of one sub-layer where there are stacks of them.

    >>> state_keys("BatchNorm2d")
    ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')
    >>> state_keys("LSTM", bias=False)
    ('weight_ih_l0', 'weight_hh_l0')
    """
    rule = find(layer)
    s = symbolic_settings(rule, {**dict.fromkeys(rule.stacks, 1), **settings}, letters=True)
    return tuple(entry.key for entry in rule.state(s) if entry.present)


def example(layer: Any) -> tuple[Any, dict[str, Any]]:
    """Return an input shape and keyword arguments that fit together, to start a calculator from.

    >>> example("Conv2d")
    ((8, 6, 32, 32), {'in_channels': 6, 'out_channels': 12, 'kernel_size': 3})
    """
    rule = find(layer)
    settings = {p.name: p.example for p in rule.parameters if p.example is not None}
    sizes = {"N": 8, "C": 6, "L": 10, "S": 12, "D": 16, "H": 32, "W": 32, "E": 64, "E_v": 48}
    shown = {p.letter: p.example or p.default for p in rule.parameters}
    sizes |= {letter: size for letter, size in shown.items() if isinstance(size, int)}
    if rule.name == "Fold":
        sizes |= {"K": 6 * 3 * 3, "L": 6 * 6}  # as many rows and columns as Unfold would give
    shapes = tuple(
        tuple(sizes[letter] for letter in one.split()) for one in rule.layouts[0].split(", ")
    )
    return (shapes[0] if len(shapes) == 1 else shapes), settings
