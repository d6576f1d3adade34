"""Merge axes, and split them again."""

import math
from collections.abc import Sequence

import torch  # noqa: F401  (the examples use it)
from torch import Tensor, nn


def _axis(layer: str, name: str, value: int, rank: int) -> int:
    """Return a possibly negative axis as one counted from the front.

    Examples
    --------
    >>> [_axis("Flatten", "end_dim", value, rank=3) for value in (-3, -1, 0, 2)]
    [0, 2, 0, 2]
    """
    if not -rank <= value < rank:
        raise ValueError(
            f"{layer}: {name} is an axis from {-rank} to {rank - 1} of an input with {rank} axes, "
            f"got {value}: change {name}, or add the missing axes (a batch axis: x.unsqueeze(0))"
        )
    return value % rank


class Flatten(nn.Module):
    r"""Merge neighbouring axes into one.

    .. math:: (N, C, H, W) \mapsto (N,\; C \cdot H \cdot W)

    The last of the merged axes varies fastest. No number changes and, where the memory layout
    allows, none is copied. By default axis 0, the batch, stays.

    Parameters
    ----------
    start_dim
        First axis to merge; negative ones count from the end.
    end_dim
        Last axis to merge, included; not before ``start_dim``.

    Shape
    -----
    input ``(*, s_start, ..., s_end, *)``; output ``(*, s_start * ... * s_end, *)``. The defaults
    need at least two axes. An input without axes counts as one of shape ``(1,)``.

    Raises
    ------
    ValueError
        An axis does not exist in the input, or ``start_dim`` comes after ``end_dim``.

    References
    ----------
    :class:`torch.nn.Flatten`.

    Examples
    --------
    >>> x = torch.arange(2 * 3 * 5 * 7.0).reshape(2, 3, 5, 7)          # N=2, C=3, H=5, W=7
    >>> Flatten()(x).shape
    torch.Size([2, 105])
    >>> Flatten(start_dim=2)(x).shape
    torch.Size([2, 3, 35])

    Same numbers, same order, same memory; Unflatten undoes it; PyTorch's layer agrees:

    >>> Flatten()(x).data_ptr() == x.data_ptr()
    True
    >>> torch.equal(Unflatten(1, (3, 5, 7))(Flatten()(x)), x)
    True
    >>> torch.equal(Flatten()(x), nn.Flatten()(x))
    True

    An axis that the input does not have is refused, and so are two in the wrong order:

    >>> Flatten()(torch.zeros(3))
    Traceback (most recent call last):
        ...
    ValueError: Flatten: start_dim is an axis from -1 to 0 of an input with 1 axes, got 1:
        change start_dim, or add the missing axes (a batch axis: x.unsqueeze(0))
    >>> Flatten(2, 1)(x)
    Traceback (most recent call last):
        ...
    ValueError: Flatten merges the axes from start_dim=2 to end_dim=1, which of shape (2, 3, 5,
        7) are 2 and 1: swap the two
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with the axes from ``start_dim`` to ``end_dim`` merged."""
        shape = tuple(input.shape) or (1,)
        start = _axis("Flatten", "start_dim", self.start_dim, len(shape))
        end = _axis("Flatten", "end_dim", self.end_dim, len(shape))
        if start > end:
            raise ValueError(
                f"Flatten merges the axes from start_dim={self.start_dim} to end_dim="
                f"{self.end_dim}, which of shape {shape} are {start} and {end}: swap the two"
            )
        return input.reshape(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(nn.Module):
    r"""Split one axis into several; the inverse of :class:`Flatten`.

    .. math:: (N,\; C \cdot H \cdot W) \mapsto (N, C, H, W)

    Parameters
    ----------
    dim
        The axis to split; negative ones count from the end.
    unflattened_size
        Sizes of the new axes, a tuple or list; their product is the size of ``dim``. One of them
        may be -1: what is left.

    Shape
    -----
    input ``(*, s_dim, *)``; output ``(*, *unflattened_size, *)``.

    Raises
    ------
    TypeError
        ``unflattened_size`` is not a tuple or list of ints.
    ValueError
        The axis does not exist, or the sizes do not multiply up to its size.

    References
    ----------
    :class:`torch.nn.Unflatten`.

    Examples
    --------
    >>> Unflatten(1, (3, 5, -1))(torch.zeros(2, 105)).shape
    torch.Size([2, 3, 5, 7])

    It undoes Flatten and agrees with PyTorch's layer:

    >>> x = torch.arange(30.0).reshape(2, 15)
    >>> torch.equal(Flatten()(Unflatten(1, (3, 5))(x)), x)
    True
    >>> torch.equal(Unflatten(1, (3, 5))(x), nn.Unflatten(1, (3, 5))(x))
    True

    Sizes are whole numbers, their product is the size of an axis, and the axis exists:

    >>> Unflatten(1, (3, 5.0))
    Traceback (most recent call last):
        ...
    TypeError: unflattened_size is a tuple or list of ints, the sizes of the new axes, got (3,
        5.0): write for example unflattened_size=(3, -1)
    >>> Unflatten(1, (3, 4))(x)
    Traceback (most recent call last):
        ...
    ValueError: Unflatten: the sizes (3, 4) multiply up to the size of axis 1, which is 15 in
        the shape (2, 15): change the sizes, or give one of them as -1
    >>> Unflatten(2, (3, 5))(x)
    Traceback (most recent call last):
        ...
    ValueError: Unflatten: dim is an axis from -2 to 1 of an input with 2 axes, got 2: change
        dim, or add the missing axes (a batch axis: x.unsqueeze(0))
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)) or not all(
            isinstance(size, int) for size in unflattened_size
        ):
            raise TypeError(
                "unflattened_size is a tuple or list of ints, the sizes of the new axes, got "
                f"{unflattened_size!r}: write for example unflattened_size=(3, -1)"
            )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with axis ``dim`` split into ``unflattened_size``."""
        dim, sizes = _axis("Unflatten", "dim", self.dim, input.dim()), tuple(self.unflattened_size)
        known = math.prod(size for size in sizes if size != -1)
        if -1 in sizes and known > 0:
            place = sizes.index(-1)
            sizes = (*sizes[:place], input.shape[dim] // known, *sizes[place + 1 :])
        if not sizes or min(sizes) < 0 or math.prod(sizes) != input.shape[dim]:
            raise ValueError(
                f"Unflatten: the sizes {tuple(self.unflattened_size)} multiply up to the size of "
                f"axis {self.dim}, which is {input.shape[dim]} in the shape {tuple(input.shape)}: "
                "change the sizes, or give one of them as -1"
            )
        return input.reshape(*input.shape[:dim], *sizes, *input.shape[dim + 1 :])

    def extra_repr(self) -> str:
        """Return the settings as torch prints them."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
