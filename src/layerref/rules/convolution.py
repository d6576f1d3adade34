"""Rules of the convolutions: windows over padded axes, and their transposes."""

from collections.abc import Iterable, Iterator
from typing import Any

from layerref.rules.arithmetic import Number, equal, exact_div, largest, product
from layerref.rules.inverse import transposed_candidates, window_candidates
from layerref.rules.padding import source_fits
from layerref.rules.record import (
    SPATIAL,
    Entry,
    Need,
    Parameter,
    Rule,
    Settings,
    Steps,
    batched_or_not,
    fits_layout,
    need,
    not_empty,
    same_size,
)
from layerref.rules.sizes import conv_size, transposed_size, window_span, windows

IN = Parameter("in_channels", "int", letter="C_in", low=1, example=6)
OUT = Parameter("out_channels", "int", letter="C_out", low=1, example=12)
KERNEL = Parameter("kernel_size", "axes", letter="k", low=1, example=3)
STRIDE = Parameter("stride", "axes", 1, letter="s", low=1)
PADDING = Parameter("padding", "axes", 0, letter="p", low=0)
PADDING_OR_WORD = Parameter("padding", "axes", 0, letter="p", choices=("same", "valid"))
OUTPUT_PADDING = Parameter("output_padding", "axes", 0, letter="p_out")
DILATION = Parameter("dilation", "axes", 1, letter="d", low=1)
GROUPS = Parameter("groups", "int", 1, letter="G", low=1)
MULTIPLIER = Parameter("depth_multiplier", "int", 1, letter="m", low=1)
BIAS = Parameter("bias", "bool", True)
MODES = ("zeros", "reflect", "replicate", "circular")
PADDING_MODE = Parameter("padding_mode", "choice", "zeros", choices=MODES)
OUTPUT_SIZE = Parameter("output_size", "any", None, optional=True)


def window_fits(padded: Number, k: Number, d: Number) -> Need:
    """Need the padded axis to hold one window."""
    span = window_span(k, d)
    return need(
        span <= padded,
        "one window spans {span} elements (kernel {k}, dilation {d}), the padded axis has "
        "{padded}: take a smaller kernel or dilation, more padding, or a larger input",
        span=span,
        k=k,
        d=d,
        padded=padded,
    )


def check(s: Settings) -> Iterator[Need]:
    """Need equal groups, and stride 1 for padding that keeps the size."""
    for name in ("in_channels", "out_channels"):
        channels = getattr(s, name)
        yield need(
            equal(channels % s.groups, 0),
            "groups divides " + name + ", got {groups} groups and {channels} channels",
            groups=s.groups,
            channels=channels,
        )
    if not isinstance(s.padding, str) and getattr(s, "padding_mode", "zeros") == "zeros":
        for p in s.padding:
            yield need(p >= 0, "padding with zeros is at least 0, got {p}: crop the input", p=p)
    if s.padding == "same":
        for stride in s.stride:
            text = "padding='same' keeps the size, which takes stride 1, got {s}: give numbers"
            yield need(equal(stride, 1), text, s=stride)


def both_sides(s: Settings, axis: int) -> tuple[Number, Number]:
    """Return the padding before and after an axis; ``same`` puts the odd one after."""
    if s.padding == "valid":
        return 0, 0
    if s.padding == "same":
        total = s.dilation[axis] * (s.kernel_size[axis] - 1)
        return total // 2, total - total // 2
    return s.padding[axis], s.padding[axis]


def shape(x: Any, s: Settings) -> Steps[Any]:
    """Count the windows of each axis."""
    yield from fits_layout(x, s)
    *batch, channels = x[: len(x) - s.axes]
    yield same_size(channels, s.in_channels, "channel", "in_channels")
    yield not_empty(x, s.axes)
    sizes = []
    for n, i in enumerate(x[len(x) - s.axes :]):
        k, stride, d = s.kernel_size[n], s.stride[n], s.dilation[n]
        before, after = both_sides(s, n)
        yield from source_fits(s.padding_mode, i, before, after)
        yield window_fits(i + before + after, k, d)
        sizes.append(windows(i + before + after, k, stride, d))
    return (*batch, s.out_channels, *sizes)


def state(s: Settings) -> list[Entry]:
    """One filter for each output channel, over the input channels of its group."""
    weight = (s.out_channels, exact_div(s.in_channels, s.groups), *s.kernel_size)
    return [Entry("weight", weight), Entry("bias", (s.out_channels,), s.bias)]


def products(x: Any, y: Any, s: Settings) -> Number:
    """Apply every filter at every output position."""
    positions = product(y[: len(y) - s.axes - 1]) * product(y[len(y) - s.axes :])
    return 2 * positions * product(s.rule.state(s)[0].shape)


# ---------------------------------------------------------------- transposed
def transposed_check(s: Settings) -> Iterator[Need]:
    """Need equal groups, zeros as padding, and output padding that stays below the stride."""
    yield from check(s)
    text = "only padding_mode='zeros' has a transpose, got '{mode}'"
    yield need(s.padding_mode == "zeros", text, mode=s.padding_mode)


def requested_padding(x: Any, s: Settings, smallest_sizes: list[Number]) -> Steps[Any]:
    """Turn ``output_size`` into output padding, as forward does."""
    sizes = s.output_size
    text = "output_size is a tuple of sizes, got {size}"
    yield need(isinstance(sizes, (tuple, list)), text, size=sizes)
    if len(sizes) == len(x):
        sizes = sizes[len(x) - s.axes :]
    text = "output_size has {axes} sizes, or as many as the input has axes, got {size}"
    yield need(len(sizes) == s.axes, text, axes=s.axes, size=tuple(s.output_size))
    for size, low, stride in zip(sizes, smallest_sizes, s.stride):
        yield need(
            (size >= low) & (size <= low + stride - 1),
            "with these settings output_size is from {low} to {high}, got {size}",
            low=low,
            high=low + stride - 1,
            size=size,
        )
    return [size - low for size, low in zip(sizes, smallest_sizes)]


def transposed_shape(x: Any, s: Settings) -> Steps[Any]:
    """Find the size that the convolution with the same settings came from."""
    yield from fits_layout(x, s)
    *batch, channels = x[: len(x) - s.axes]
    yield same_size(channels, s.in_channels, "channel", "in_channels")
    yield not_empty(x, s.axes)
    per_axis = list(zip(x[len(x) - s.axes :], s.kernel_size, s.stride, s.padding, s.dilation))
    output_padding = s.output_padding
    if s.output_size is not None:
        smallest_sizes = [transposed_size(*settings) for settings in per_axis]
        output_padding = yield from requested_padding(x, s, smallest_sizes)
    sizes = []
    for (i, k, stride, p, d), more in zip(per_axis, output_padding):
        yield need(
            (more >= 0) & (more < largest(stride, d)),
            "output_padding is at least 0 and smaller than stride or dilation, got {more} with "
            "stride {stride} and dilation {d}",
            more=more,
            stride=stride,
            d=d,
        )
        size = transposed_size(i, k, stride, p, d, more)
        text = "the output would have size {size}: take less padding or a larger input"
        yield need(size >= 1, text, size=size)
        sizes.append(size)
    return (*batch, s.out_channels, *sizes)


def transposed_state(s: Settings) -> list[Entry]:
    """One filter for each input channel, over the output channels of its group."""
    weight = (s.in_channels, exact_div(s.out_channels, s.groups), *s.kernel_size)
    return [Entry("weight", weight), Entry("bias", (s.out_channels,), s.bias)]


# ---------------------------------------------------------------- depthwise, separable
def depthwise_state(s: Settings) -> list[Entry]:
    """``depth_multiplier`` filters for each channel."""
    channels = s.in_channels * s.depth_multiplier
    return [Entry("weight", (channels, 1, *s.kernel_size)), Entry("bias", (channels,), s.bias)]


def separable_state(s: Settings) -> list[Entry]:
    """Depthwise filters, then a 1 × 1 convolution that mixes the channels."""
    channels = s.in_channels * s.depth_multiplier
    return [
        Entry("depthwise.weight", (channels, 1, *s.kernel_size)),
        Entry("pointwise.weight", (s.out_channels, channels, 1, 1)),
        Entry("pointwise.bias", (s.out_channels,), s.bias),
    ]


def factored_shape(x: Any, s: Settings) -> Steps[Any]:
    """Keep to the rule of Conv2d; a depthwise convolution makes m channels of each."""
    out = getattr(s, "out_channels", None) or s.in_channels * s.depth_multiplier
    conv = Settings(**{**vars(s), "out_channels": out, "padding_mode": "zeros"})
    return (yield from shape(x, conv))


def same_takes_stride_1(s: Settings) -> Iterable[Need]:
    """Need what a convolution without groups needs."""
    conv = Settings(**{**vars(s), "out_channels": 1, "groups": 1})
    return check(conv)


def factored_products(x: Any, y: Any, s: Settings) -> Number:
    """Apply every weight at every output position."""
    positions = product(y[: len(y) - 3]) * product(y[len(y) - 2 :])
    weights = [product(e.shape) for e in s.rule.state(s) if len(e.shape) > 1]
    return 2 * positions * sum(weights)


def spatial(name: str, axes: int, *parameters: Parameter, **more: Any) -> Rule:
    """Build the rule of one convolution."""
    return Rule(
        name,
        "convolution",
        parameters,
        batched_or_not("C_in", axes),
        axes=axes,
        changes=("C", *SPATIAL[axes].split()),
        **more,
    )


RULES = [
    *(
        spatial(
            f"Conv{axes}d",
            axes,
            *(IN, OUT, KERNEL, STRIDE, PADDING_OR_WORD, DILATION, GROUPS, BIAS, PADDING_MODE),
            shape=shape,
            state=state,
            check=check,
            products=products,
            axis=conv_size,
            candidates=window_candidates,
        )
        for axes in (1, 2, 3)
    ),
    *(
        spatial(
            f"ConvTranspose{axes}d",
            axes,
            *(IN, OUT, KERNEL, STRIDE, PADDING, OUTPUT_PADDING, GROUPS, BIAS, DILATION),
            PADDING_MODE,
            shape=transposed_shape,
            state=transposed_state,
            check=transposed_check,
            products=lambda x, y, s: products(x, x, s),  # every filter at every input position
            forward=(OUTPUT_SIZE,),
            axis=transposed_size,
            candidates=transposed_candidates,
        )
        for axes in (1, 2, 3)
    ),
    spatial(
        "DepthwiseConv2d",
        2,
        *(IN, KERNEL, MULTIPLIER, STRIDE, PADDING_OR_WORD, DILATION, BIAS),
        shape=factored_shape,
        state=depthwise_state,
        check=same_takes_stride_1,
        products=factored_products,
        axis=conv_size,
        candidates=window_candidates,
    ),
    spatial(
        "SeparableConv2d",
        2,
        *(IN, OUT, KERNEL, MULTIPLIER, STRIDE, PADDING_OR_WORD, DILATION, BIAS),
        shape=factored_shape,
        state=separable_state,
        check=same_takes_stride_1,
        products=factored_products,
        axis=conv_size,
        candidates=window_candidates,
    ),
]
