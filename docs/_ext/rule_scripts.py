"""From the rules of ``layerref.rules`` to what a browser evaluates: one script for each layer.

A rule runs here with SymPy symbols, as it does for the formulas, once for every *case*: number of
axes of the input, padding as numbers or as a word, ``None`` or a number. What it needs and what it
answers is printed as JavaScript in which every whole number is a BigInt and every division says how
it rounds, so that a browser's answer is exact, whatever sizes a person types.
"""

import itertools
import json
from functools import cache

import sympy
from sympy.printing.jscode import JavascriptCodePrinter
from sympy.printing.precedence import PRECEDENCE, precedence

from layerref.rules import LAYERS, example
from layerref.rules.convolution import both_sides
from layerref.rules.reading import checked, read_settings, wanted
from layerref.rules.record import REQUIRED, SPATIAL, Settings
from layerref.rules.symbolic import count_parameters, over_stacks

# Decide neither shape nor parameters nor FLOPs (a test asks the rules), so they get no field.
NO_FIELD = {
    *("inplace", "padding_idx", "scale_grad_by_freq", "sparse", "_freeze", "_weight"),
    *("approximate", "nonlinearity", "activation", "norm_first", "custom_encoder"),
    *("custom_decoder", "enable_nested_tensor", "mask_check", "count_include_pad"),
    *("divisor_override", "_random_samples", "align_corners", "recompute_scale_factor"),
}
MOST_AXES = 6
MOST_AXES_OF_SEVERAL = 4  # where forward takes several inputs


def has_field(p):
    """Tell the parameters that a calculator asks for."""
    return p.name not in NO_FIELD and p.kind != "float"


# ---------------------------------------------------------------- printing
class ExactPrinter(JavascriptCodePrinter):
    """Prints integers as BigInt; F, C, M, lo, hi, T and R are functions of rules.js."""

    def _print_Integer(self, expr):  # noqa: N802
        return f"{int(expr)}n"

    def _print_Float(self, expr):  # noqa: N802
        return repr(float(expr))

    def _print_Pow(self, expr):  # noqa: N802
        base = self.parenthesize(expr.base, PRECEDENCE["Pow"], strict=True)
        return "*".join([base] * int(expr.exp))

    def _print_Mul(self, expr):  # noqa: N802
        above, below = sympy.fraction(expr)
        floats = [s for s in expr.free_symbols if not s.is_integer]
        if floats:
            return f"T({self._print(expr / floats[0])},{self._print(floats[0])})"
        if below == 1:
            return super()._print_Mul(expr)
        # the rule made sure that nothing remains
        return f"{self.parenthesize(above, precedence(expr))}/({self._print(below)})"

    def _quotient(self, function, expr):
        above, below = sympy.fraction(sympy.together(expr.args[0]))
        return f"{function}({self._print(above)},{self._print(below)})"

    def _print_floor(self, expr):
        if all(s.is_integer for s in expr.free_symbols):
            return self._quotient("F", expr)
        return "R" + self._print(expr.args[0])[1:]

    def _print_ceiling(self, expr):
        return self._quotient("C", expr)

    def _print_Mod(self, expr):  # noqa: N802
        return f"M({','.join(map(self._print, expr.args))})"

    def _print_Min(self, expr):  # noqa: N802
        return f"lo({','.join(map(self._print, expr.args))})"

    def _print_Max(self, expr):  # noqa: N802
        return f"hi({','.join(map(self._print, expr.args))})"

    def _print_Piecewise(self, expr):  # noqa: N802
        text = self._print(expr.args[-1].expr)
        for value, condition in reversed(expr.args[:-1]):
            text = f"({self._print(condition)}?{self._print(value)}:{text})"
        return text


PRINTER = ExactPrinter()


def printed(expression):
    """Return an expression as JavaScript."""
    if expression is True or expression is False or expression in (sympy.true, sympy.false):
        return "true" if expression else "false"
    if isinstance(expression, int):
        return f"{expression}n"
    return PRINTER.doprint(expression).replace(" ", "")


# ---------------------------------------------------------------- cases
def integers(*names):
    """Make symbols for whole numbers."""
    return tuple(sympy.Symbol(name, integer=True) for name in names)


def patterns(p, axes):
    """Return what a parameter may be: (token, value in symbols) for each case to tell apart.

    A token is what the browser makes of a value's form: ``#`` for a number (``#,#,`` for a tuple of
    two), ``-`` for None, the word or the small number itself.
    """
    letters = SPATIAL[axes].split() if axes else []
    real = p.kind == "ratios"

    def symbols(*suffixes):
        if real:
            return tuple(sympy.Symbol(f"{p.name}_{n}", real=True) for n in suffixes)
        return integers(*(f"{p.name}_{n}" for n in suffixes))

    none = [("-", None)] if p.optional else []
    if p.name == "norm":
        return [*none, ("LayerNorm", {"normalized_shape": integers("d_model")[0]})]
    if p.kind == "choice":
        return [(word, word) for word in p.choices]
    if p.kind == "bool":
        return [(str(n), n) for n in (0, 1)] if p.structural else [("#", integers(p.name)[0])]
    if p.kind == "int" and p.structural and p.name != "proj_size":
        return [(str(n), n) for n in range(-5, 6)]
    if p.kind == "int":
        return [*none, ("#", integers(p.name)[0])]
    if p.kind == "pads":
        return [("#", symbols(*range(2 * axes)))]
    if p.kind == "sizes" and p.structural:  # Unflatten: where the -1 is decides
        forms = [f for n in range(4) for f in itertools.product((-1, 1), repeat=n)]
        return [
            (
                "".join("-1," if n == -1 else "#," for n in form),
                tuple(n if n == -1 else s for n, s in zip(form, symbols(*range(3)), strict=False)),
            )
            for form in forms
        ]
    if p.kind == "sizes":
        return [("#," * n, symbols(*range(n))) for n in range(5)]
    if p.kind == "any":  # ConvTranspose's output_size
        number = ("#", integers(p.name)[0])
        return [*none, number, *(("#," * n, symbols(*range(n))) for n in range(axes + 3))]
    words = [(word, word) for word in p.choices]
    if not axes:  # Upsample: one number, or one for each of the axes that the input will have
        zero = [("0", 0)] if real else []
        scalar = sympy.Symbol(p.name, real=True) if real else integers(p.name)[0]
        tuples = [("#," * n, symbols(*range(n))) for n in range(1, 5)]
        return [*none, *zero, ("#", scalar), *tuples]
    if p.optional and p.default is REQUIRED:  # adaptive pooling: None keeps an axis
        forms = itertools.product((True, False), repeat=axes)
        return [
            *none,
            *(
                (
                    "".join("#," if known else "-," for known in form),
                    tuple(
                        s if known else None
                        for s, known in zip(symbols(*letters), form, strict=True)
                    ),
                )
                for form in forms
            ),
        ]
    return [*none, ("#," * axes, symbols(*letters)), *words]


def fields_of(rule):
    """Return (parameter, the layer-valued parameter that it belongs to) for each field."""
    for p in (*rule.parameters, *rule.forward):
        if p.kind == "layer" and p.name != "norm":
            inner = LAYERS["Transformer" + p.name.title().replace("_", "")]
            for q in inner.parameters:
                if has_field(q):
                    yield q, p
        elif has_field(p):
            yield p, None


def ranks_of(rule):
    """Return the numbers of axes to trace: one tuple of ranks for each case."""
    inputs = rule.layouts[0].count(",") + 1
    if inputs == 1:
        return [(n,) for n in range(MOST_AXES + 1)]
    return list(itertools.product(range(1, MOST_AXES_OF_SEVERAL + 1), repeat=inputs))


def collect(steps):
    """Run a rule in steps; return its needs, up to one that never holds, and its answer."""
    needs = []
    try:
        while True:
            step = next(steps)
            if step.holds == True:  # noqa: E712  (SymPy's true is not Python's)
                continue
            needs.append(step)
            if step.holds == False:  # noqa: E712
                return needs, None
    except StopIteration as end:
        return needs, end.value


class Pool(list):
    """A list of distinct things that answers where a thing is."""

    def __init__(self):
        self.places = {}

    def place(self, thing):
        key = json.dumps(thing)
        if key not in self.places:
            self.places[key] = len(self)
            self.append(thing)
        return self.places[key]


class Script:
    """What the browser gets of one layer: expressions and texts, each once, and the cases."""

    def __init__(self, rule):
        self.rule = rule
        self.expressions, self.texts, self.needs = Pool(), Pool(), Pool()
        self.lists, self.answers = Pool(), Pool()
        self.fields = list(fields_of(rule))
        # the number of spatial axes is a layer's own affair, an inner layer has none
        self.patterns = [patterns(p, rule.axes) for p, _ in self.fields]
        combinations = list(itertools.product(*self.patterns))
        settings = [self.settings(c) for c in combinations]
        self.checks = [self.check(s) for s in settings]
        self.cases = {}
        for ranks in ranks_of(rule):
            row = [self.case(ranks, s) for s in settings]
            self.cases[",".join(map(str, ranks))] = row if len(set(row)) > 1 else row[:1]

    def settings(self, combination):
        """Read one combination of patterns as settings."""
        fixed = {p.name: p.example for p in self.rule.parameters if p.default is REQUIRED}
        values, forced = dict(fixed), {}
        for (p, of), (_, value) in zip(self.fields, combination, strict=True):
            if of is not None:
                if values.get(of.name) is fixed.get(of.name):
                    values[of.name] = {}
                values[of.name][p.name] = value
            elif p.name == "proj_size":
                forced[p.name] = value  # a formula would need its number, a browser does not
            else:
                values[p.name] = value
        s = read_settings(self.rule, values)
        return Settings(**{**vars(s), **forced})

    def place(self, value):
        """Place an expression, or tuples of them; texts and None stay."""
        if isinstance(value, (tuple, list)):
            return [self.place(v) for v in value]
        if value is None:
            return None
        if isinstance(value, str):
            return {"text": value}
        return self.expressions.place(printed(value))

    def place_needs(self, needs):
        return self.lists.place(
            [
                self.needs.place(
                    [
                        self.place(n.holds),
                        self.texts.place(n.text),
                        {name: self.place(value) for name, value in n.values.items()},
                    ]
                )
                for n in needs
            ]
        )

    def check(self, s):
        """What the settings have to meet, and the parameters; for windows the padding, too."""
        needs, _ = collect(checked(s))
        if needs and needs[-1].holds == False:  # noqa: E712
            return self.answers.place([self.place_needs(needs)])
        answer = [self.place_needs(needs), self.place(over_stacks(s, count_parameters))]
        if picture(self.rule) and hasattr(s, "padding"):
            answer.append([self.place(both_sides(s, n)) for n in range(s.axes)])
        return self.answers.place(answer)

    def case(self, ranks, s):
        """What the input has to meet, the output and the FLOPs."""
        if self.answers[self.check(s)][1:] == []:
            return -1
        names = "x" if len(ranks) == 1 else "abc"
        shapes = tuple(
            integers(*(f"{name}{n}" for n in range(rank)))
            for name, rank in zip(names, ranks, strict=False)
        )
        x = shapes[0] if len(shapes) == 1 else shapes
        needs, y = collect(self.rule.shape(x, s))
        placed = self.place_needs(needs)
        if y is None:
            return self.answers.place([placed])
        products = over_stacks(s, lambda s: self.rule.products(x, y, s))
        return self.answers.place([placed, self.place(y), self.place(products)])

    def field(self, p, of, tokens, start):
        """Describe one field."""
        record = {"name": p.name, "kind": p.kind, "tokens": [token for token, _ in tokens]}
        if of is not None:
            record["of"] = of.name
        if p.kind == "bool":
            return record | {"start": int(bool(start)), "default": int(bool(p.default))}
        if p.kind in ("choice", "layer"):
            words = [token for token, _ in tokens]
            word = "-" if start is None else str(start)
            return record | {"words": words, "start": word, "default": word}
        record["takes"] = wanted(p, self.rule.axes)
        record["start"] = as_text(start)
        if p.default is not REQUIRED:
            record["default"] = as_text(p.default) or "None"
        if p.choices:
            record["words"] = list(p.choices)
        length = {"axes": self.rule.axes, "ratios": self.rule.axes, "pads": 2 * self.rule.axes}
        if length.get(p.kind):
            record["length"] = length[p.kind]
            if p.kind != "pads":
                record["axes"] = SPATIAL[self.rule.axes].split()
        if p.optional:
            record["optional"] = 1
        return record

    def record(self):
        """Return everything, ready for JSON."""
        rule = self.rule
        shape, given = example(rule.name)
        shapes = shape if isinstance(shape[0], tuple) else (shape,)
        layouts = [layout.split(", ") for layout in rule.layouts]
        fields = []
        for (p, of), tokens in zip(self.fields, self.patterns, strict=True):
            own = given.get(of.name, {}) if of else given
            start = own.get(p.name, None if p.default is REQUIRED else p.default)
            fields.append(self.field(p, of, tokens, start))
        return {
            "name": rule.name,
            "inputs": [
                {
                    "name": name,
                    "start": as_text(shapes[n]),
                    "layouts": [one[n].replace(" ", ", ") for one in layouts],
                }
                for n, name in enumerate(input_names(rule))
            ],
            "fixed": {
                p.name: repr(p.example)
                for p in rule.parameters
                if p.default is REQUIRED and not has_field(p)
            },
            "axes": SPATIAL[rule.axes].split() if rule.axes else [],
            "picture": picture(rule),
            "unfolds": rule.name == "Unfold",  # the size of an axis is not in its output
            "fields": fields,
            "expressions": self.expressions,
            "texts": self.texts,
            "needs": self.needs,
            "lists": self.lists,
            "answers": self.answers,
            "checks": self.checks,
            "cases": self.cases,
        }


def as_text(value):
    """Write a value as a person types it."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def input_names(rule):
    """Name what forward takes."""
    count = rule.layouts[0].count(",") + 1
    if count == 3:
        return ["query", "key", "value"]
    if count == 2:
        return ["src", "tgt"] if rule.name == "Transformer" else ["tgt", "memory"]
    return ["input"]


def picture(rule):
    """Say how to draw what a window sees, or that there is no window."""
    if rule.name.startswith("ConvTranspose"):
        return "transposed"
    if rule.name.startswith("Adaptive"):
        return "adaptive"
    windows = {"kernel_size", "stride", "padding"} <= {p.name for p in rule.parameters}
    return "window" if windows and rule.name != "Fold" else None


@cache
def script(name):
    """Return the script of one layer: it gives its record to ``layerref.define``."""
    record = json.dumps(Script(LAYERS[name]).record(), separators=(",", ":"), ensure_ascii=False)
    return f"layerref.define({record});\n"
