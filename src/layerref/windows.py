"""Padding and sliding windows: the one idea under convolution, pooling and unfold.

Convolution, pooling and unfold read the input through :func:`sliding_windows`. Transposed
convolution and fold write through it, by :func:`overlap_add`. Each is the gradient of the other.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def sliding_windows(
    input: Tensor, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    r"""View the last axes of ``input`` through a sliding window.

    .. math:: \mathrm{windows}[\ldots, o, j] = \mathrm{input}[\ldots, s\,o + d\,j]

    on each of the last ``len(kernel_size)`` axes. No element is copied: the result,
    ``(*, *out, *kernel_size)``, is a strided view in which the values repeat. Its gradient is
    :func:`overlap_add`.

    Examples
    --------
    >>> sliding_windows(torch.arange(6), (3,), (1,), (1,)).tolist()
    [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    >>> sliding_windows(torch.arange(6), (2,), (2,), (3,)).tolist()      # s=2, d=3
    [[0, 3], [2, 5]]

    A window may be as wide as the input, not wider:

    >>> sliding_windows(torch.arange(5), (3,), (1,), (2,)).tolist()
    [[0, 2, 4]]
    >>> sliding_windows(torch.arange(4), (3,), (1,), (2,))
    Traceback (most recent call last):
        ...
    ValueError: a window of kernel_size=3 and dilation=2 spans 5 cells, more than the 4 of the
        padded input (4,): use a smaller kernel or dilation, a larger input or more padding
    """
    for size, k, d in zip(input.shape[input.dim() - len(kernel_size) :], kernel_size, dilation):
        if d * (k - 1) + 1 > size:
            raise ValueError(
                f"a window of kernel_size={k} and dilation={d} spans {d * (k - 1) + 1} cells, "
                f"more than the {size} of the padded input {tuple(input.shape)}: "
                "use a smaller kernel or dilation, a larger input or more padding"
            )
    return _SlidingWindows.apply(input, tuple(kernel_size), tuple(stride), tuple(dilation))


def overlap_add(
    windows: Tensor, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    r"""Put windows back in their places and add where they overlap.

    .. math::

        \mathrm{output}[\ldots, i] = \sum_{o, j : s\,o + d\,j = i} \mathrm{windows}[\ldots, o, j]

    on the last ``len(size)`` axes of the output, ``(*, *size)``. It is the adjoint of
    :func:`sliding_windows`: :math:`\langle \mathrm{sliding\_windows}(x), w\rangle =
    \langle x, \mathrm{overlap\_add}(w)\rangle`, not its inverse.

    Examples
    --------
    >>> x = torch.arange(6)
    >>> overlap_add(sliding_windows(x, (3,), (1,), (1,)), (6,), (1,), (1,)).tolist()
    [0, 2, 6, 9, 8, 5]
    >>> overlap_add(torch.ones(4, 3), (6,), (1,), (1,)).tolist()        # how often a cell was read
    [1.0, 2.0, 3.0, 3.0, 2.0, 1.0]
    """
    return _OverlapAdd.apply(windows, tuple(size), tuple(stride), tuple(dilation))


class _SlidingWindows(torch.autograd.Function):
    """The view of :func:`sliding_windows`; backward is several times faster than unfold's own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, kernel_size: Any, stride: Any, dilation: Any) -> Tensor:
        first = input.dim() - len(kernel_size)
        for axis, (k, s, d) in enumerate(zip(kernel_size, stride, dilation), start=first):
            # Tensor.unfold appends the window as a new last axis and leaves the others in place
            input = input.unfold(axis, d * (k - 1) + 1, s)[..., ::d]
        return input

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        input, ctx.kernel_size, ctx.stride, ctx.dilation = inputs
        ctx.size = input.shape[input.dim() - len(ctx.kernel_size) :]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return overlap_add(gradient, ctx.size, ctx.stride, ctx.dilation), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        # a view, as autograd demands
        return _SlidingWindows.forward(tangent, ctx.kernel_size, ctx.stride, ctx.dilation)


class _OverlapAdd(torch.autograd.Function):
    """The sum of :func:`overlap_add`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(windows: Tensor, size: Any, stride: Any, dilation: Any) -> Tensor:
        axes = len(size)
        out, kernel_size = windows.shape[-2 * axes : -axes], windows.shape[-axes:]
        output = windows.new_zeros(*windows.shape[: -2 * axes], *size)
        # one tap of the kernel writes each cell at most once, so all its windows are added
        # together; two taps may write the same cell, so they take turns
        for tap in itertools.product(*(range(k) for k in kernel_size)):
            cells: tuple[Any, ...] = tuple(
                slice(d * j, d * j + s * (o - 1) + 1, s)
                for j, o, s, d in zip(tap, out, stride, dilation)
            )
            taken: tuple[Any, ...] = (..., *tap)
            output[(..., *cells)] += windows[taken]
        return output

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        windows, size, ctx.stride, ctx.dilation = inputs
        ctx.size, ctx.kernel_size = size, windows.shape[windows.dim() - len(size) :]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        windows = sliding_windows(gradient, ctx.kernel_size, ctx.stride, ctx.dilation)
        return windows, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return overlap_add(tangent, ctx.size, ctx.stride, ctx.dilation)


def to_columns(windows: Tensor, axes: int) -> Tensor:
    """Lay every window out as one column: ``(*, C, *out, *k)`` to ``(*, C k, L)``.

    L is the number of windows; the rows run over the channel first, then over the window.
    """
    windows = windows.movedim(tuple(range(-axes, 0)), tuple(range(-2 * axes, -axes)))
    return windows.flatten(-2 * axes - 1, -axes - 1).flatten(-axes)


def from_columns(columns: Tensor, out: Sequence[int], kernel_size: Sequence[int]) -> Tensor:
    """Undo :func:`to_columns`: ``(*, C k, L)`` to ``(*, C, *out, *k)``."""
    axes = len(kernel_size)
    windows = columns.unflatten(-1, tuple(out)).unflatten(-axes - 1, (-1, *kernel_size))
    return windows.movedim(tuple(range(-2 * axes, -axes)), tuple(range(-axes, 0)))


def check_window(
    layer: str,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> None:
    """Refuse windows that are empty, stand still, or read cells that a negative padding cut off.

    Examples
    --------
    >>> usual = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    >>> check_window("Conv2d", **usual)
    >>> check_window("Conv2d", **usual | {"padding": (2, -1)})
    Traceback (most recent call last):
        ...
    ValueError: Conv2d: padding is at least 0 on every axis, got (2, -1): give padding values
        >= 0
    """
    for name, values, least in (
        ("kernel_size", kernel_size, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if min(values) < least:
            raise ValueError(
                f"{layer}: {name} is at least {least} on every axis, got {tuple(values)}: "
                f"give {name} values >= {least}"
            )


def pad(
    input: Tensor, pads: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0.0
) -> Tensor:
    """Extend (or, where negative, crop) the last axes of ``input``.

    ``pads`` holds (before, after) for each of the last ``len(pads)`` axes, in the order of the
    axes. ``mode`` is ``"constant"``, ``"reflect"`` (mirror without repeating the edge),
    ``"replicate"`` (repeat the edge) or ``"circular"`` (wrap around what a crop has left).

    Examples
    --------
    >>> x = torch.tensor([1, 2, 3])
    >>> [pad(x, [(2, 1)], mode).tolist() for mode in ("reflect", "replicate", "circular")]
    [[3, 2, 1, 2, 3, 2], [1, 1, 1, 2, 3, 3], [2, 3, 1, 2, 3, 1]]
    >>> pad(x, [(2, -1)]).tolist()
    [0, 0, 1, 2]

    A mirror or a wrapped copy has only so many cells to show. A crop comes first, and is a view:

    >>> pad(x, [(2, 2)], "reflect").tolist(), pad(x, [(3, 3)], "circular").tolist()
    ([3, 2, 1, 2, 3, 2, 1], [1, 2, 3, 1, 2, 3, 1, 2, 3])
    >>> pad(x, [(3, 0)], "reflect")
    Traceback (most recent call last):
        ...
    ValueError: reflect padding of an axis of size 3 adds at most 2 on each side, got (3, 0)
        for an input of shape (3,): change the padding, its mode, or the size of the input
    >>> pad(torch.arange(5), [(-1, 2)], "circular").tolist()
    [1, 2, 3, 4, 1, 2]
    >>> pad(x, [(0, -1)])._is_view(), pad(x, [(-1, 0)])._is_view(), pad(x, [(0, 0)]) is x
    (True, True, True)

    All cells may go, but not more. The modes that copy from what is there keep one:

    >>> pad(x, [(-1, -2)]).tolist(), pad(x, [(-1, -2)], "circular").tolist()
    ([], [])
    >>> pad(x, [(-1, -1)], "replicate").tolist(), pad(x, [(-1, -1)], "reflect").tolist()
    ([2], [2])
    >>> pad(x, [(-2, -2)])
    Traceback (most recent call last):
        ...
    ValueError: constant padding of an axis of size 3 cannot remove all cells on each side, got
        (-2, -2) for an input of shape (3,): change the padding, its mode, or the size of the
        input
    >>> pad(x, [(-1, -2)], "replicate")
    Traceback (most recent call last):
        ...
    ValueError: replicate padding of an axis of size 3 cannot remove all cells on each side,
        got (-1, -2) for an input of shape (3,): change the padding, its mode, or the size of
        the input
    """
    for axis, (before, after) in enumerate(pads, start=input.dim() - len(pads)):
        if before == after == 0:
            continue
        size = input.shape[axis]
        kept = size + min(before, 0) + min(after, 0)
        # a mirror shows every cell but the edge, a wrapped copy every cell that a crop left
        most = {"reflect": size - 1, "circular": kept}.get(mode, max(before, after))
        if mode in ("constant", "circular"):  # crop before they extend, may leave nothing
            emptied = kept < 0
        else:
            emptied = min(size, size + before + after) < 1
        if emptied or max(before, after) > most:
            rule = "cannot remove all cells" if emptied else f"adds at most {most}"
            raise ValueError(
                f"{mode} padding of an axis of size {size} {rule} on each side, got "
                f"{(before, after)} for an input of shape {tuple(input.shape)}: "
                "change the padding, its mode, or the size of the input"
            )
        if mode == "constant":
            input = input.narrow(axis, max(-before, 0), kept)
            if before > 0 or after > 0:
                left, right = (
                    input.new_full(
                        (*input.shape[:axis], max(n, 0), *input.shape[axis + 1 :]), value
                    )
                    for n in (before, after)
                )
                input = torch.cat([left, input, right], axis)
            continue
        position = torch.arange(-before, size + after, device=input.device)
        if mode == "reflect":
            position = (size - 1) - ((size - 1) - position.abs()).abs()
        elif mode == "replicate":
            position = position.clamp(0, size - 1)
        else:
            first = max(-before, 0)
            position = first + (position - first) % kept
        input = input.index_select(axis, position)
    return input
