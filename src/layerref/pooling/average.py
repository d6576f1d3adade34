"""Average pooling: the mean of every window."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from layerref.pooling.shared import (
    FLOATING,
    accumulator,
    check_input,
    check_not_empty,
    geometry,
    output_length,
)
from layerref.windows import pad, sliding_windows


class _AvgPool(nn.Module):
    """Average pooling over the last ``_axes`` axes."""

    _axes: int

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override
        geometry(self._axes, self.kernel_size, self.stride, padding)
        if isinstance(divisor_override, bool | float):
            raise TypeError(f"divisor_override is an int or None, got {divisor_override!r}")
        if divisor_override == 0:
            raise ValueError("divisor_override divides the sum of a window, so it is not 0")

    def forward(self, input: Tensor) -> Tensor:
        name = type(self).__name__
        check_input(name, input, self._axes, (*FLOATING, torch.int64))
        check_not_empty(name, input, range(-self._axes - 1, 0))

        size = input.shape[-self._axes :]
        settings = geometry(self._axes, self.kernel_size, self.stride, self.padding)
        if self._axes == 3 and any(length < k for length, (k, *_) in zip(size, settings)):
            raise ValueError(  # torch has this rule in 3-d only
                f"{name}: kernel_size={self.kernel_size} is larger than the input, "
                f"{tuple(size)}: shrink kernel_size or pad the input beforehand"
            )
        # how far the last window reaches beyond the padding; negative: a rest is left out
        excess = [
            (output_length(length, k, s, p, d, self.ceil_mode) - 1) * s + k - length - 2 * p
            for length, (k, s, p, d) in zip(size, settings)
        ]
        total = input.to(accumulator(input.dtype))
        total = pad(total, [(p, p + e) for (_, _, p, _), e in zip(settings, excess)])
        # 1 where a cell counts, 0 elsewhere: the same windows over this grid give the divisors
        counted = torch.ones(size, dtype=total.dtype, device=input.device)
        counted = pad(counted, [(p, p) for _, _, p, _ in settings], value=self.count_include_pad)
        counted = pad(counted, [(0, e) for e in excess])
        for k, s, _, _ in reversed(settings):  # sum over rows, then over columns
            total, counted = (
                sliding_windows(grid, (k,), (s,), (1,)).sum(-1).movedim(-1, -self._axes)
                for grid in (total, counted)
            )
        divisor = counted if self.divisor_override is None else self.divisor_override
        rounding = None if input.is_floating_point() else "trunc"
        return torch.div(total, divisor, rounding_mode=rounding).to(input.dtype)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    r"""Take the mean of every window along one axis.

    .. math::
        y[n, c, o] = \frac{1}{m_o} \sum_{j=0}^{k-1} x[n, c, s\,o - p + j]

    The padding is zero. With ``count_include_pad`` (PyTorch's default) the divisor :math:`m_o`
    counts it, so that outputs at the edge are smaller; without, :math:`m_o` counts the cells of
    the input only. Cells beyond the padding, where ``ceil_mode`` adds a window, never count.
    Train and eval agree.

    Parameters
    ----------
    kernel_size
        Cells of a window, k; > 0.
    stride
        Distance from a window to the next, s; > 0. None: ``kernel_size``, windows side by side.
    padding
        Zeros at both ends, p; between 0 and ``kernel_size // 2``.
    ceil_mode
        Round the number of windows up, so that a rest at the end gets a window of its own,
        unless that would start in the padding.
    count_include_pad
        Count the padding in the divisor.

    Shape
    -----
    input ``(N, C, L)`` or ``(C, L)``; output the same with L replaced by
    :math:`\lfloor (L + 2p - k) / s \rfloor + 1`. N may be 0.

    Raises
    ------
    ValueError
        A setting is out of range, no window fits, or the input has another rank.
    TypeError
        The input is neither floating nor int64 (whose means are rounded towards zero), or a setting
        neither an int nor a sequence.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, *Gradient-Based Learning Applied to Document
    Recognition*, 1998, section II-A (sub-sampling).

    Examples
    --------
    >>> x = torch.tensor([[4.0, 2, 6, 8, 5]])                          # C=1, L=5
    >>> AvgPool1d(2)(x).tolist()                                       # the rest, 5, is left out
    [[3.0, 7.0]]
    >>> AvgPool1d(2, ceil_mode=True)(x).tolist()                       # and here divided by 1
    [[3.0, 7.0, 5.0]]
    >>> AvgPool1d(2, padding=1)(x).tolist()
    [[2.0, 4.0, 6.5]]
    >>> AvgPool1d(2, padding=1, count_include_pad=False)(x).tolist()
    [[4.0, 4.0, 6.5]]
    >>> x = torch.randn(2, 3, 11)
    >>> AvgPool1d(5, 2, padding=2)(x).shape
    torch.Size([2, 3, 6])

    It equals PyTorch's, and is linear:

    >>> y = AvgPool1d(3, 2)(x)
    >>> torch.testing.assert_close(y, nn.AvgPool1d(3, 2)(x))
    >>> torch.testing.assert_close(AvgPool1d(3, 2)(2 * x + 5), 2 * y + 5)

    At least one window has to fit, and bytes have to be converted:

    >>> AvgPool1d(13)(x)
    Traceback (most recent call last):
        ...
    ValueError: no window fits: an axis of length 11 with kernel_size=13, stride=13, padding=0,
        dilation=1 gives 0 outputs: shrink the window or pad the input
    >>> AvgPool1d(3)(x.to(torch.uint8))
    Traceback (most recent call last):
        ...
    TypeError: AvgPool1d pools float16, bfloat16, float32, float64, int64, got torch.uint8:
        convert with input.float()
    """

    _axes = 1

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        # torch keeps these as tuples in 1-d only
        self.kernel_size, self.stride, self.padding = (
            (value,) if isinstance(value, int) else tuple(value)
            for value in (self.kernel_size, self.stride, self.padding)
        )


class AvgPool2d(_AvgPool):
    r"""Take the mean of every window of an image.

    .. math::
        y[n, c, o_1, o_2] = \frac{1}{m_{o_1 o_2}} \sum_{j_1=0}^{k_1-1} \sum_{j_2=0}^{k_2-1}
        x[n, c, s_1 o_1 - p_1 + j_1, s_2 o_2 - p_2 + j_2]

    As :class:`AvgPool1d`, over H and W. Every size is an int for both axes or a pair.

    Parameters
    ----------
    kernel_size
        Height and width of a window, k; > 0.
    stride
        Distance from a window to the next, s; > 0. None: ``kernel_size``.
    padding
        Zeros around the image, p; between 0 and ``kernel_size // 2``.
    ceil_mode
        Round the number of windows up, unless the last would start in the padding.
    count_include_pad
        Count the padding in the divisor m.
    divisor_override
        Divide by this int instead, everywhere; not 0.

    Shape
    -----
    input ``(N, C, H, W)`` or ``(C, H, W)``; output the same with
    :math:`\lfloor (i + 2p - k) / s \rfloor + 1` for H and W. N may be 0.

    Raises
    ------
    ValueError
        A setting is out of range, no window fits, or the input has another rank.
    TypeError
        The input is neither floating nor int64 (whose means are rounded towards zero), or a setting
        neither an int nor a sequence.

    References
    ----------
    As for :class:`AvgPool1d`.

    Examples
    --------
    >>> AvgPool2d(2, padding=1)(torch.ones(1, 2, 2)).tolist()          # 3 of 4 cells are padding
    [[[0.25, 0.25], [0.25, 0.25]]]
    >>> x = torch.randn(2, 3, 7, 5)
    >>> AvgPool2d((2, 3), 2)(x).shape
    torch.Size([2, 3, 3, 2])

    It equals PyTorch's, and a convolution of each channel with a constant kernel:

    >>> y = AvgPool2d(2)(x)
    >>> torch.testing.assert_close(y, nn.AvgPool2d(2)(x))
    >>> kernel = torch.full((3, 1, 2, 2), 1 / 4)
    >>> z = nn.functional.conv2d(x, kernel, stride=2, groups=3)
    >>> torch.testing.assert_close(y, z)

    The padding is at most half a window, and the divisor a whole number:

    >>> AvgPool2d((4, 2), padding=2)
    Traceback (most recent call last):
        ...
    ValueError: padding is at most half of kernel_size (else a window may hold padding only),
        got padding=2 and kernel_size=(4, 2): reduce padding or pad the input
    >>> AvgPool2d(2, divisor_override=3.5)
    Traceback (most recent call last):
        ...
    TypeError: divisor_override is an int or None, got 3.5
    """

    _axes = 2


class AvgPool3d(_AvgPool):
    r"""Take the mean of every window of a volume.

    .. math::
        y[n, c, o] = \frac{1}{m_o} \sum_{0 \le j < k} x[n, c, s \odot o - p + j]

    where :math:`o, j, k, s, p` have one entry for each of D, H, W. Otherwise as
    :class:`AvgPool1d`. Every size is an int for all axes or a triple.

    Parameters
    ----------
    kernel_size
        Depth, height and width of a window, k; > 0 and (in 3-d only) at most the input's.
    stride
        Distance from a window to the next, s; > 0. None: ``kernel_size``.
    padding
        Zeros on all sides, p; between 0 and ``kernel_size // 2``.
    ceil_mode
        Round the number of windows up, unless the last would start in the padding.
    count_include_pad
        Count the padding in the divisor m.
    divisor_override
        Divide by this int instead, everywhere; not 0.

    Shape
    -----
    input ``(N, C, D, H, W)`` or ``(C, D, H, W)``; output the same with
    :math:`\lfloor (i + 2p - k) / s \rfloor + 1` for D, H and W. N may be 0.

    Raises
    ------
    ValueError
        A setting is out of range, no window fits, or the input has another rank.
    TypeError
        The input is neither floating nor int64 (whose means are rounded towards zero), or a setting
        neither an int nor a sequence.

    Notes
    -----
    Half precisions work here; PyTorch has them for AvgPool3d on GPUs but not on CPUs.

    References
    ----------
    As for :class:`AvgPool1d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 4, 7, 5)
    >>> AvgPool3d((2, 3, 1))(x).shape
    torch.Size([2, 3, 2, 2, 5])

    It equals PyTorch's, and pooling one axis after the other:

    >>> y = AvgPool3d(2)(x)
    >>> torch.testing.assert_close(y, nn.AvgPool3d(2)(x))
    >>> z = AvgPool3d((2, 1, 1))(AvgPool3d((1, 2, 1))(AvgPool3d((1, 1, 2))(x)))
    >>> torch.testing.assert_close(y, z)

    A window is at most as large as the volume, even if padding would make room for it:

    >>> AvgPool3d((6, 2, 2), padding=1)(x)
    Traceback (most recent call last):
        ...
    ValueError: AvgPool3d: kernel_size=(6, 2, 2) is larger than the input, (4, 7, 5): shrink
        kernel_size or pad the input beforehand
    >>> AvgPool3d(2)(x.int())
    Traceback (most recent call last):
        ...
    TypeError: AvgPool3d pools float16, bfloat16, float32, float64, int64, got torch.int32:
        convert with input.float()
    """

    _axes = 3
