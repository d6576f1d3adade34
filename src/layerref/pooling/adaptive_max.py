"""Adaptive max pooling: the largest cell of every window, for an output of a given size."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from layerref.pooling.adaptive import _AdaptivePool, adaptive_windows
from layerref.pooling.shared import (
    FLOATING,
    cells_at,
    check_input,
    check_not_empty,
    largest_cell,
    number_cells,
    take,
)


class _AdaptiveMaxPool(_AdaptivePool):
    """Adaptive max pooling over the last ``_axes`` axes."""

    def __init__(
        self, output_size: int | Sequence[int | None], return_indices: bool = False
    ) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        check_input(type(self).__name__, input, self._axes, FLOATING)
        check_not_empty(type(self).__name__, input, range(1, input.dim()))
        size, device = input.shape[-self._axes :], input.device
        windows = [
            partial(cells_at, table=adaptive_windows(i, o, device)[0])
            for i, o in zip(size, self._wanted(size))
        ]
        cell = number_cells(size, [torch.arange(i, device=device) for i in size])
        cell = largest_cell(input.detach(), cell, windows)
        return take(input, cell, self._axes, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    r"""Take the largest cell of each of ``output_size`` windows that cover one axis.

    .. math::
        y[n, c, o] = \max_{\lfloor o L / L_\mathrm{out} \rfloor \,\le\, l \,<\,
        \lceil (o+1) L / L_\mathrm{out} \rceil} x[n, c, l]

    Windows cover the input without padding. Where :math:`L_\mathrm{out}` does not divide L they
    differ in length and overlap. The output may be longer than the input: then cells repeat.
    Train and eval agree.

    Parameters
    ----------
    output_size
        Length of the output, :math:`L_\mathrm{out}`; at least 0.
    return_indices
        Return ``(output, indices)``: where in L each output came from.

    Shape
    -----
    input ``(N, C, L)`` or ``(C, L)``; output and indices the same with L replaced by
    ``output_size``. N may be 0.

    Raises
    ------
    ValueError
        ``output_size`` is negative or None, the input has another rank or an empty axis.
    TypeError
        ``output_size`` is not an int or the input is not floating.

    References
    ----------
    He, Zhang, Ren and Sun, *Spatial Pyramid Pooling in Deep Convolutional Networks for Visual
    Recognition*, arXiv 1406.4729, section 2.3 (there with windows of equal size).

    Examples
    --------
    >>> x = torch.tensor([[3.0, 1, 4, 1, 5, 9, 2, 6]])                 # C=1, L=8
    >>> y, indices = AdaptiveMaxPool1d(5, return_indices=True)(x)
    >>> y.tolist(), indices.tolist()
    ([[3.0, 4.0, 5.0, 9.0, 6.0]], [[0, 2, 4, 5, 7]])
    >>> AdaptiveMaxPool1d(4)(torch.randn(2, 3, 11)).shape
    torch.Size([2, 3, 4])

    It equals PyTorch's, and plain pooling where the output's length divides the input's:

    >>> x = torch.randn(2, 3, 12)
    >>> y = AdaptiveMaxPool1d(4)(x)
    >>> torch.testing.assert_close(y, torch.nn.AdaptiveMaxPool1d(4)(x))
    >>> torch.testing.assert_close(y, torch.nn.MaxPool1d(3)(x))

    One axis has no size to keep, and integers have to be converted:

    >>> AdaptiveMaxPool1d([None])
    Traceback (most recent call last):
        ...
    ValueError: output_size takes an int or 1 ints, one per axis, got [None]: write
        output_size=3 for the same on every axis, or output_size=(3,)
    >>> AdaptiveMaxPool1d(4)(x.long())
    Traceback (most recent call last):
        ...
    TypeError: AdaptiveMaxPool1d pools float16, bfloat16, float32, float64, got torch.int64:
        convert with input.float()
    """

    _axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    r"""Take the largest cell of each window of an image, for an output of a given size.

    .. math::
        y[n, c, o_1, o_2] = \max_{h \in w_H(o_1),\, l \in w_W(o_2)} x[n, c, h, l]
        \qquad w_i(o) = [\lfloor o\,i / i_\mathrm{out} \rfloor,
        \lceil (o+1)\,i / i_\mathrm{out} \rceil)

    As :class:`AdaptiveMaxPool1d`, over H and W.

    Parameters
    ----------
    output_size
        Height and width of the output, at least 0: an int for both, or a pair in which None
        keeps the input's size.
    return_indices
        Return ``(output, indices)``: the number of each output's cell, counted row by row.

    Shape
    -----
    input ``(N, C, H, W)`` or ``(C, H, W)``; output and indices ``(N, C, *output_size)`` or
    ``(C, *output_size)``. N may be 0.

    Raises
    ------
    ValueError
        ``output_size`` is negative or not a pair of ints, the input has another rank or an
        empty axis.
    TypeError
        ``output_size`` is neither an int nor a pair or the input is not floating.

    References
    ----------
    As for :class:`AdaptiveMaxPool1d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 7, 5)
    >>> AdaptiveMaxPool2d(4)(x).shape, AdaptiveMaxPool2d((None, 9))(x).shape
    (torch.Size([2, 3, 4, 4]), torch.Size([2, 3, 7, 9]))

    It equals PyTorch's, and an output of size 1 is the maximum of the image:

    >>> torch.testing.assert_close(AdaptiveMaxPool2d(3)(x), torch.nn.AdaptiveMaxPool2d(3)(x))
    >>> torch.testing.assert_close(AdaptiveMaxPool2d(1)(x)[..., 0, 0], x.amax((2, 3)))

    Unlike the average, the maximum checks the input's axes for size 1, too:

    >>> AdaptiveMaxPool2d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: AdaptiveMaxPool2d takes an input (C, H, W) or (N, C, H, W), got 2 axes, shape
        (7, 5): reshape or unsqueeze the input to one of these layouts
    >>> AdaptiveMaxPool2d(1)(x.int())
    Traceback (most recent call last):
        ...
    TypeError: AdaptiveMaxPool2d pools float16, bfloat16, float32, float64, got torch.int32:
        convert with input.float()
    """

    _axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    r"""Take the largest cell of each window of a volume, for an output of a given size.

    .. math::
        y[n, c, o] = \max_{l \in w_D(o_1) \times w_H(o_2) \times w_W(o_3)} x[n, c, l]
        \qquad w_i(o) = [\lfloor o\,i / i_\mathrm{out} \rfloor,
        \lceil (o+1)\,i / i_\mathrm{out} \rceil)

    As :class:`AdaptiveMaxPool1d`, over D, H and W.

    Parameters
    ----------
    output_size
        Depth, height and width of the output, at least 0: an int for all, or a triple in which
        None keeps the input's size.
    return_indices
        Return ``(output, indices)``: the number of each output's cell, W fastest, then H, then D.

    Shape
    -----
    input ``(N, C, D, H, W)`` or ``(C, D, H, W)``; output and indices ``(N, C, *output_size)`` or
    ``(C, *output_size)``. N may be 0.

    Raises
    ------
    ValueError
        ``output_size`` is negative or not a triple of ints, the input has another rank or an
        empty axis.
    TypeError
        ``output_size`` is neither an int nor a triple or the input is not floating.

    References
    ----------
    As for :class:`AdaptiveMaxPool1d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 4, 7, 5)
    >>> AdaptiveMaxPool3d((2, None, 3))(x).shape
    torch.Size([2, 3, 2, 7, 3])

    It equals PyTorch's, and an output of size 1 is the maximum of the volume:

    >>> torch.testing.assert_close(AdaptiveMaxPool3d(3)(x), torch.nn.AdaptiveMaxPool3d(3)(x))
    >>> y = AdaptiveMaxPool3d(1)(x)
    >>> torch.testing.assert_close(y.flatten(1), x.amax((2, 3, 4)))

    A maximum needs a cell, and its output a whole number of cells:

    >>> AdaptiveMaxPool3d(2)(x[..., :0])
    Traceback (most recent call last):
        ...
    ValueError: AdaptiveMaxPool3d takes no empty axis but the batch, got shape (2, 3, 4, 7, 0)
    >>> AdaptiveMaxPool3d((2, 3, 2.5))
    Traceback (most recent call last):
        ...
    ValueError: output_size takes an int or 3 ints, one per axis, got [2, 3, 2.5]: write
        output_size=3 for the same on every axis, or output_size=(3, 3, 3)
    >>> AdaptiveMaxPool3d(None)
    Traceback (most recent call last):
        ...
    TypeError: output_size takes an int or 3 ints, one per axis, got None
    """

    _axes = 3
