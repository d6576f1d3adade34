"""Padding with copies of the edge."""

import torch  # noqa: F401  (the examples use it)
from torch import nn  # noqa: F401

from layerref.padding.base import _Pad


class _ReplicationPad(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    r"""Extend a sequence with copies of its edge.

    .. math:: y_i = x_{\min(\max(i - \mathrm{left},\, 0),\, L - 1)}

    Every new cell holds the nearest old one.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right)``, the last axis first;
        any size; negative ones crop, down to one cell.

    Shape
    -----
    input ``(N, C, L)``, output ``(N, C, L_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes or no cells, or the
        padding crops all cells.

    References
    ----------
    :class:`torch.nn.ReplicationPad1d`.

    Examples
    --------
    >>> ReplicationPad1d((1, 2))(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]]
    >>> x = torch.randn(2, 3, 5)      # N=2, C=3, L=5
    >>> y = ReplicationPad1d((1, 2))(x)
    >>> y.shape
    torch.Size([2, 3, 8])

    Copying commutes with any function of single elements; PyTorch's layer agrees:

    >>> torch.equal(ReplicationPad1d((1, 2))(x.exp()), y.exp())
    True
    >>> torch.equal(y, nn.ReplicationPad1d((1, 2))(x))
    True

    Refused are another number of ints, a crop of all cells, and a missing axis:

    >>> ReplicationPad1d((1, 2, 3))
    Traceback (most recent call last):
        ...
    ValueError: ReplicationPad1d: padding is an int or the 2 ints (left, right), the last axis
        first, got (1, 2, 3): write padding=1 for 1 on every side, or padding=(1, 1)
    >>> ReplicationPad1d((-3, -2))(x)
    Traceback (most recent call last):
        ...
    ValueError: replicate padding of an axis of size 5 cannot remove all cells on each side,
        got (-3, -2) for an input of shape (2, 3, 5): change the padding, its mode, or the size
        of the input
    >>> ReplicationPad1d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ReplicationPad1d takes an input (C, L) or (N, C, L), got 1 axes, shape (5,):
        reshape or unsqueeze the input to one of these layouts
    """

    axes = 1


class ReplicationPad2d(_ReplicationPad):
    r"""Extend an image with copies of its edge.

    .. math:: y_i = x_{\min(\max(i - \mathrm{left},\, 0),\, L - 1)}

    for the columns, with L = W; the rows follow the same rule with top, bottom and H. Every
    new cell holds the nearest old one.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right, top, bottom)``, the last axis first;
        any size; negative ones crop, down to one cell.

    Shape
    -----
    input ``(N, C, H, W)``, output ``(N, C, H_out, W_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes or no cells, or the
        padding crops all cells.

    References
    ----------
    :class:`torch.nn.ReplicationPad2d`.

    Examples
    --------
    One column on the right, one row on top:

    >>> ReplicationPad2d((0, 1, 1, 0))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[1.0, 2.0, 2.0], [1.0, 2.0, 2.0], [3.0, 4.0, 4.0]]]
    >>> x = torch.randn(2, 3, 5, 7)      # N=2, C=3, H=5, W=7
    >>> y = ReplicationPad2d((1, 2, 0, 3))(x)
    >>> y.shape
    torch.Size([2, 3, 8, 10])

    Copying commutes with any function of single elements; PyTorch's layer agrees:

    >>> torch.equal(ReplicationPad2d((1, 2, 0, 3))(x.exp()), y.exp())
    True
    >>> torch.equal(y, nn.ReplicationPad2d((1, 2, 0, 3))(x))
    True

    Refused are another number of ints, a crop of all cells, and a missing axis:

    >>> ReplicationPad2d((1, 2))
    Traceback (most recent call last):
        ...
    ValueError: ReplicationPad2d: padding is an int or the 4 ints (left, right, top, bottom),
        the last axis first, got (1, 2): write padding=1 for 1 on every side, or
        padding=(1, 1, 1, 1)
    >>> ReplicationPad2d((0, 0, -3, -2))(x)
    Traceback (most recent call last):
        ...
    ValueError: replicate padding of an axis of size 5 cannot remove all cells on each side,
        got (-3, -2) for an input of shape (2, 3, 5, 7): change the padding, its mode, or the
        size of the input
    >>> ReplicationPad2d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ReplicationPad2d takes an input (C, H, W) or (N, C, H, W), got 2 axes, shape
        (5, 7): reshape or unsqueeze the input to one of these layouts
    """

    axes = 2


class ReplicationPad3d(_ReplicationPad):
    r"""Extend a volume with copies of its edge.

    .. math:: y_i = x_{\min(\max(i - \mathrm{left},\, 0),\, L - 1)}

    for the columns, with L = W; rows (top, bottom, H) and slices (front, back, D) follow the
    same rule. Every new cell holds the nearest old one.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right, top, bottom, front, back)``, the last axis first;
        any size; negative ones crop, down to one cell.

    Shape
    -----
    input ``(N, C, D, H, W)``, output ``(N, C, D_out, H_out, W_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes or no cells, or the
        padding crops all cells.

    References
    ----------
    :class:`torch.nn.ReplicationPad3d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7, 11)      # N=2, C=3, D=5, H=7, W=11
    >>> y = ReplicationPad3d((1, 2, 0, 3, 4, 0))(x)
    >>> y.shape
    torch.Size([2, 3, 9, 10, 14])

    Copying commutes with any function of single elements; PyTorch's layer agrees:

    >>> torch.equal(ReplicationPad3d((1, 2, 0, 3, 4, 0))(x.exp()), y.exp())
    True
    >>> torch.equal(y, nn.ReplicationPad3d((1, 2, 0, 3, 4, 0))(x))
    True

    Refused are another number of ints, a crop of all cells, and a missing axis:

    >>> ReplicationPad3d((1, 2, 3, 4))
    Traceback (most recent call last):
        ...
    ValueError: ReplicationPad3d: padding is an int or the 6 ints (left, right, top, bottom,
        front, back), the last axis first, got (1, 2, 3, 4): write padding=1 for 1 on every
        side, or padding=(1, 1, 1, 1, 1, 1)
    >>> ReplicationPad3d((0, 0, 0, 0, -3, -2))(x)
    Traceback (most recent call last):
        ...
    ValueError: replicate padding of an axis of size 5 cannot remove all cells on each side,
        got (-3, -2) for an input of shape (2, 3, 5, 7, 11): change the padding, its mode, or
        the size of the input
    >>> ReplicationPad3d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ReplicationPad3d takes an input (C, D, H, W) or (N, C, D, H, W), got 3 axes,
        shape (5, 7, 11): reshape or unsqueeze the input to one of these layouts
    """

    axes = 3
