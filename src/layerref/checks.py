"""Checks that every family shares: each error states the rule, the values and the remedy."""

from collections.abc import Mapping, Sequence

import torch  # noqa: F401  (the examples use it)
from torch import Tensor


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
