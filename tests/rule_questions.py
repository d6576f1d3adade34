"""Random questions to the calculators: the texts that a person types, and what Python answers."""

import random
import sys
from pathlib import Path

from rules_draws import DRAWS

from layerref import flops, output_shape, parameter_count
from layerref.rules import LAYERS
from layerref.rules.record import REQUIRED

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

from layer_index import built_example  # noqa: E402
from rule_scripts import fields_of, input_names  # noqa: E402


def as_typed(value):
    """Write a value as Python does."""
    return value if isinstance(value, str) else repr(value)


def answer(ask):
    """Return what Python answers, or the words of its refusal."""
    try:
        return str(ask())
    except (TypeError, ValueError) as error:
        return str(error)


def draw(name, r):
    """Draw a shape and the arguments that have a field; None if the form cannot say them."""
    rule = LAYERS[name]
    shape, kwargs, forward = DRAWS[name](r)
    fields = list(fields_of(rule))
    asked = {of.name if of else p.name for p, of in fields}
    fixed = {p.name: p.example for p in rule.parameters if p.default is REQUIRED}
    kwargs = {k: v for k, v in {**kwargs, **forward}.items() if k in asked}
    kwargs = {k: v for k, v in fixed.items() if k not in asked} | kwargs
    for inner in kwargs.values():
        if isinstance(inner, dict) and "d_model" in inner:
            for unasked in ("activation", "dropout", "norm_first"):
                inner.pop(unasked, None)
    names = input_names(rule)
    if len(names) == 1 and any(isinstance(one, (tuple, list)) for one in shape):
        shape = shape[0]  # recurrent layers: the initial state has no field
    shapes = shape if len(names) > 1 else (shape,)
    typed = {n: as_typed(tuple(one)) for n, one in zip(names, shapes, strict=True)}
    for p, of in fields:
        source = kwargs.get(of.name, {}) if of else kwargs
        value = source.get(p.name, p.default)
        if p.kind == "bool":
            typed[p.name] = bool(value)
        elif p.kind == "layer":
            typed[p.name] = "LayerNorm" if value else "-"
        elif p.kind == "choice":
            if value not in p.choices:
                return None
            typed[p.name] = value
        else:
            typed[p.name] = as_typed(source[p.name]) if p.name in source else ""
    return shape, kwargs, typed


def questions(name, count, seed=0):
    """Return random questions to one layer: what is typed, and Python's three answers."""
    r, found = random.Random(f"{name} {seed}"), []
    while len(found) < count:
        drawn = draw(name, r)
        if drawn is None:
            continue
        shape, kwargs, typed = drawn
        found.append(
            {
                "layer": name,
                "typed": typed,
                "shape": answer(lambda: output_shape(name, shape, **kwargs)),  # noqa: B023
                "parameters": answer(lambda: parameter_count(name, **kwargs)),  # noqa: B023
                "flops": answer(lambda: flops(name, shape, **kwargs)),  # noqa: B023
            }
        )
    return found


__all__ = ["DRAWS", "built_example", "draw", "questions"]
