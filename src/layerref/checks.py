"""Checks that every family shares: each error states the rule, the values and the remedy."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

HALF = (torch.float16, torch.bfloat16)


def check_dtype(layer: nn.Module, input: Tensor, takes: str) -> None:
    """Refuse an input whose dtype the layer cannot compute with.

    ``takes`` is ``"anything"``; ``"real"``: numbers with an order, neither bool nor complex;
    ``"floating"``; ``"own"``: the dtype of the layer's parameters, which autocast adapts by itself;
    ``"own or half"``: also half precision beside float32 parameters.

    Examples
    --------
    >>> check_dtype(nn.ReLU(), torch.zeros(3), "real")
    >>> check_dtype(nn.ReLU(), torch.zeros(3, dtype=torch.complex64), "real")
    Traceback (most recent call last):
        ...
    TypeError: ReLU takes real numbers, got an input of torch.complex64: give its parts x.real and
        x.imag, or x.abs()
    >>> check_dtype(nn.Linear(3, 2), torch.zeros(3).double(), "own")
    Traceback (most recent call last):
        ...
    TypeError: Linear takes an input of its parameters' dtype, torch.float32, got torch.float64:
        convert one, x.to(torch.float32) or layer.to(torch.float64)
    """
    dtype, name = input.dtype, getattr(layer, "rule", None)
    name = name.name if name else type(layer).__name__
    if takes in ("own", "own or half"):
        own = next((p.dtype for p in layer._parameters.values() if p is not None), dtype)
        half = takes == "own or half" and dtype in HALF and own == torch.float32
        if dtype == own or half or torch.is_autocast_enabled(input.device.type):
            return
        raise TypeError(
            f"{name} takes an input of its parameters' dtype, {own}, got {dtype}: "
            f"convert one, x.to({own}) or layer.to({dtype})"
        )
    if takes == "anything" or dtype.is_floating_point or (takes == "real" and is_integer(dtype)):
        return
    what = {"real": "real numbers", "floating": "floating-point numbers"}[takes]
    remedy = (
        "give its parts x.real and x.imag, or x.abs()" if dtype.is_complex else "write x.float()"
    )
    raise TypeError(f"{name} takes {what}, got an input of {dtype}: {remedy}")


def is_integer(dtype: torch.dtype) -> bool:
    """Tell whether a dtype holds whole numbers.

    Examples
    --------
    >>> [is_integer(dtype) for dtype in (torch.uint8, torch.int64, torch.bool, torch.float32)]
    [True, True, False, False]
    """
    return not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool)


def per_axis(name: str, value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Return one int per axis: an int stands for all axes, a sequence has one int for each.

    Examples
    --------
    >>> per_axis("stride", 2, axes=3), per_axis("stride", [2, 1], axes=2)
    ((2, 2, 2), (2, 1))
    >>> per_axis("stride", (2, 1), axes=3)
    Traceback (most recent call last):
        ...
    ValueError: stride takes an int or 3 ints, one per axis, got (2, 1): write stride=3 for the
        same on every axis, or stride=(3, 3, 3)
    >>> per_axis("stride", (2, 1.0), axes=2)
    Traceback (most recent call last):
        ...
    ValueError: stride takes an int or 2 ints, one per axis, got (2, 1.0): write stride=3 for
        the same on every axis, or stride=(3, 3)
    >>> per_axis("stride", None, axes=1)
    Traceback (most recent call last):
        ...
    ValueError: stride takes an int or 1 ints, one per axis, got None: write stride=3 for the
        same on every axis, or stride=(3,)
    """
    if isinstance(value, int):
        return (value,) * axes
    values = tuple(value) if isinstance(value, Sequence) else ()
    if len(values) != axes or not all(isinstance(v, int) for v in values):
        raise ValueError(
            f"{name} takes an int or {axes} ints, one per axis, got {value!r}: "
            f"write {name}=3 for the same on every axis, or {name}={(3,) * axes}"
        )
    return values


def check_rank(layer: str, input: Tensor, layouts: Mapping[int, str]) -> None:
    """Refuse an input whose number of axes is not a key of ``layouts`` (rank -> axis letters).

    Examples
    --------
    >>> check_rank("Dropout1d", torch.zeros(5, 7), {2: "(C, L)", 3: "(N, C, L)"})
    >>> check_rank("Dropout1d", torch.zeros(7), {2: "(C, L)", 3: "(N, C, L)"})
    Traceback (most recent call last):
        ...
    ValueError: Dropout1d takes an input (C, L) or (N, C, L), got 1 axes, shape (7,): reshape
        or unsqueeze the input to one of these layouts
    """
    if input.dim() not in layouts:
        allowed = " or ".join(layouts.values())
        raise ValueError(
            f"{layer} takes an input {allowed}, got {input.dim()} axes, shape "
            f"{tuple(input.shape)}: reshape or unsqueeze the input to one of these layouts"
        )


def check_probability(layer: str, p: float) -> None:
    """Refuse a probability outside [0, 1].

    Examples
    --------
    >>> check_probability("Dropout", 0), check_probability("Dropout", 1)
    (None, None)
    >>> check_probability("Dropout", -0.1)
    Traceback (most recent call last):
        ...
    ValueError: Dropout: p is the probability of dropping an element, between 0 and 1, got -0.1
    >>> check_probability("Dropout", 1.1)
    Traceback (most recent call last):
        ...
    ValueError: Dropout: p is the probability of dropping an element, between 0 and 1, got 1.1
    """
    if not 0 <= p <= 1:
        raise ValueError(
            f"{layer}: p is the probability of dropping an element, between 0 and 1, got {p}"
        )
