"""One axis before and after a layer: the rules that pages typeset and browsers evaluate.

``i`` is the size of the axis before the layer; the answer is its size after it. ``k``, ``s``, ``p``
and ``d`` are kernel, stride, padding and dilation on this axis.
"""

from typing import Any

from layerref.rules.arithmetic import Number, ceil_div, choose, scaled, smallest


def window_span(k: Number, d: Number) -> Number:
    """Count the elements from the first to the last that one window sees.

    >>> window_span(k=3, d=1), window_span(k=3, d=2)
    (3, 5)
    """
    return d * (k - 1) + 1


def windows(i: Number, k: Number, s: Number, d: Number) -> Number:
    """Count the windows that fit into an axis: a first one, and one for every further stride."""
    return (i - d * (k - 1) - 1) // s + 1


def conv_size(i: Number, k: Number, s: Number, p: Number, d: Number) -> Number:
    """Size after a convolution, or after Unfold: windows in the axis padded on both sides.

    >>> conv_size(i=128, k=3, s=1, p=0, d=1), conv_size(i=7, k=3, s=2, p=1, d=1)
    (126, 4)
    """
    return windows(i + 2 * p, k, s, d)


def pool_size(
    i: Number, k: Number, s: Number, p: Number, d: Number, ceil_mode: Any = False
) -> Number:
    """Size after MaxPool or AvgPool.

    ``ceil_mode`` lets a last window reach beyond the padding, but it must start inside the input or
    the padding before it: window number o starts at (o - 1)·s, and i + p is too far.

    >>> pool_size(i=6, k=3, s=2, p=0, d=1), pool_size(i=6, k=3, s=2, p=0, d=1, ceil_mode=True)
    (2, 3)
    >>> pool_size(i=3, k=2, s=2, p=1, d=1, ceil_mode=True)      # plain ceil would say 3 + 1 / 2 + 1
    2
    """
    reaching = ceil_div(i + 2 * p - d * (k - 1) - 1, s)
    starting_inside = (i + p - 1) // s
    return choose(ceil_mode, smallest(reaching, starting_inside) + 1, conv_size(i, k, s, p, d))


def transposed_size(
    i: Number, k: Number, s: Number, p: Number, d: Number, output_padding: Number = 0
) -> Number:
    """Size after a transposed convolution: one that the convolution brings to ``i``.

    With stride s there are s such sizes; ``output_padding`` counts from the smallest.

    >>> transposed_size(i=14, k=3, s=2, p=1, d=1), transposed_size(14, 3, 2, 1, 1, output_padding=1)
    (27, 28)
    """
    return (i - 1) * s - 2 * p + d * (k - 1) + output_padding + 1


def padded_size(i: Number, p1: Number, p2: Number) -> Number:
    """Size after padding before (p1) and after (p2); negative numbers crop.

    >>> padded_size(5, 2, 1), padded_size(5, 0, -1)
    (8, 4)
    """
    return i + p1 + p2


def scaled_size(i: Number, scale: Any) -> Number:
    """Size after Upsample by a scale, or FractionalMaxPool by a ratio: rounded down.

    >>> scaled_size(7, 1.5)
    10
    """
    return scaled(i, scale)
