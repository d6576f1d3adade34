"""Adaptive average pooling: the mean of every window, for an output of a given size."""

from collections.abc import Sequence

import torch
from torch import Tensor

from layerref.pooling.adaptive import _AdaptivePool, adaptive_windows
from layerref.pooling.shared import (
    COMPLEX,
    FLOATING,
    accumulator,
    cells_at,
    check_dtype,
    check_input,
    check_not_empty,
)


class _AdaptiveAvgPool(_AdaptivePool):
    """Adaptive average pooling over the last ``_axes`` axes."""

    def forward(self, input: Tensor) -> Tensor:
        name, axes = type(self).__name__, self._axes
        if self._is_global(input):
            check_dtype(name, input, FLOATING + COMPLEX)
            return input.mean(tuple(range(-axes, 0)), keepdim=True)
        check_input(name, input, axes, FLOATING)
        # as in torch: an input without channels passes in 1-d and 2-d, not in 3-d
        check_not_empty(name, input, range(1 if axes == 3 else input.dim() - axes, input.dim()))
        size = input.shape[-axes:]
        mean = input.to(accumulator(input.dtype))
        for length, out in reversed([*zip(size, self._wanted(size))]):  # rows, then columns
            positions, inside = adaptive_windows(length, out, input.device)
            total = torch.where(inside, cells_at(mean, positions), 0).sum(-1)
            mean = (total / inside.sum(-1)).movedim(-1, -axes)
        return mean.to(input.dtype)

    def _is_global(self, input: Tensor) -> bool:
        """Say whether torch would take its shortcut to the mean of all cells.

        There, output_size=1 takes any number of axes before the pooled ones (in 1-d: one or two).
        """
        lead = input.dim() - self._axes
        least = int(isinstance(self.output_size, Sequence))
        fits = lead in (1, 2) if self._axes == 1 else lead >= least
        return fits and self._wanted(input.shape[-self._axes :]) == (1,) * self._axes


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    r"""Take the mean of each of ``output_size`` windows that cover one axis.

    .. math::
        y[n, c, o] = \frac{1}{|w(o)|} \sum_{l \in w(o)} x[n, c, l] \qquad
        w(o) = [\lfloor o L / L_\mathrm{out} \rfloor, \lceil (o+1) L / L_\mathrm{out} \rceil)

    Windows cover the input without padding. Where :math:`L_\mathrm{out}` does not divide L they
    differ in length and overlap: some cells weigh more than others. The output may be longer
    than the input: then cells repeat. Train and eval agree.

    Parameters
    ----------
    output_size
        Length of the output, :math:`L_\mathrm{out}`; at least 0.

    Shape
    -----
    input ``(N, C, L)`` or ``(C, L)``; output the same with L replaced by ``output_size``. N and
    (in a batch) C may be 0.

    Raises
    ------
    ValueError
        ``output_size`` is negative or None, the input has another rank or no cell.
    TypeError
        ``output_size`` is not an int or the input is not floating.

    Notes
    -----
    With ``output_size=1`` PyTorch checks less, and so do we: the mean of an empty axis is NaN,
    and complex numbers pass.

    References
    ----------
    Lin, Chen and Yan, *Network In Network*, arXiv 1312.4400, section 3.2 (global average pooling).

    Examples
    --------
    >>> x = torch.tensor([[3.0, 1, 4, 1, 5, 9, 2, 6]])                 # C=1, L=8
    >>> AdaptiveAvgPool1d(5)(x).tolist()               # windows of 2, 3, 2, 3 and 2 cells
    [[2.0, 2.0, 3.0, 5.333333492279053, 4.0]]
    >>> AdaptiveAvgPool1d(4)(torch.randn(2, 3, 11)).shape
    torch.Size([2, 3, 4])

    It equals PyTorch's, and plain pooling where the output's length divides the input's:

    >>> x = torch.randn(2, 3, 12)
    >>> y = AdaptiveAvgPool1d(4)(x)
    >>> torch.testing.assert_close(y, torch.nn.AdaptiveAvgPool1d(4)(x))
    >>> torch.testing.assert_close(y, torch.nn.AvgPool1d(3)(x))

    The output's length is a whole number, at least 0:

    >>> AdaptiveAvgPool1d(-1)
    Traceback (most recent call last):
        ...
    ValueError: output_size is at least 0 on every axis, got -1
    >>> AdaptiveAvgPool1d(2.5)
    Traceback (most recent call last):
        ...
    TypeError: output_size takes an int or 1 ints, one per axis, got 2.5
    >>> AdaptiveAvgPool1d(4)(x.long())
    Traceback (most recent call last):
        ...
    TypeError: AdaptiveAvgPool1d pools float16, bfloat16, float32, float64, got torch.int64:
        convert with input.float()
    """

    _axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    r"""Take the mean of each window of an image, for an output of a given size.

    .. math::
        y[n, c, o_1, o_2] = \frac{1}{|w_H(o_1)|\,|w_W(o_2)|}
        \sum_{h \in w_H(o_1)} \sum_{l \in w_W(o_2)} x[n, c, h, l] \qquad
        w_i(o) = [\lfloor o\,i / i_\mathrm{out} \rfloor, \lceil (o+1)\,i / i_\mathrm{out} \rceil)

    As :class:`AdaptiveAvgPool1d`, over H and W. With ``output_size=1``, the mean of the image.

    Parameters
    ----------
    output_size
        Height and width of the output, at least 0: an int for both, or a pair in which None
        keeps the input's size.

    Shape
    -----
    input ``(N, C, H, W)`` or ``(C, H, W)``; output ``(N, C, *output_size)`` or
    ``(C, *output_size)``. N and (in a batch) C may be 0.

    Raises
    ------
    ValueError
        ``output_size`` is negative or not a pair of ints, the input has another rank or no cell.
    TypeError
        ``output_size`` is neither an int nor a pair or the input is not floating.

    Notes
    -----
    With ``output_size=1`` PyTorch does not check the rank, and so we do not: the means over the
    last two axes of an input of any rank. Empty axes (whose mean is NaN) and complex numbers pass
    then, too.

    References
    ----------
    As for :class:`AdaptiveAvgPool1d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 7, 5)
    >>> AdaptiveAvgPool2d(4)(x).shape, AdaptiveAvgPool2d((None, 9))(x).shape
    (torch.Size([2, 3, 4, 4]), torch.Size([2, 3, 7, 9]))

    It equals PyTorch's, and an output of size 1 is the mean of the image:

    >>> torch.testing.assert_close(AdaptiveAvgPool2d(3)(x), torch.nn.AdaptiveAvgPool2d(3)(x))
    >>> torch.testing.assert_close(AdaptiveAvgPool2d(1)(x)[..., 0, 0], x.mean((2, 3)))

    An image without cells has no mean to give, and bytes have to be converted:

    >>> AdaptiveAvgPool2d(4)(x[:, :, :0])
    Traceback (most recent call last):
        ...
    ValueError: AdaptiveAvgPool2d takes no empty axis but the batch, got shape (2, 3, 0, 5)
    >>> AdaptiveAvgPool2d(1)(x.to(torch.uint8))
    Traceback (most recent call last):
        ...
    TypeError: AdaptiveAvgPool2d pools float16, bfloat16, float32, float64, complex32,
        complex64, complex128, got torch.uint8: convert with input.float()
    """

    _axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    r"""Take the mean of each window of a volume, for an output of a given size.

    .. math::
        y[n, c, o] = \frac{1}{|w(o)|} \sum_{l \in w(o)} x[n, c, l] \qquad
        w(o) = w_D(o_1) \times w_H(o_2) \times w_W(o_3)

    with :math:`w_i(o) = [\lfloor o\,i / i_\mathrm{out} \rfloor,
    \lceil (o+1)\,i / i_\mathrm{out} \rceil)`. As :class:`AdaptiveAvgPool1d`, over D, H and W.

    Parameters
    ----------
    output_size
        Depth, height and width of the output, at least 0: an int for all, or a triple in which
        None keeps the input's size.

    Shape
    -----
    input ``(N, C, D, H, W)`` or ``(C, D, H, W)``; output ``(N, C, *output_size)`` or
    ``(C, *output_size)``. N may be 0.

    Raises
    ------
    ValueError
        ``output_size`` is negative or not a triple of ints, the input has another rank or an
        empty axis.
    TypeError
        ``output_size`` is neither an int nor a triple or the input is not floating.

    Notes
    -----
    With ``output_size=1`` PyTorch does not check the rank, and so we do not: the means over the
    last three axes of an input of any rank. Empty axes (whose mean is NaN) and complex numbers
    pass then, too. Half precisions are added in float32; PyTorch's CPU kernel adds them in half,
    which loses digits and overflows.

    References
    ----------
    As for :class:`AdaptiveAvgPool1d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 4, 7, 5)
    >>> AdaptiveAvgPool3d((2, None, 3))(x).shape
    torch.Size([2, 3, 2, 7, 3])

    It equals PyTorch's, and an output of size 1 is the mean of the volume:

    >>> torch.testing.assert_close(AdaptiveAvgPool3d(3)(x), torch.nn.AdaptiveAvgPool3d(3)(x))
    >>> torch.testing.assert_close(AdaptiveAvgPool3d(1)(x).flatten(1), x.mean((2, 3, 4)))

    The output has an int or three of them, and integers have to be converted:

    >>> AdaptiveAvgPool3d((2, 3))
    Traceback (most recent call last):
        ...
    ValueError: output_size takes an int or 3 ints, one per axis, got (2, 3): write
        output_size=3 for the same on every axis, or output_size=(3, 3, 3)
    >>> AdaptiveAvgPool3d(3)(x.int())
    Traceback (most recent call last):
        ...
    TypeError: AdaptiveAvgPool3d pools float16, bfloat16, float32, float64, got torch.int32:
        convert with input.float()
    """

    _axes = 3
