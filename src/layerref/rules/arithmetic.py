"""Arithmetic for rules: every function here takes ints or SymPy expressions alike.

A rule is written once, with ``+ - * //``, comparisons, ``&`` and these helpers. Called with ints it
computes; called with SymPy symbols the same lines build the expression that a page typesets and a
browser evaluates. Two of Python's habits do not carry over to symbols, so rules avoid them: ``==``
compares symbols at once instead of stating an equation (write :func:`equal`), and ``if`` needs an
answer now (write :func:`choose`).
"""

import importlib
import math
from typing import Any

Number = Any
"""An int, or a SymPy expression that stands for one."""


def sympy() -> Any:
    """Import SymPy when the first symbol asks for it: it is slow to load."""
    return importlib.import_module("sympy")


def is_symbolic(*values: object) -> bool:
    """Tell whether a value is SymPy's."""
    return any(hasattr(value, "free_symbols") for value in values)


def equal(a: Number, b: Number) -> Any:
    """State that two numbers are equal."""
    if is_symbolic(a, b):
        return sympy().Eq(a, b)
    return a == b


def choose(flag: Any, yes: Number, no: Number) -> Number:
    """Take ``yes`` where the flag (a bool, a condition, or a symbol that is 0 or 1) holds."""
    if is_symbolic(flag):
        condition = flag > 0 if isinstance(flag, sympy().Expr) else flag
        return sympy().Piecewise((yes, condition), (no, True))
    return yes if flag else no


def implies(flag: Any, condition: Any) -> Any:
    """State a condition that matters only where the flag holds.

    >>> implies(1, 2 > 3), implies(0, 2 > 3)
    (False, True)
    """
    if is_symbolic(flag):
        return sympy().Or(flag <= 0, condition)
    return condition if flag else True


def smallest(*values: Number) -> Number:
    """Return the smallest value."""
    if is_symbolic(*values):
        return sympy().Min(*values)
    return min(values)


def largest(*values: Number) -> Number:
    """Return the largest value."""
    if is_symbolic(*values):
        return sympy().Max(*values)
    return max(values)


def ceil_div(a: Number, b: Number) -> Number:
    """Divide and round up, without floats.

    >>> ceil_div(7, 2), ceil_div(6, 2), ceil_div(-1, 2)
    (4, 3, 0)
    """
    if is_symbolic(a, b):
        return sympy().ceiling(sympy().sympify(a) / b)
    return -(-a // b)


def exact_div(a: Number, b: Number) -> Number:
    """Divide where a rule has made sure that nothing remains, so that no floor is printed."""
    if is_symbolic(a, b):
        return sympy().sympify(a) / b
    return a // b


def scaled(size: Number, factor: Any) -> Number:
    """Multiply by a float and round down, as torch does for scale factors and ratios.

    >>> scaled(10, 0.3), scaled(10, 0.1 * 3)      # 0.1 * 3 is a little more than 0.3
    (3, 3)
    >>> scaled(100, 0.29)                          # 28.999999999999996 in floating point
    28
    """
    if is_symbolic(size, factor):
        return sympy().floor(size * factor)
    return math.floor(size * factor)


def product(values: Any) -> Number:
    """Multiply the values; 1 for none."""
    return math.prod(values)


def as_flag(condition: Any) -> Number:
    """Turn a condition into 1 or 0; a symbol for a flag is one already.

    >>> as_flag(True), as_flag(0 > 1)
    (1, 0)
    """
    if is_symbolic(condition) and isinstance(condition, sympy().Expr):
        return condition
    return choose(condition, 1, 0)
