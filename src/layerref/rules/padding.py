"""Rules of the padding layers: one size before and one after each of the last axes."""

from collections.abc import Iterator
from typing import Any

from layerref.rules.arithmetic import Number, smallest
from layerref.rules.inverse import padding_candidates
from layerref.rules.record import (
    SPATIAL,
    Need,
    Parameter,
    Rule,
    Settings,
    Steps,
    batched_or_not,
    fits_layout,
    need,
    not_empty,
)
from layerref.rules.sizes import padded_size


def source_fits(mode: str, i: Number, before: Number, after: Number) -> Iterator[Need]:
    """Need an axis to hold what its padding copies: ``reflect`` leaves out the edge itself."""
    if mode == "circular":
        text = "{reach} elements are left to copy {more} from: pad less than once around"
        for more, crop in ((before, after), (after, before)):
            reach = i + smallest(crop, 0)
            yield need(more <= reach, text, reach=reach, more=more)
    elif mode == "reflect":
        yield need(
            (before < i) & (after < i),
            "reflection is shorter than the axis, which has size {i}, got padding {before} before "
            "and {after} after: pad less, or replicate the edge",
            i=i,
            before=before,
            after=after,
        )


def sides(s: Settings) -> list[tuple[Number, Number]]:
    """Read the padding, last axis first, as (before, after) for each axis in order."""
    flat = s.padding
    return [(flat[n], flat[n + 1]) for n in range(2 * s.axes - 2, -1, -2)]


def pad_shape(x: Any, s: Settings, mode: str) -> Steps[Any]:
    """Extend or crop the last axes."""
    yield from fits_layout(x, s)
    if mode in ("replicate", "reflect"):
        yield not_empty(x, s.axes + 1)
    sizes = []
    for i, (before, after) in zip(x[len(x) - s.axes :], sides(s)):
        yield from source_fits(mode, i, before, after)
        size = padded_size(i, before, after)
        left = i + smallest(before, 0) + smallest(after, 0) if mode == "constant" else size
        least = 1 if mode in ("replicate", "reflect") else 0  # an edge to look at
        yield need(
            left >= least,
            "padding of {before} before and {after} after leaves {left} of {i} elements: crop less",
            left=left,
            i=i,
            before=before,
            after=after,
        )
        sizes.append(size)
    return (*x[: len(x) - s.axes], *sizes)


LIMITS = {
    "reflect": "an axis grow by less than its size on either side",
    "circular": "an axis grow by its size at most on either side",
}


def pad_rule(prefix: str, mode: str, axes: int, *parameters: Parameter) -> Rule:
    """Build the rule of one padding layer."""
    letters = SPATIAL[axes]
    layouts = (f"N C {letters}", f"* {letters}")
    return Rule(
        f"{prefix}Pad{axes}d",
        "padding",
        (Parameter("padding", "pads", letter="p", example=1), *parameters),
        layouts if mode == "constant" else batched_or_not("C", axes),
        lambda x, s: pad_shape(x, s, mode),
        axis=padded_size,
        changes=tuple(letters.split()),
        axes=axes,
        candidates=padding_candidates,
        limit=LIMITS.get(mode, ""),
    )


RULES = [
    rule
    for axes in (1, 2, 3)
    for rule in (
        pad_rule("Constant", "constant", axes, Parameter("value", "float", example=0.0)),
        pad_rule("Zero", "constant", axes),
        pad_rule("Replication", "replicate", axes),
        pad_rule("Reflection", "reflect", axes),
        pad_rule("Circular", "circular", axes),
    )
]
