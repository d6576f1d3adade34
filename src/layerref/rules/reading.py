"""From keyword arguments to :class:`Settings`: names, defaults, one value for each axis."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from layerref.rules.arithmetic import is_symbolic
from layerref.rules.record import REQUIRED, Need, Parameter, Rule, Settings, Steps, need, settle


def suggest(name: str, known: Iterable[str]) -> str:
    """Name what was probably meant."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f": did you mean {' or '.join(close)}?" if close else ""


def is_int(value: object) -> bool:
    """Tell whether a value is a whole number, or a symbol that may stand for one."""
    return (isinstance(value, int) and not isinstance(value, bool)) or is_symbolic(value)


def is_number(value: object) -> bool:
    """Tell whether a value is a number, or a symbol that may stand for one."""
    return is_int(value) or isinstance(value, float)


def read_value(p: Parameter, value: Any, axes: int) -> Any:
    """Check the type of one value and spread it over the axes."""
    if p.structural and is_symbolic(value):
        raise TypeError(f"{p.name} decides which axes or results there are, so it is no symbol")
    if (value is None and p.optional) or p.kind in ("any", "layer"):
        return value
    if p.choices and (isinstance(value, str) or p.kind == "choice"):
        if value not in p.choices:
            raise ValueError(
                f"{p.name} is one of {', '.join(map(repr, p.choices))}, got {value!r}"
                + (suggest(value, p.choices) if isinstance(value, str) else "")
            )
        return value
    if p.kind == "bool":
        if not (isinstance(value, (bool, int)) or is_symbolic(value)):
            raise TypeError(f"{p.name} is True or False, got {value!r}")
        return value if is_symbolic(value) else int(value)
    one: Callable[[object], bool] = is_number if p.kind in ("float", "ratios") else is_int
    many = p.kind in ("axes", "ratios", "pads", "sizes")
    if one(value) and many and axes:
        return (value,) * (2 * axes if p.kind == "pads" else axes)
    if one(value):
        return (value,) if p.kind == "sizes" else value
    if not many or not isinstance(value, (tuple, list)):
        raise TypeError(f"{p.name} takes {wanted(p, axes)}, got {value!r}")
    if not all(one(v) or (v is None and p.optional) for v in value):
        raise TypeError(f"{p.name} takes {wanted(p, axes)}, got {value!r}")
    length = {"axes": axes, "ratios": axes, "pads": 2 * axes}.get(p.kind, 0)
    if length and len(value) != length:
        raise ValueError(
            f"{p.name} takes {wanted(p, axes)}, got {len(value)} values, {value!r}: "
            f"write one number, or exactly {length}"
        )
    return tuple(value)


def wanted(p: Parameter, axes: int) -> str:
    """Say what a parameter takes."""
    number = "a number" if p.kind in ("float", "ratios") else "an int"
    if p.kind in ("axes", "ratios"):
        return f"{number} or {axes or 'a tuple of one'} for each axis"
    if p.kind == "pads":
        return f"{number} or {2 * axes}, two for each axis, the last axis first"
    return f"{number} or a tuple of them" if p.kind == "sizes" else number


def read_settings(
    rule: Rule, given: Mapping[str, Any], fill: Callable[[Parameter], Any] | None = None
) -> Settings:
    """Read a layer's keyword arguments; ``fill`` may supply those that are not given."""
    known = {p.name: p for p in (*rule.parameters, *rule.forward)}
    for name in given:
        if name not in known:
            raise TypeError(
                f"{rule.name} has no parameter {name!r}"
                + (suggest(name, known) or f": it has {', '.join(known) or 'none'}")
            )
    values: dict[str, Any] = {}
    missing = []
    for p in known.values():
        value = given.get(p.name, p.default)
        if p.name not in given and fill is not None:
            value = fill(p)
        if value is REQUIRED:
            missing.append(p.name)
            continue
        try:
            values[p.name] = read_value(p, value, rule.axes)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{rule.name}: {error}") from None
    if missing:
        raise TypeError(f"{rule.name} needs {' and '.join(missing)}: pass them as keywords")
    return Settings(rule=rule, axes=rule.axes, **values)


def given_by(rule: Rule, layer: Any) -> dict[str, Any]:
    """Read a layer's arguments back from its attributes, which torch names alike.

    What is a tensor by now, or None, says whether there is one (``bias``). No parameter is read,
    only whether it is there: a parametrization computes it anew at each access.
    """
    own, registered = vars(layer), vars(layer)["_parameters"]
    given = {}
    for p in (*rule.parameters, *rule.forward):
        if p.name in own and p.kind != "any":
            given[p.name] = own[p.name]
        elif p.name in registered:
            given[p.name] = registered[p.name] is not None
        if p.kind == "bool" and not p.optional and not isinstance(given.get(p.name, 0), int):
            given[p.name] = given[p.name] is not None
    return given


def within_bounds(s: Settings) -> Iterable[Need]:
    """Need every value to keep the bounds of its parameter."""
    for p in (*s.rule.parameters, *s.rule.forward):
        values = getattr(s, p.name)
        for value in values if isinstance(values, tuple) else (values,):
            if value is None or isinstance(value, str):
                continue
            if p.low is not None:
                text = "{name} is at least {low}, got {value}"
                yield need(value >= p.low, text, name=p.name, low=p.low, value=value)
            if p.high is not None:
                text = "{name} is at most {high}, got {value}"
                yield need(value <= p.high, text, name=p.name, high=p.high, value=value)


def checked(s: Settings) -> Steps[None]:
    """Need what the settings alone can meet or break, whatever the input."""
    yield from within_bounds(s)
    yield from s.rule.check(s)


def settings_of(rule: Rule, given: Mapping[str, Any]) -> Settings:
    """Read and check keyword arguments; refuse what no input would fit."""
    settings = read_settings(rule, given)
    settle(rule.name, checked(settings))
    return settings


def is_shape(value: object) -> bool:
    """Tell whether a value is one shape: a tuple or list of sizes."""
    return isinstance(value, (tuple, list)) and all(is_int(v) for v in value)


def read_shape(layer: str, value: Any) -> Any:
    """Check that a value is a shape, or tuples of shapes; sizes are ints from 0."""
    if is_shape(value):
        for size in value:
            if not is_symbolic(size) and size < 0:
                raise ValueError(f"{layer}: a size is at least 0, got the shape {tuple(value)}")
        return tuple(value)
    if isinstance(value, (tuple, list)):
        return tuple(None if v is None else read_shape(layer, v) for v in value)
    raise TypeError(
        f"{layer}: a shape is a tuple of ints, such as (8, 3, 32, 32), or a tuple of shapes where "
        f"forward takes several inputs, got {value!r}"
    )
