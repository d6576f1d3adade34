"""Rules of the poolings: plain windows, adaptive windows, fractional windows."""

from collections.abc import Iterator
from typing import Any

from layerref.rules.arithmetic import Number
from layerref.rules.convolution import DILATION, KERNEL, PADDING, window_fits
from layerref.rules.inverse import (
    fractional_candidates,
    size_candidates,
    undilated_candidates,
    window_candidates,
)
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
from layerref.rules.sizes import pool_size, scaled_size

STRIDE_OR_KERNEL = Parameter("stride", "axes", None, letter="s", low=1, optional=True)
CEIL_MODE = Parameter("ceil_mode", "bool", False)
RETURN_INDICES = Parameter("return_indices", "bool", False, structural=True)
COUNT_PAD = Parameter("count_include_pad", "bool", True)
DIVISOR = Parameter("divisor_override", "int", None, optional=True)


def with_indices(y: Any, s: Settings) -> Any:
    """Return the shape, twice if the layer returns indices, too."""
    return (y, y) if getattr(s, "return_indices", False) else y


# ---------------------------------------------------------------- plain windows
def check(s: Settings) -> Iterator[Need]:
    """Need padding that no window lies in entirely, and a divisor other than 0."""
    for k, p in zip(s.kernel_size, s.padding):
        text = (
            "padding is at most half of the kernel, got {p} for a kernel of {k}: enlarge the kernel"
        )
        yield need(2 * p <= k, text, k=k, p=p)
    divisor = getattr(s, "divisor_override", None)
    if divisor is not None:
        text = "divisor_override is any int but 0, got {divisor}"
        yield need(divisor != 0, text, divisor=divisor)


def shape(x: Any, s: Settings) -> Steps[Any]:
    """Count the windows of each axis; the stride is the kernel unless it is given."""
    yield from fits_layout(x, s)
    yield not_empty(x, s.axes + 1)
    dilation = getattr(s, "dilation", (1,) * s.axes)
    strides = s.kernel_size if s.stride is None else s.stride
    per_axis = zip(x[len(x) - s.axes :], s.kernel_size, strides, s.padding, dilation)
    sizes = []
    for i, k, stride, p, d in per_axis:
        size = pool_size(i, k, stride, p, d, s.ceil_mode)
        if s.rule.name == "AvgPool3d":  # the only one that torch lets not hang over the edge
            yield window_fits(i, k, d)
        text = "the output would have size {size}: take a smaller kernel or a larger input"
        yield need(size >= 1, text, size=size)
        sizes.append(size)
    return with_indices((*x[: len(x) - s.axes], *sizes), s)


def average_size(i: Number, k: Number, s: Number, p: Number, ceil_mode: Any = False) -> Number:
    """Size after AvgPool: as MaxPool's, without dilation."""
    return pool_size(i, k, s, p, 1, ceil_mode)


# ---------------------------------------------------------------- adaptive windows
def adaptive_size(i: Number, o: Number | None) -> Number:
    """Size after adaptive pooling: what was asked for; ``None`` keeps the axis."""
    return i if o is None else o


def adaptive_check(s: Settings) -> Iterator[Need]:
    """Need a size for each axis, if only ``None``."""
    text = "output_size is a number, or one or None for each axis, got None: write {write}"
    yield need(s.output_size is not None, text, write=(None,) * s.axes)


def adaptive_shape(x: Any, s: Settings) -> Steps[Any]:
    """Take the sizes that were asked for."""
    yield from fits_layout(x, s)
    sizes = tuple(adaptive_size(i, o) for i, o in zip(x[len(x) - s.axes :], s.output_size))
    yield not_empty(x, len(x) - 1)
    return with_indices((*x[: len(x) - s.axes], *sizes), s)


# ---------------------------------------------------------------- fractional windows
def fractional_check(s: Settings) -> Iterator[Need]:
    """Need exactly one way to say how large the output is."""
    given = (s.output_size is not None) + (s.output_ratio is not None)
    yield need(given == 1, "give either output_size or output_ratio, got {given}", given=given)
    for ratio in s.output_ratio or ():
        text = "output_ratio lies between 0 and 1, both excluded, got {ratio}"
        yield need((ratio > 0) & (ratio < 1), text, ratio=ratio)


def fractional_shape(x: Any, s: Settings) -> Steps[Any]:
    """Take the size that was asked for, or a share of the input's; windows have to fit."""
    yield from fits_layout(x, s)
    yield not_empty(x, len(x) - 1)
    sizes = []
    for n, i in enumerate(x[len(x) - s.axes :]):
        k = s.kernel_size[n]
        o = s.output_size[n] if s.output_size else scaled_size(i, s.output_ratio[n])
        least = o + k - 1 if s.axes == 2 else o + k  # torch asks for one more in three dimensions
        yield need(
            least <= i,
            "{o} windows of {k} take at least {least} elements, the axis has {i}: take a smaller "
            "kernel or output",
            o=o,
            k=k,
            least=least,
            i=i,
        )
        sizes.append(o)
    return with_indices((*x[: len(x) - s.axes], *sizes), s)


def pool_rule(name: str, axes: int, *parameters: Parameter, **more: Any) -> Rule:
    """Build the rule of one pooling."""
    letters = tuple(SPATIAL[axes].split())
    return Rule(
        name, "pooling", parameters, batched_or_not("C", axes), axes=axes, changes=letters, **more
    )


GROWS_BY_ONE = "no axis grow by more than 1"  # as padding is at most half of the kernel
TARGET = Parameter("output_size", "axes", letter="o", low=0, optional=True, example=7)
SIZE = Parameter("output_size", "axes", None, letter="o", low=0, optional=True)
RATIO = Parameter("output_ratio", "ratios", None, letter="r", optional=True, example=0.5)
SAMPLES = Parameter("_random_samples", "any", None, optional=True)
RULES = [
    *(
        pool_rule(
            f"MaxPool{axes}d",
            axes,
            *(KERNEL, STRIDE_OR_KERNEL, PADDING, DILATION, RETURN_INDICES, CEIL_MODE),
            shape=shape,
            check=check,
            axis=pool_size,
            candidates=window_candidates,
            limit=GROWS_BY_ONE,
        )
        for axes in (1, 2, 3)
    ),
    *(
        pool_rule(
            f"AvgPool{axes}d",
            axes,
            *(KERNEL, STRIDE_OR_KERNEL, PADDING, CEIL_MODE, COUNT_PAD),
            *([DIVISOR] if axes > 1 else []),
            shape=shape,
            check=check,
            axis=average_size,
            candidates=undilated_candidates,
            limit=GROWS_BY_ONE,
        )
        for axes in (1, 2, 3)
    ),
    *(
        pool_rule(
            f"Adaptive{kind}Pool{axes}d",
            axes,
            *([TARGET, RETURN_INDICES] if kind == "Max" else [TARGET]),
            shape=adaptive_shape,
            check=adaptive_check,
            axis=adaptive_size,
            candidates=size_candidates,
        )
        for kind in ("Max", "Avg")
        for axes in (1, 2, 3)
    ),
    *(
        pool_rule(
            f"FractionalMaxPool{axes}d",
            axes,
            *(KERNEL, SIZE, RATIO, RETURN_INDICES, SAMPLES),
            shape=fractional_shape,
            check=fractional_check,
            axis=scaled_size,
            mode="random",
            candidates=fractional_candidates,
            limit="no axis grow",
        )
        for axes in (2, 3)
    ),
]
