"""What all normalisations share: the precision of statistics, and the learned scale and shift."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn


def widen(input: Tensor) -> Tensor:
    """Return half precisions as float32, in which torch takes the statistics; the rest as it is.

    Examples
    --------
    >>> widen(torch.ones(3, dtype=torch.bfloat16)).dtype, widen(torch.ones(3).double()).dtype
    (torch.float32, torch.float64)
    """
    return input.float() if input.dtype in (torch.float16, torch.bfloat16) else input


def is_size(value: Any) -> bool:
    """Tell whether ``value`` can be the size of an axis: an integer from 0, not a bool.

    Examples
    --------
    >>> [is_size(value) for value in (0, 5, -1, 5.0, True, "5")]
    [True, True, False, False, False, False]
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def check_number(layer: str, name: str, value: Any) -> None:
    """Refuse a setting that is not a number.

    Examples
    --------
    >>> check_number("LayerNorm", "eps", 0), check_number("LayerNorm", "eps", 1e-5)
    (None, None)
    >>> check_number("LayerNorm", "eps", None)
    Traceback (most recent call last):
        ...
    TypeError: LayerNorm: eps is a number, got None: give a float, or leave eps out
    """
    if not isinstance(value, Real):
        raise TypeError(
            f"{layer}: {name} is a number, got {value!r}: give a float, or leave {name} out"
        )


def last_axes(layer: str, normalized_shape: Any) -> tuple[int, ...]:
    """Return ``normalized_shape`` as a tuple; refuse one that no input can have.

    Examples
    --------
    >>> last_axes("LayerNorm", 5), last_axes("LayerNorm", [3, 0])
    ((5,), (3, 0))
    >>> last_axes("LayerNorm", [])
    Traceback (most recent call last):
        ...
    ValueError: LayerNorm takes the sizes of one or more last axes, got normalized_shape=[]:
        give an int for one axis, or a tuple such as (3, 5)
    >>> last_axes("LayerNorm", (3, 5.0))
    Traceback (most recent call last):
        ...
    ValueError: LayerNorm takes the sizes of one or more last axes, got
        normalized_shape=(3, 5.0): give an int for one axis, or a tuple such as (3, 5)
    """
    several = isinstance(normalized_shape, Iterable)
    shape = tuple(normalized_shape) if several else (normalized_shape,)
    if not shape or not all(is_size(size) for size in shape):
        raise ValueError(
            f"{layer} takes the sizes of one or more last axes, got normalized_shape="
            f"{normalized_shape!r}: give an int for one axis, or a tuple such as (3, 5)"
        )
    return shape


def check_last_axes(layer: str, input: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse an input whose last axes are not ``shape``.

    Examples
    --------
    >>> check_last_axes("LayerNorm", torch.zeros(2, 3, 5), (3, 5))
    >>> check_last_axes("LayerNorm", torch.zeros(5), (3, 5))
    Traceback (most recent call last):
        ...
    ValueError: LayerNorm normalises the last axes (3, 5), got an input of shape (5,): give
        normalized_shape the sizes of the input's last axes
    """
    if tuple(input.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"{layer} normalises the last axes {shape}, got an input of shape "
            f"{tuple(input.shape)}: give normalized_shape the sizes of the input's last axes"
        )


class _Affine(nn.Module):
    r"""Hold the scale and the shift that end a normalisation, each learned or absent.

    .. math:: y = \hat{x} \odot \gamma + \beta

    where ``weight`` is :math:`\gamma`, from 1, and ``bias`` is :math:`\beta`, from 0.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def _learn(self, shape: tuple[int, ...], scale: bool, shift: bool) -> None:
        """Create the parameters that are wanted, all of one shape."""
        self.register_parameter("weight", nn.Parameter(torch.empty(shape)) if scale else None)
        self.register_parameter("bias", nn.Parameter(torch.empty(shape)) if shift else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from scale 1 and shift 0, which change nothing."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _scale_and_shift(self, normalized: Tensor, shared_axes: int = 0) -> Tensor:
        """Scale and shift; the last ``shared_axes`` axes share one value of each."""
        ones = (1,) * shared_axes
        if self.weight is not None:
            normalized = normalized * self.weight.reshape(*self.weight.shape, *ones)
        if self.bias is not None:
            normalized = normalized + self.bias.reshape(*self.bias.shape, *ones)
        return normalized

    def _check_dtype(self, input: Tensor, *buffers: Tensor | None) -> None:
        """Refuse integers, and an input that does not fit the dtype of parameters and buffers."""
        own = {t.dtype for t in (self.weight, self.bias, *buffers) if t is not None}
        fits = own <= {input.dtype} or own <= {widen(input).dtype}
        if not input.is_floating_point() or not fits:
            raise TypeError(
                f"{type(self).__name__} takes floating-point input of its parameters' dtype, or "
                f"half precision with float32 parameters, got an input of {input.dtype} and "
                f"parameters of {own or 'no dtype'}: convert one, as by layer.to(input.dtype)"
            )
