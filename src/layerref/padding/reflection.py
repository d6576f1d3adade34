"""Padding with the mirror image."""

import torch  # noqa: F401  (the examples use it)
from torch import nn  # noqa: F401

from layerref.padding.base import _Pad


class _ReflectionPad(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    r"""Extend a sequence with its mirror image, without repeating the edge.

    .. math:: y_i = x_{(L-1) - \left|(L-1) - |i - \mathrm{left}|\right|}

    The edge itself is the mirror: it is not repeated.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right)``, the last axis first;
        less than the size of the axis; negative ones crop.

    Shape
    -----
    input ``(N, C, L)``, output ``(N, C, L_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes or no cells, or a side
        of the padding is as large as the axis or larger.

    References
    ----------
    :class:`torch.nn.ReflectionPad1d`.

    Examples
    --------
    >>> ReflectionPad1d((1, 2))(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[2.0, 1.0, 2.0, 3.0, 2.0, 1.0]]
    >>> x = torch.randn(2, 3, 5)      # N=2, C=3, L=5
    >>> y = ReflectionPad1d((1, 2))(x)
    >>> y.shape
    torch.Size([2, 3, 8])

    No value appears that was not there; PyTorch's layer agrees:

    >>> bool(torch.isin(y, x).all())
    True
    >>> torch.equal(y, nn.ReflectionPad1d((1, 2))(x))
    True

    Refused are another number of ints, a side as large as the axis, and a missing axis:

    >>> ReflectionPad1d((1, 2, 3))
    Traceback (most recent call last):
        ...
    ValueError: ReflectionPad1d: padding is an int or the 2 ints (left, right), the last axis
        first, got (1, 2, 3): write padding=1 for 1 on every side, or padding=(1, 1)
    >>> ReflectionPad1d((5, 0))(x)
    Traceback (most recent call last):
        ...
    ValueError: reflect padding of an axis of size 5 adds at most 4 on each side, got (5, 0)
        for an input of shape (2, 3, 5): change the padding, its mode, or the size of the input
    >>> ReflectionPad1d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ReflectionPad1d takes an input (C, L) or (N, C, L), got 1 axes, shape (5,):
        reshape or unsqueeze the input to one of these layouts
    """

    axes = 1


class ReflectionPad2d(_ReflectionPad):
    r"""Extend an image with its mirror image, without repeating the edge.

    .. math:: y_i = x_{(L-1) - \left|(L-1) - |i - \mathrm{left}|\right|}

    for the columns, with L = W; the rows follow the same rule with top, bottom and H. The
    edge itself is the mirror: it is not repeated.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right, top, bottom)``, the last axis first;
        less than the size of the axis; negative ones crop.

    Shape
    -----
    input ``(N, C, H, W)``, output ``(N, C, H_out, W_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes or no cells, or a side
        of the padding is as large as the axis or larger.

    References
    ----------
    :class:`torch.nn.ReflectionPad2d`.

    Examples
    --------
    One column on the right, one row on top:

    >>> ReflectionPad2d((0, 1, 1, 0))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[3.0, 4.0, 3.0], [1.0, 2.0, 1.0], [3.0, 4.0, 3.0]]]
    >>> x = torch.randn(2, 3, 5, 7)      # N=2, C=3, H=5, W=7
    >>> y = ReflectionPad2d((1, 2, 0, 3))(x)
    >>> y.shape
    torch.Size([2, 3, 8, 10])

    No value appears that was not there; PyTorch's layer agrees:

    >>> bool(torch.isin(y, x).all())
    True
    >>> torch.equal(y, nn.ReflectionPad2d((1, 2, 0, 3))(x))
    True

    Refused are another number of ints, a side as large as the axis, and a missing axis:

    >>> ReflectionPad2d((1, 2))
    Traceback (most recent call last):
        ...
    ValueError: ReflectionPad2d: padding is an int or the 4 ints (left, right, top, bottom),
        the last axis first, got (1, 2): write padding=1 for 1 on every side, or
        padding=(1, 1, 1, 1)
    >>> ReflectionPad2d((0, 0, 5, 0))(x)
    Traceback (most recent call last):
        ...
    ValueError: reflect padding of an axis of size 5 adds at most 4 on each side, got (5, 0)
        for an input of shape (2, 3, 5, 7): change the padding, its mode, or the size of the
        input
    >>> ReflectionPad2d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ReflectionPad2d takes an input (C, H, W) or (N, C, H, W), got 2 axes, shape
        (5, 7): reshape or unsqueeze the input to one of these layouts
    """

    axes = 2


class ReflectionPad3d(_ReflectionPad):
    r"""Extend a volume with its mirror image, without repeating the edge.

    .. math:: y_i = x_{(L-1) - \left|(L-1) - |i - \mathrm{left}|\right|}

    for the columns, with L = W; rows (top, bottom, H) and slices (front, back, D) follow the
    same rule. The edge itself is the mirror: it is not repeated.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints
        ``(left, right, top, bottom, front, back)``, the last axis first;
        less than the size of the axis; negative ones crop.

    Shape
    -----
    input ``(N, C, D, H, W)``, output ``(N, C, D_out, H_out, W_out)``; or both without N.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input another number of axes or no cells, or a side
        of the padding is as large as the axis or larger.

    References
    ----------
    :class:`torch.nn.ReflectionPad3d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7, 11)      # N=2, C=3, D=5, H=7, W=11
    >>> y = ReflectionPad3d((1, 2, 0, 3, 4, 0))(x)
    >>> y.shape
    torch.Size([2, 3, 9, 10, 14])

    No value appears that was not there; PyTorch's layer agrees:

    >>> bool(torch.isin(y, x).all())
    True
    >>> torch.equal(y, nn.ReflectionPad3d((1, 2, 0, 3, 4, 0))(x))
    True

    Refused are another number of ints, a side as large as the axis, and a missing axis:

    >>> ReflectionPad3d((1, 2, 3, 4))
    Traceback (most recent call last):
        ...
    ValueError: ReflectionPad3d: padding is an int or the 6 ints (left, right, top, bottom,
        front, back), the last axis first, got (1, 2, 3, 4): write padding=1 for 1 on every
        side, or padding=(1, 1, 1, 1, 1, 1)
    >>> ReflectionPad3d((0, 0, 0, 0, 5, 0))(x)
    Traceback (most recent call last):
        ...
    ValueError: reflect padding of an axis of size 5 adds at most 4 on each side, got (5, 0)
        for an input of shape (2, 3, 5, 7, 11): change the padding, its mode, or the size of
        the input
    >>> ReflectionPad3d(1)(x[0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ReflectionPad3d takes an input (C, D, H, W) or (N, C, D, H, W), got 3 axes,
        shape (5, 7, 11): reshape or unsqueeze the input to one of these layouts
    """

    axes = 3
