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
    """

    axes = 3
