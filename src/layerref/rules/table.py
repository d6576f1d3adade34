"""All rules by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from layerref.rules import (
    attention,
    basic,
    convolution,
    normalization,
    padding,
    pooling,
    recurrent,
    resampling,
    transformer,
)
from layerref.rules.reading import suggest
from layerref.rules.record import Rule

FAMILIES = (
    *(basic, padding, normalization, convolution, pooling, resampling),
    *(recurrent, attention, transformer),
)
LAYERS: Mapping[str, Rule] = MappingProxyType(
    {rule.name: rule for family in FAMILIES for rule in family.RULES}
)
"""The rule of every layer, by its class's name."""


def find(layer: Any) -> Rule:
    """Find the rule of a layer, given by name or class."""
    name = layer if isinstance(layer, str) else getattr(layer, "__name__", None)
    if name is None:
        raise TypeError(f"a layer is given by its name or class, got {layer!r}")
    if name not in LAYERS:
        same_but_case = [known for known in LAYERS if known.lower() == name.lower()]
        hint = f": did you mean {same_but_case[0]}?" if same_but_case else suggest(name, LAYERS)
        raise ValueError(f"no layer is called {name!r}{hint or ', see layerref.rules.LAYERS'}")
    return LAYERS[name]
