"""Unfold and Fold: an image as columns of windows, and columns added up to an image."""

import math
from collections.abc import Sequence

import torch  # noqa: F401 (for the doctests)
from torch import Tensor, nn

from layerref.checks import check_rank, per_axis
from layerref.windows import (
    check_window,
    from_columns,
    overlap_add,
    pad,
    sliding_windows,
    to_columns,
)


class _Windows(nn.Module):
    """The options that Unfold and Fold share, kept as given."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int],
        padding: int | Sequence[int],
        stride: int | Sequence[int],
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride
        check_window(type(self).__name__, *self._window())

    def _window(self) -> list[tuple[int, ...]]:
        """Return kernel size, stride, padding and dilation, each per axis."""
        names = ("kernel_size", "stride", "padding", "dilation")
        return [per_axis(name, getattr(self, name), 2) for name in names]

    def extra_repr(self) -> str:
        """Name all options, as torch does."""
        names = ("kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class Unfold(_Windows):
    r"""Lay every window of an image out as a column.

    .. math:: y_{n,\,(c,j),\,o} = x_{n,c,\,s\,o + d\,j - p}

    where the position :math:`o` and the tap :math:`j` are pairs (row, column), each counted row by
    row. This is the step of :class:`Conv2d` before the product with the weight. Cells outside the
    image are 0. Nothing is learned, and train equals eval.

    Parameters
    ----------
    kernel_size
        Cells k of a window per axis; >= 1. An int stands for both axes, here and below.
    dilation
        Distance d of neighbouring cells of a window; >= 1. Mind the order of the arguments:
        :class:`Conv2d` has stride, padding, dilation.
    padding
        Zeros p added on both sides of each axis; >= 0.
    stride
        Distance s of neighbouring windows; >= 1.

    Shape
    -----
    input: ``(N, C, H, W)`` or ``(C, H, W)``. Output: ``(N, C k_h k_w, L)`` or ``(C k_h k_w, L)``.
    L is the number of windows: the product over both axes of
    :math:`\lfloor (i + 2p - d(k-1) - 1) / s \rfloor + 1`.

    Raises
    ------
    ValueError
        A number is out of its range; the input has other axes or is empty (but for the batch);
        the window does not fit into the padded image.

    References
    ----------
    Chellapilla, Puri and Simard, *High Performance Convolutional Neural Networks for Document
    Processing*, 2006, section 2.1. PyTorch: :class:`torch.nn.Unfold`.

    Examples
    --------
    >>> x = torch.arange(12.0).reshape(1, 1, 3, 4)                       # N=1, C=1, H=3, W=4
    >>> Unfold(kernel_size=2)(x).shape
    torch.Size([1, 4, 6])
    >>> Unfold(kernel_size=2)(x)[0, :, 0].tolist()                       # the first window
    [0.0, 1.0, 4.0, 5.0]

    Windows that tile the image hold every cell once; and it equals PyTorch's:

    >>> tiles = Unfold(kernel_size=(3, 2), stride=(3, 2))(x)
    >>> sorted(tiles.flatten().tolist()) == x.flatten().tolist()
    True
    >>> torch.testing.assert_close(Unfold(2, 1, 1, 2)(x), nn.Unfold(2, 1, 1, 2)(x))

    A sequence is not an image, and a window is at most as large as the padded image:

    >>> Unfold(kernel_size=2)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: Unfold takes an input (C, H, W) or (N, C, H, W), got 2 axes, shape (3, 4):
        reshape or unsqueeze the input to one of these layouts
    >>> Unfold(kernel_size=3, dilation=2)(x)
    Traceback (most recent call last):
        ...
    ValueError: a window of kernel_size=3 and dilation=2 spans 5 cells, more than the 3 of the
        padded input (1, 1, 3, 4): use a smaller kernel or dilation, a larger input or more
        padding
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Tensor) -> Tensor:
        """Lay out the windows of ``input``, ``(N, C, H, W)`` or ``(C, H, W)``."""
        check_rank("Unfold", input, {3: "(C, H, W)", 4: "(N, C, H, W)"})
        if 0 in input.shape[-3:]:
            raise ValueError(
                "Unfold takes at least one channel and cell, got an input of shape "
                f"{tuple(input.shape)}"
            )
        kernel_size, stride, padding, dilation = self._window()
        padded = pad(input, [(p, p) for p in padding])
        return to_columns(sliding_windows(padded, kernel_size, stride, dilation), axes=2)


class Fold(_Windows):
    r"""Put columns back as windows of an image, and add where they overlap.

    .. math:: y_{n,c,\,s\,o + d\,j - p} \mathrel{+}= x_{n,\,(c,j),\,o}

    It is the adjoint of :class:`Unfold` with the same options, which is also that layer's gradient.
    It is its inverse only where windows tile the image: a cell that m windows read comes back m
    times as large. Nothing is learned, and train equals eval.

    Parameters
    ----------
    output_size
        Height and width of the image; an int stands for both.
    kernel_size, dilation, padding, stride
        As for :class:`Unfold`, of the image that comes out.

    Shape
    -----
    input: ``(N, C k_h k_w, L)`` or ``(C k_h k_w, L)`` with L as :class:`Unfold` gives for an image
    of ``output_size``. Output: ``(N, C, *output_size)`` or ``(C, *output_size)``.

    Raises
    ------
    ValueError
        A number is out of its range; the input has other axes, or is empty (but for the batch);
        its rows are not a multiple of the window's cells; L is not the number of windows.

    References
    ----------
    Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285,
    section 4 (the transposed operation). PyTorch: :class:`torch.nn.Fold`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7)
    >>> columns = nn.Unfold(kernel_size=3)(x)
    >>> Fold((5, 7), kernel_size=3)(columns).shape
    torch.Size([2, 3, 5, 7])

    It counts how often each cell was read; and it equals PyTorch's:

    >>> counts = Fold((5, 7), kernel_size=3)(nn.Unfold(3)(torch.ones(1, 1, 5, 7)))
    >>> counts[0, 0, 0].tolist()
    [1.0, 2.0, 3.0, 3.0, 3.0, 2.0, 1.0]
    >>> torch.testing.assert_close(Fold((5, 7), kernel_size=3)(columns), counts * x)
    >>> torch.testing.assert_close(Fold((5, 7), 3)(columns), nn.Fold((5, 7), 3)(columns))

    The columns are as many as the image has windows:

    >>> Fold((5, 8), kernel_size=3)(columns)
    Traceback (most recent call last):
        ...
    ValueError: Fold to output_size=(5, 8) with kernel_size=(3, 3), stride=(1, 1),
        padding=(0, 0) and dilation=(1, 1) takes a multiple of 9 rows and 3 x 6 columns, one
        per window, got an input of shape (2, 27, 15): change output_size or the input
    """

    def __init__(
        self,
        output_size: int | Sequence[int],
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size
        if min(per_axis("output_size", output_size, 2)) < 1:
            raise ValueError(f"Fold: output_size is at least 1 on every axis, got {output_size}")

    def forward(self, input: Tensor) -> Tensor:
        """Add up the windows in ``input``, ``(N, C k_h k_w, L)`` or ``(C k_h k_w, L)``."""
        check_rank("Fold", input, {2: "(C·k, L)", 3: "(N, C·k, L)"})
        size = per_axis("output_size", self.output_size, 2)
        kernel_size, stride, padding, dilation = self._window()
        padded = [o + 2 * p for o, p in zip(size, padding)]
        spans = zip(padded, kernel_size, stride, dilation)
        out = [(i - d * (k - 1) - 1) // s + 1 for i, k, s, d in spans]
        rows, windows = input.shape[-2:]
        if min(out) < 1 or windows != math.prod(out) or rows < 1 or rows % math.prod(kernel_size):
            raise ValueError(
                f"Fold to output_size={size} with kernel_size={kernel_size}, stride={stride}, "
                f"padding={padding} and dilation={dilation} takes a multiple of "
                f"{math.prod(kernel_size)} rows and {out[0]} x {out[1]} columns, one per window, "
                f"got an input of shape {tuple(input.shape)}: change output_size or the input"
            )
        image = overlap_add(from_columns(input, out, kernel_size), padded, stride, dilation)
        return pad(image, [(-p, -p) for p in padding])

    def extra_repr(self) -> str:
        """Name all options, as torch does."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
