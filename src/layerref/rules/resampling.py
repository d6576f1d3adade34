"""Rules of Upsample, Unfold and Fold."""

from collections.abc import Iterator
from typing import Any

from layerref.rules.arithmetic import Number, equal, exact_div, product
from layerref.rules.convolution import DILATION, KERNEL, PADDING, STRIDE, window_fits
from layerref.rules.inverse import scale_candidates
from layerref.rules.record import (
    Need,
    Parameter,
    Rule,
    Settings,
    Steps,
    fits_layout,
    need,
    not_empty,
)
from layerref.rules.sizes import conv_size, scaled_size

# ---------------------------------------------------------------- Upsample
RANKS = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "trilinear": (5,),
}


def upsample_check(s: Settings) -> Iterator[Need]:
    """Need exactly one way to say the size, and corners only where they are interpolated."""
    given = (s.size is not None) + bool(s.scale_factor)  # torch takes a factor of 0 for none
    yield need(given == 1, "give either size or scale_factor, got {given} of them", given=given)
    if s.align_corners is not None:
        text = "align_corners belongs to the (bi-, tri-)linear and bicubic modes, mode is '{mode}'"
        yield need(s.mode not in ("nearest", "nearest-exact", "area"), text, mode=s.mode)
    if s.recompute_scale_factor:
        text = "recompute_scale_factor has no meaning with a size, which is {size}: leave it out"
        yield need(s.size is None, text, size=s.size)


def upsample_shape(x: Any, s: Settings) -> Steps[Any]:
    """Name the size of each spatial axis, or multiply and round down."""
    yield from fits_layout(x, s)
    ranks = RANKS[s.mode]
    text = "mode '{mode}' takes an input of {ranks} axes (N, C, ...), got {rank}"
    words = " or ".join(map(str, ranks))
    yield need(len(x) in ranks, text, mode=s.mode, ranks=words, rank=len(x))
    before = x[2:]
    given = s.scale_factor if s.size is None else s.size
    per_axis = given if isinstance(given, tuple) else (given,) * len(before)
    text = "size or scale_factor has one number for each of the {axes} spatial axes, got {given}"
    yield need(len(per_axis) == len(before), text, axes=len(before), given=given)
    after = per_axis if s.size is not None else tuple(map(scaled_size, before, per_axis))
    for i, o in zip(before, after):
        yield need(o >= 1, "the size after is at least 1, got {o} from {i}: ask for more", i=i, o=o)
    yield not_empty(x, len(x) - 1)
    return (*x[:2], *after)


# ---------------------------------------------------------------- Unfold, Fold
def blocks(sizes: Any, s: Settings) -> Steps[Number]:
    """Count the windows of all axes together."""
    counts = []
    for i, k, stride, p, d in zip(sizes, s.kernel_size, s.stride, s.padding, s.dilation):
        yield window_fits(i + 2 * p, k, d)
        counts.append(conv_size(i, k, stride, p, d))
    return product(counts)


def unfold_shape(x: Any, s: Settings) -> Steps[Any]:
    """Make a column of every window."""
    yield from fits_layout(x, s)
    yield not_empty(x, 3)
    count = yield from blocks(x[-2:], s)
    *batch, channels = x[:-2]
    return (*batch, channels * product(s.kernel_size), count)


def fold_shape(x: Any, s: Settings) -> Steps[Any]:
    """Put every column back to its window."""
    yield from fits_layout(x, s)
    yield not_empty(x, 2)
    *batch, rows, columns = x
    window = product(s.kernel_size)
    yield need(
        equal(rows % window, 0),
        "a column holds channels times the {window} elements of a window, got {rows} rows",
        window=window,
        rows=rows,
    )
    count = yield from blocks(s.output_size, s)
    yield need(
        equal(columns, count),
        "{count} windows fit into output_size, the input has {columns} columns: they must be equal",
        count=count,
        columns=columns,
    )
    return (*batch, exact_div(rows, window), *s.output_size)


SIZE = Parameter("size", "axes", None, letter="o", optional=True)
SCALE = Parameter("scale_factor", "ratios", None, letter="r", optional=True, example=2)
OUTPUT_SIZE = Parameter("output_size", "axes", letter="o", low=1, example=8)
RULES = [
    Rule(
        "Upsample",
        "resampling",
        (
            SIZE,
            SCALE,
            Parameter("mode", "choice", "nearest", choices=tuple(RANKS)),
            Parameter("align_corners", "bool", None, optional=True, structural=True),
            Parameter("recompute_scale_factor", "bool", None, optional=True, structural=True),
        ),
        ("N C H W", "N C L", "N C D H W"),
        upsample_shape,
        check=upsample_check,
        axis=scaled_size,
        changes=("L", "D", "H", "W"),
        candidates=scale_candidates,
    ),
    Rule(
        "Unfold",
        "resampling",
        (KERNEL, DILATION, PADDING, STRIDE),
        ("N C H W", "C H W"),
        unfold_shape,
        axis=conv_size,
        axes=2,
        changes=("C", "H", "W"),
    ),
    Rule(
        "Fold",
        "resampling",
        (OUTPUT_SIZE, KERNEL, DILATION, PADDING, STRIDE),
        ("N K L", "K L"),
        fold_shape,
        axes=2,
        changes=("K", "L"),
    ),
]
