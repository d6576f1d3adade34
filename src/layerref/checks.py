"""Checks that every family shares: each error states the rule, the values and the remedy."""

from collections.abc import Mapping, Sequence

from torch import Tensor


def per_axis(name: str, value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Return one int per axis: an int stands for all axes, a sequence has one int for each."""
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
    """Refuse an input whose number of axes is not a key of ``layouts`` (rank -> axis letters)."""
    if input.dim() not in layouts:
        allowed = " or ".join(layouts.values())
        raise ValueError(
            f"{layer} takes an input {allowed}, got {input.dim()} axes, shape "
            f"{tuple(input.shape)}: reshape or unsqueeze the input to one of these layouts"
        )


def check_probability(layer: str, p: float) -> None:
    """Refuse a probability outside [0, 1]."""
    if not 0 <= p <= 1:
        raise ValueError(
            f"{layer}: p is the probability of dropping an element, between 0 and 1, got {p}"
        )
