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
        ``padding`` has another length, the input another number of axes, or the padding crops all
        cells.

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
        ``padding`` has another length, the input another number of axes, or the padding crops all
        cells.

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
        ``padding`` has another length, the input another number of axes, or the padding crops all
        cells.

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
    """

    axes = 3
