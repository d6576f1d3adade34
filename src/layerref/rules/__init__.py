"""Rules: what comes out of a layer and what it costs, asked without building the layer.

Public: :func:`output_shape`, :func:`parameter_count`, :func:`flops`, :func:`settings_for`. What the
documentation is made from: :data:`LAYERS` (everything known about each layer), :func:`formula` and
:func:`trace` (the same rules with SymPy symbols), :func:`latex`, :func:`javascript`,
:func:`state_keys` and :func:`example`.

Each rule is written once, in steps. It yields what it *needs*, then returns its answer:

>>> from layerref.rules.record import need, settle
>>> def halves(i):
...     yield need(i >= 2, "the axis has at least 2 elements, got {i}: pad it", i=i)
...     return i // 2
>>> settle("Halves", halves(7))                          # ints: no open need, and the answer
([], 3)
>>> settle("Halves", halves(1))
Traceback (most recent call last):
ValueError: Halves: the axis has at least 2 elements, got 1: pad it
>>> import sympy
>>> needs, size = settle("Halves", halves(sympy.Symbol("i", integer=True)))
>>> needs[0].holds, size                                 # symbols: what a browser has to check
(i >= 2, floor(i/2))
"""

from layerref.rules.api import flops, output_shape, parameter_count, settings_for
from layerref.rules.record import Entry, Need, Parameter, Rule
from layerref.rules.symbolic import Trace, example, formula, javascript, latex, state_keys, trace
from layerref.rules.table import LAYERS

__all__ = ["flops", "output_shape", "parameter_count", "settings_for"]

_FOR_DOCUMENTATION = (
    *(LAYERS, Entry, Need, Parameter, Rule, Trace),
    *(example, formula, javascript, latex, state_keys, trace),
)
