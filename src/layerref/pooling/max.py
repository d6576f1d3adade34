"""Max pooling: the largest cell of every window."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from layerref.pooling.shared import (
    FLOATING,
    INTEGER,
    check_input,
    check_not_empty,
    geometry,
    largest_cell,
    number_cells,
    output_length,
    take,
)
from layerref.windows import pad, sliding_windows


class _MaxPool(nn.Module):
    """Max pooling over the last ``_axes`` axes."""

    _axes: int

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode
        geometry(self._axes, self.kernel_size, self.stride, padding, dilation)

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        # as in torch: in 1-d, integers are pooled only along with their indices
        integers = INTEGER if self._axes > 1 or self.return_indices else ()
        check_input(type(self).__name__, input, self._axes, FLOATING + integers)
        check_not_empty(type(self).__name__, input, range(-self._axes - 1, 0))

        size = input.shape[-self._axes :]
        settings = geometry(self._axes, self.kernel_size, self.stride, self.padding, self.dilation)
        pads, windows, positions = zip(
            *(self._axis(i, *setting, input.device) for i, setting in zip(size, settings))
        )
        floating = input.is_floating_point()
        lowest = -torch.inf if floating else torch.iinfo(input.dtype).min
        padded = pad(input.detach(), pads, value=lowest)
        cell = largest_cell(padded, number_cells(size, positions), windows)
        return take(input, cell, self._axes, self.return_indices)

    def _axis(
        self, length: int, k: int, s: int, p: int, d: int, device: torch.device
    ) -> tuple[tuple[int, int], Callable[[Tensor], Tensor], Tensor]:
        """Return an axis' padding, the view through its windows, its cells' positions."""
        out = output_length(length, k, s, p, d, self.ceil_mode)
        after = (out - 1) * s + d * (k - 1) + 1 - length - p  # negative: a rest is left out
        view = partial(sliding_windows, kernel_size=(k,), stride=(s,), dilation=(d,))
        # A window of nothing but -inf reports its first real cell. So the padding before the
        # input carries the position of the next real cell, a multiple of d further.
        position = torch.arange(-p, length + after, device=device)
        position = torch.where(position < 0, position % d, position)
        if -p % d >= length:  # only the first window can be such a one
            raise ValueError(
                f"{type(self).__name__}: a window would hold padding only, with length "
                f"{length}, padding={p}, dilation={d}: reduce dilation or padding"
            )
        return (p, after), view, position

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    r"""Take the largest cell of every window along one axis.

    .. math::
        y[n, c, o] = \max_{0 \le j < k} x[n, c, s\,o - p + d\,j]

    The padding is :math:`-\infty`, so that it never wins. Of equal cells the first wins: it alone
    gets the gradient. A NaN in a window makes its output NaN. Train and eval agree.

    Parameters
    ----------
    kernel_size
        Cells of a window, k; > 0.
    stride
        Distance from a window to the next, s; > 0. None: ``kernel_size``, windows side by side.
    padding
        Cells of :math:`-\infty` at both ends, p; between 0 and ``kernel_size // 2``.
    dilation
        Distance between the cells of a window, d; > 0.
    return_indices
        Return ``(output, indices)``: where in L each output came from.
    ceil_mode
        Round the number of windows up, so that a rest at the end gets a window of its own,
        unless that would start in the padding.

    Shape
    -----
    input ``(N, C, L)`` or ``(C, L)``; output and indices the same with L replaced by
    :math:`\lfloor (L + 2p - d(k-1) - 1) / s \rfloor + 1`. N may be 0.

    Raises
    ------
    ValueError
        A setting is out of range, no window fits, or the input has another rank.
    TypeError
        The input is neither floating nor (with ``return_indices``) integer, or a setting is
        neither an int nor a sequence.

    Notes
    -----
    Where dilation exceeds the input, PyTorch lets a window hold padding only and reports an
    index outside the input. We refuse that, and ``stride=()``.

    References
    ----------
    Riesenhuber and Poggio, *Hierarchical models of object recognition in cortex*, 1999.
    Krizhevsky, Sutskever and Hinton, *ImageNet Classification with Deep Convolutional Neural
    Networks*, 2012, section 3.4 (overlapping windows, k = 3 and s = 2).

    Examples
    --------
    >>> x = torch.tensor([[3.0, 1, 4, 1, 5, 9, 2]])                    # C=1, L=7
    >>> MaxPool1d(3)(x).tolist()                                       # the rest, 2, is left out
    [[4.0, 9.0]]
    >>> MaxPool1d(3, ceil_mode=True)(x).tolist()
    [[4.0, 9.0, 2.0]]
    >>> x = torch.randn(2, 3, 11)
    >>> MaxPool1d(5, 2, padding=2)(x).shape
    torch.Size([2, 3, 6])

    It equals PyTorch's, and commutes with every increasing function:

    >>> y = MaxPool1d(3, 2)(x)
    >>> torch.testing.assert_close(y, nn.MaxPool1d(3, 2)(x))
    >>> torch.testing.assert_close(MaxPool1d(3, 2)(x.exp()), y.exp())

    At least one window has to fit, and integers are pooled only along with their indices:

    >>> MaxPool1d(13)(x)
    Traceback (most recent call last):
        ...
    ValueError: no window fits: an axis of length 11 with kernel_size=13, stride=13, padding=0,
        dilation=1 gives 0 outputs: shrink the window or pad the input
    >>> MaxPool1d(3)(x.long())
    Traceback (most recent call last):
        ...
    TypeError: MaxPool1d pools float16, bfloat16, float32, float64, got torch.int64: convert
        with input.float()
    """

    _axes = 1


class MaxPool2d(_MaxPool):
    r"""Take the largest cell of every window of an image.

    .. math::
        y[n, c, o_1, o_2] = \max_{\substack{0 \le j_1 < k_1 \\ 0 \le j_2 < k_2}}
        x[n, c, s_1 o_1 - p_1 + d_1 j_1, s_2 o_2 - p_2 + d_2 j_2]

    As :class:`MaxPool1d`, over H and W. Every setting is an int for both axes or a pair.

    Parameters
    ----------
    kernel_size
        Height and width of a window, k; > 0.
    stride
        Distance from a window to the next, s; > 0. None: ``kernel_size``.
    padding
        Cells of :math:`-\infty` around the image, p; between 0 and ``kernel_size // 2``.
    dilation
        Distance between the cells of a window, d; > 0.
    return_indices
        Return ``(output, indices)``: the number of each output's cell, counted row by row.
    ceil_mode
        Round the number of windows up, unless the last would start in the padding.

    Shape
    -----
    input ``(N, C, H, W)`` or ``(C, H, W)``; output and indices the same with
    :math:`\lfloor (i + 2p - d(k-1) - 1) / s \rfloor + 1` for H and W. N may be 0.

    Raises
    ------
    ValueError
        A setting is out of range, no window fits, or the input has another rank.
    TypeError
        The input is neither floating nor integer, or a setting neither an int nor a sequence.

    References
    ----------
    As for :class:`MaxPool1d`.

    Examples
    --------
    >>> x = torch.arange(24.0).reshape(1, 1, 4, 6)
    >>> y, indices = MaxPool2d((2, 3), return_indices=True)(x)
    >>> y.shape
    torch.Size([1, 1, 2, 2])
    >>> indices.tolist()
    [[[[8, 11], [20, 23]]]]

    It equals PyTorch's, and the indices read the output from the input:

    >>> x = torch.randn(2, 3, 7, 5)
    >>> y, indices = MaxPool2d(3, 2, 1, return_indices=True)(x)
    >>> torch.testing.assert_close(y, nn.MaxPool2d(3, 2, 1)(x))
    >>> torch.equal(x.flatten(2).gather(2, indices.flatten(2)), y.flatten(2))
    True

    Truth values have to be converted, and an image has its channels:

    >>> MaxPool2d(3)(x > 0)
    Traceback (most recent call last):
        ...
    TypeError: MaxPool2d pools float16, bfloat16, float32, float64, uint8, int8, int16, int32,
        int64, got torch.bool: convert with input.float()
    >>> MaxPool2d(3)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: MaxPool2d takes an input (C, H, W) or (N, C, H, W), got 2 axes, shape (7, 5):
        reshape or unsqueeze the input to one of these layouts
    """

    _axes = 2


class MaxPool3d(_MaxPool):
    r"""Take the largest cell of every window of a volume.

    .. math::
        y[n, c, o] = \max_{0 \le j < k} x[n, c, s \odot o - p + d \odot j]

    where :math:`o, j, k, s, p, d` have one entry for each of D, H, W. Otherwise as
    :class:`MaxPool1d`. Every setting is an int for all axes or a triple.

    Parameters
    ----------
    kernel_size
        Depth, height and width of a window, k; > 0.
    stride
        Distance from a window to the next, s; > 0. None: ``kernel_size``.
    padding
        Cells of :math:`-\infty` on all sides, p; between 0 and ``kernel_size // 2``.
    dilation
        Distance between the cells of a window, d; > 0.
    return_indices
        Return ``(output, indices)``: the number of each output's cell, W fastest, then H, then D.
    ceil_mode
        Round the number of windows up, unless the last would start in the padding.

    Shape
    -----
    input ``(N, C, D, H, W)`` or ``(C, D, H, W)``; output and indices the same with
    :math:`\lfloor (i + 2p - d(k-1) - 1) / s \rfloor + 1` for D, H and W. N may be 0.

    Raises
    ------
    ValueError
        A setting is out of range, no window fits, or the input has another rank.
    TypeError
        The input is neither floating nor integer, or a setting neither an int nor a sequence.

    References
    ----------
    As for :class:`MaxPool1d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 4, 7, 5)
    >>> MaxPool3d((2, 3, 1))(x).shape
    torch.Size([2, 3, 2, 2, 5])

    It equals PyTorch's, and pooling one axis after the other:

    >>> y = MaxPool3d(2)(x)
    >>> torch.testing.assert_close(y, nn.MaxPool3d(2)(x))
    >>> z = MaxPool3d((2, 1, 1))(MaxPool3d((1, 2, 1))(MaxPool3d((1, 1, 2))(x)))
    >>> torch.equal(y, z)
    True

    A window has a whole number of cells, and at least one per axis:

    >>> MaxPool3d(2.0)
    Traceback (most recent call last):
        ...
    TypeError: kernel_size takes an int or 3 ints, one per axis, got 2.0
    >>> MaxPool3d((2, 0, 2))
    Traceback (most recent call last):
        ...
    ValueError: kernel_size is at least 1 on every axis, got (2, 0, 2)
    """

    _axes = 3
