"""Padding with one value; zeros are the usual one."""

from collections.abc import Sequence

import torch  # noqa: F401  (the examples use it)
from torch import Tensor, nn  # noqa: F401

from layerref.padding.base import _Pad


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def _check(self, input: Tensor) -> None:
        # no cell is read, so leading axes do not matter: (H, W) will do, and (N, L, C, H, W)
        if input.dim() < self.axes:
            raise ValueError(
                f"{type(self).__name__} extends the last {self.axes} axes, got {input.dim()} axes, "
                f"shape {tuple(input.shape)}: add the missing axes, for example by unsqueeze"
            )

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    r"""Extend a sequence with one value.

    .. math:: y_i = \begin{cases} x_{i - \mathrm{left}} & 0 \le i - \mathrm{left} < L \\
        \mathrm{value} & \text{otherwise} \end{cases}

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints ``(left, right)``,
        the last axis first; negative ones crop, down to an empty axis.
    value
        What the new cells hold.

    Shape
    -----
    input ``(*, L)``, any number of leading axes; output ``(*, L_out)``.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input has too few axes, or the padding crops more than
        there is.

    References
    ----------
    :class:`torch.nn.ConstantPad1d`.

    Examples
    --------
    >>> ConstantPad1d((1, 2), 7.0)(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[7.0, 1.0, 2.0, 3.0, 7.0, 7.0]]
    >>> x = torch.randn(2, 3, 5)      # N=2, C=3, L=5
    >>> y = ConstantPad1d((1, 2), 7.0)(x)
    >>> y.shape
    torch.Size([2, 3, 8])

    Negative padding takes away what padding added; PyTorch's layer agrees:

    >>> torch.equal(ConstantPad1d((-1, -2), 0.0)(y), x)
    True
    >>> torch.equal(y, nn.ConstantPad1d((1, 2), 7.0)(x))
    True

    A crop of more cells than there are is refused:

    >>> ConstantPad1d((-3, -3), 7.0)(x)
    Traceback (most recent call last):
        ...
    ValueError: constant padding of an axis of size 5 cannot remove all cells on each side, got
        (-3, -3) for an input of shape (2, 3, 5): change the padding, its mode, or the size of
        the input
    """

    axes = 1


class ConstantPad2d(_ConstantPad):
    r"""Extend an image with one value.

    .. math:: y_i = \begin{cases} x_{i - \mathrm{left}} & 0 \le i - \mathrm{left} < L \\
        \mathrm{value} & \text{otherwise} \end{cases}

    for the columns, with L = W; the rows follow the same rule with top, bottom and H.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints ``(left, right, top, bottom)``,
        the last axis first; negative ones crop, down to an empty axis.
    value
        What the new cells hold.

    Shape
    -----
    input ``(*, H, W)``, any number of leading axes; output ``(*, H_out, W_out)``.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input has too few axes, or the padding crops more than
        there is.

    References
    ----------
    :class:`torch.nn.ConstantPad2d`.

    Examples
    --------
    One column on the right, one row on top:

    >>> ConstantPad2d((0, 1, 1, 0), 7.0)(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[7.0, 7.0, 7.0], [1.0, 2.0, 7.0], [3.0, 4.0, 7.0]]]
    >>> x = torch.randn(2, 3, 5, 7)      # N=2, C=3, H=5, W=7
    >>> y = ConstantPad2d((1, 2, 0, 3), 7.0)(x)
    >>> y.shape
    torch.Size([2, 3, 8, 10])

    Negative padding takes away what padding added; PyTorch's layer agrees:

    >>> torch.equal(ConstantPad2d((-1, -2, 0, -3), 0.0)(y), x)
    True
    >>> torch.equal(y, nn.ConstantPad2d((1, 2, 0, 3), 7.0)(x))
    True

    Another number of ints is refused:

    >>> ConstantPad2d((1, 2), 7.0)
    Traceback (most recent call last):
        ...
    ValueError: ConstantPad2d: padding is an int or the 4 ints (left, right, top, bottom), the
        last axis first, got (1, 2): write padding=1 for 1 on every side, or
        padding=(1, 1, 1, 1)
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    r"""Extend a volume with one value.

    .. math:: y_i = \begin{cases} x_{i - \mathrm{left}} & 0 \le i - \mathrm{left} < L \\
        \mathrm{value} & \text{otherwise} \end{cases}

    for the columns, with L = W; rows (top, bottom, H) and slices (front, back, D) follow the
    same rule.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints ``(left, right, top, bottom, front, back)``,
        the last axis first; negative ones crop, down to an empty axis.
    value
        What the new cells hold.

    Shape
    -----
    input ``(*, D, H, W)``, any number of leading axes; output ``(*, D_out, H_out, W_out)``.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input has too few axes, or the padding crops more than
        there is.

    References
    ----------
    :class:`torch.nn.ConstantPad3d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7, 11)      # N=2, C=3, D=5, H=7, W=11
    >>> y = ConstantPad3d((1, 2, 0, 3, 4, 0), 7.0)(x)
    >>> y.shape
    torch.Size([2, 3, 9, 10, 14])

    Negative padding takes away what padding added; PyTorch's layer agrees:

    >>> torch.equal(ConstantPad3d((-1, -2, 0, -3, -4, 0), 0.0)(y), x)
    True
    >>> torch.equal(y, nn.ConstantPad3d((1, 2, 0, 3, 4, 0), 7.0)(x))
    True

    A missing axis is refused:

    >>> ConstantPad3d(1, 7.0)(x[0, 0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ConstantPad3d extends the last 3 axes, got 2 axes, shape (7, 11): add the
        missing axes, for example by unsqueeze
    """

    axes = 3


class ZeroPad1d(ConstantPad1d):
    r"""Extend a sequence with zeros.

    .. math:: y_i = \begin{cases} x_{i - \mathrm{left}} & 0 \le i - \mathrm{left} < L \\
        0 & \text{otherwise} \end{cases}

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints ``(left, right)``,
        the last axis first; negative ones crop, down to an empty axis.

    Shape
    -----
    input ``(*, L)``, any number of leading axes; output ``(*, L_out)``.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input has too few axes, or the padding crops more than
        there is.

    References
    ----------
    :class:`torch.nn.ZeroPad1d`.

    Examples
    --------
    >>> ZeroPad1d((1, 2))(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[0.0, 1.0, 2.0, 3.0, 0.0, 0.0]]
    >>> x = torch.randn(2, 3, 5)      # N=2, C=3, L=5
    >>> y = ZeroPad1d((1, 2))(x)
    >>> y.shape
    torch.Size([2, 3, 8])

    Zeros keep the sum; PyTorch's layer agrees:

    >>> torch.testing.assert_close(y.sum(), x.sum())
    >>> torch.equal(y, nn.ZeroPad1d((1, 2))(x))
    True

    A crop of more cells than there are is refused:

    >>> ZeroPad1d((-3, -3))(x)
    Traceback (most recent call last):
        ...
    ValueError: constant padding of an axis of size 5 cannot remove all cells on each side, got
        (-3, -3) for an input of shape (2, 3, 5): change the padding, its mode, or the size of
        the input
    """

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    r"""Extend an image with zeros.

    .. math:: y_i = \begin{cases} x_{i - \mathrm{left}} & 0 \le i - \mathrm{left} < L \\
        0 & \text{otherwise} \end{cases}

    for the columns, with L = W; the rows follow the same rule with top, bottom and H.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints ``(left, right, top, bottom)``,
        the last axis first; negative ones crop, down to an empty axis.

    Shape
    -----
    input ``(*, H, W)``, any number of leading axes; output ``(*, H_out, W_out)``.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input has too few axes, or the padding crops more than
        there is.

    References
    ----------
    :class:`torch.nn.ZeroPad2d`.

    Examples
    --------
    One column on the right, one row on top:

    >>> ZeroPad2d((0, 1, 1, 0))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [3.0, 4.0, 0.0]]]
    >>> x = torch.randn(2, 3, 5, 7)      # N=2, C=3, H=5, W=7
    >>> y = ZeroPad2d((1, 2, 0, 3))(x)
    >>> y.shape
    torch.Size([2, 3, 8, 10])

    Zeros keep the sum; PyTorch's layer agrees:

    >>> torch.testing.assert_close(y.sum(), x.sum())
    >>> torch.equal(y, nn.ZeroPad2d((1, 2, 0, 3))(x))
    True

    Another number of ints is refused:

    >>> ZeroPad2d((1, 2))
    Traceback (most recent call last):
        ...
    ValueError: ZeroPad2d: padding is an int or the 4 ints (left, right, top, bottom), the last
        axis first, got (1, 2): write padding=1 for 1 on every side, or padding=(1, 1, 1, 1)
    """

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    r"""Extend a volume with zeros.

    .. math:: y_i = \begin{cases} x_{i - \mathrm{left}} & 0 \le i - \mathrm{left} < L \\
        0 & \text{otherwise} \end{cases}

    for the columns, with L = W; rows (top, bottom, H) and slices (front, back, D) follow the
    same rule.

    Parameters
    ----------
    padding
        Cells to add on every side, an int, or the ints ``(left, right, top, bottom, front, back)``,
        the last axis first; negative ones crop, down to an empty axis.

    Shape
    -----
    input ``(*, D, H, W)``, any number of leading axes; output ``(*, D_out, H_out, W_out)``.

    Raises
    ------
    ValueError
        ``padding`` has another length, the input has too few axes, or the padding crops more than
        there is.

    References
    ----------
    :class:`torch.nn.ZeroPad3d`.

    Examples
    --------
    >>> x = torch.randn(2, 3, 5, 7, 11)      # N=2, C=3, D=5, H=7, W=11
    >>> y = ZeroPad3d((1, 2, 0, 3, 4, 0))(x)
    >>> y.shape
    torch.Size([2, 3, 9, 10, 14])

    Zeros keep the sum; PyTorch's layer agrees:

    >>> torch.testing.assert_close(y.sum(), x.sum())
    >>> torch.equal(y, nn.ZeroPad3d((1, 2, 0, 3, 4, 0))(x))
    True

    A missing axis is refused:

    >>> ZeroPad3d(1)(x[0, 0, 0])
    Traceback (most recent call last):
        ...
    ValueError: ZeroPad3d extends the last 3 axes, got 2 axes, shape (7, 11): add the missing
        axes, for example by unsqueeze
    """

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"{self.padding}"
