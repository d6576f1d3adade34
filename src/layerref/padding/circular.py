"""Padding by wrapping around."""

import torch  # noqa: F401  (the examples use it)
from torch import nn  # noqa: F401

from layerref.padding.base import _Pad


class _CircularPad(_Pad):
    mode = "circular"


class CircularPad1d(_CircularPad):
    r"""Extend a sequence by wrapping it around.

    .. math:: y_i = x_{(i - \mathrm{left}) \bmod L}

    The cells that leave on one side come in on the other.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right)``, the last axis first;
        at most the size of the axis; negative ones crop, before the other side wraps.

    Shape
    -----
    input ``(N, C, L)``, output ``(N, C, L_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes, or a side of the padding
        is larger than the axis.

    References
    ----------
    :class:`torch.nn.CircularPad1d`.

    Examples
    --------
    >>> CircularPad1d((1, 2))(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[3.0, 1.0, 2.0, 3.0, 1.0, 2.0]]
    >>> x = torch.randn(2, 3, 5)      # N=2, C=3, L=5
    >>> y = CircularPad1d((1, 2))(x)
    >>> y.shape
    torch.Size([2, 3, 8])

    A shift of the input is a shift of the output, up to the edges; PyTorch's layer agrees:

    >>> shifted = CircularPad1d((1, 2))(x.roll(1, -1))
    >>> torch.equal(shifted[..., 1:], y[..., :-1])
    True
    >>> torch.equal(y, nn.CircularPad1d((1, 2))(x))
    True

    Refused are another number of ints, more cells than the axis has, and a missing axis:

    >>> CircularPad1d((1, 2, 3))
    Traceback (most recent call last):
        ...
    ValueError: CircularPad1d: padding is an int or the 2 ints (left, right), the last axis
        first, got (1, 2, 3): write padding=1 for 1 on every side, or padding=(1, 1)
    >>> CircularPad1d((6, 0))(x)
    Traceback (most recent call last):
        ...
    ValueError: circular padding of an axis of size 5 adds at most 5 on each side, got (6, 0)
        for an input of shape (2, 3, 5): change the padding, its mode, or the size of the input
    >>> CircularPad1d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: CircularPad1d takes an input (C, L) or (N, C, L), got 1 axes, shape (5,):
        reshape or unsqueeze the input to one of these layouts
    """

    axes = 1


class CircularPad2d(_CircularPad):
    r"""Extend an image by wrapping it around.

    .. math:: y_i = x_{(i - \mathrm{left}) \bmod L}

    for the columns, with L = W; the rows follow the same rule with top, bottom and H. The
    cells that leave on one side come in on the other.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right, top, bottom)``, the last axis first;
        at most the size of the axis; negative ones crop, before the other side wraps.

    Shape
    -----
    input ``(N, C, H, W)``, output ``(N, C, H_out, W_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes, or a side of the padding
        is larger than the axis.

    References
    ----------
    :class:`torch.nn.CircularPad2d`.

    Examples
    --------
    One column on the right, one row on top:

    >>> CircularPad2d((0, 1, 1, 0))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[3.0, 4.0, 3.0], [1.0, 2.0, 1.0], [3.0, 4.0, 3.0]]]
    >>> x = torch.randn(2, 3, 5, 7)      # N=2, C=3, H=5, W=7
    >>> y = CircularPad2d((1, 2, 0, 3))(x)
    >>> y.shape
    torch.Size([2, 3, 8, 10])

    A shift of the input is a shift of the output, up to the edges; PyTorch's layer agrees:

    >>> shifted = CircularPad2d((1, 2, 0, 3))(x.roll(1, -1))
    >>> torch.equal(shifted[..., 1:], y[..., :-1])
    True
    >>> torch.equal(y, nn.CircularPad2d((1, 2, 0, 3))(x))
    True

    Refused are another number of ints, more cells than the axis has, and a missing axis:

    >>> CircularPad2d((1, 2))
    Traceback (most recent call last):
        ...
    ValueError: CircularPad2d: padding is an int or the 4 ints (left, right, top, bottom), the
        last axis first, got (1, 2): write padding=1 for 1 on every side, or
        padding=(1, 1, 1, 1)
    >>> CircularPad2d((0, 0, 6, 0))(x)
    Traceback (most recent call last):
        ...
    ValueError: circular padding of an axis of size 5 adds at most 5 on each side, got (6, 0)
        for an input of shape (2, 3, 5, 7): change the padding, its mode, or the size of the
        input
    >>> CircularPad2d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: CircularPad2d takes an input (C, H, W) or (N, C, H, W), got 2 axes, shape
        (5, 7): reshape or unsqueeze the input to one of these layouts
    """

    axes = 2


class CircularPad3d(_CircularPad):
    r"""Extend a volume by wrapping it around.

    .. math:: y_i = x_{(i - \mathrm{left}) \bmod L}

    for the columns, with L = W; rows (top, bottom, H) and slices (front, back, D) follow the
    same rule. The cells that leave on one side come in on the other.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right, top, bottom, front, back)``, the last axis first;
        at most the size of the axis; negative ones crop, before the other side wraps.

    Shape
    -----
    input ``(N, C, D, H, W)``, output ``(N, C, D_out, H_out, W_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes, or a side of the padding
        is larger than the axis.

    References
    ----------
    :class:`torch.nn.CircularPad3d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7, 11)      # N=2, C=3, D=5, H=7, W=11
    >>> y = CircularPad3d((1, 2, 0, 3, 4, 0))(x)
    >>> y.shape
    torch.Size([2, 3, 9, 10, 14])

    A shift of the input is a shift of the output, up to the edges; PyTorch's layer agrees:

    >>> shifted = CircularPad3d((1, 2, 0, 3, 4, 0))(x.roll(1, -1))
    >>> torch.equal(shifted[..., 1:], y[..., :-1])
    True
    >>> torch.equal(y, nn.CircularPad3d((1, 2, 0, 3, 4, 0))(x))
    True

    Refused are another number of ints, more cells than the axis has, and a missing axis:

    >>> CircularPad3d((1, 2, 3, 4))
    Traceback (most recent call last):
        ...
    ValueError: CircularPad3d: padding is an int or the 6 ints (left, right, top, bottom,
        front, back), the last axis first, got (1, 2, 3, 4): write padding=1 for 1 on every
        side, or padding=(1, 1, 1, 1, 1, 1)
    >>> CircularPad3d((0, 0, 0, 0, 6, 0))(x)
    Traceback (most recent call last):
        ...
    ValueError: circular padding of an axis of size 5 adds at most 5 on each side, got (6, 0)
        for an input of shape (2, 3, 5, 7, 11): change the padding, its mode, or the size of
        the input
    >>> CircularPad3d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: CircularPad3d takes an input (C, D, H, W) or (N, C, D, H, W), got 3 axes, shape
        (5, 7, 11): reshape or unsqueeze the input to one of these layouts
    """

    axes = 3
