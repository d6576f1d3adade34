"""What all pooling layers share: checks, the output length, the largest cell of every window."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from layerref.checks import check_rank, per_axis

FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
COMPLEX = (torch.complex32, torch.complex64, torch.complex128)
INTEGER = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def ints_per_axis(name: str, value: object, axes: int, least: int) -> tuple[int, ...]:
    """Return one int per axis, each at least ``least``."""
    values = per_axis(name, value, axes) if isinstance(value, int | Sequence) else ()
    if not values or any(isinstance(v, bool) for v in values):
        raise TypeError(f"{name} takes an int or {axes} ints, one per axis, got {value!r}")
    if min(values) < least:
        raise ValueError(f"{name} is at least {least} on every axis, got {value!r}")
    return values


def geometry(
    axes: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
) -> list[tuple[int, int, int, int]]:
    """Return ``(k, s, p, d)`` for each axis, after checking them."""
    parts = [
        # torch also takes a sequence of one int for all axes
        ints_per_axis(name, v[0] if isinstance(v, Sequence) and len(v) == 1 else v, axes, least)
        for name, v, least in [
            ("kernel_size", kernel_size, 1),
            ("stride", stride, 1),
            ("padding", padding, 0),
            ("dilation", dilation, 1),
        ]
    ]
    if any(p > k // 2 for k, _, p, _ in zip(*parts)):
        raise ValueError(
            f"padding is at most half of kernel_size (else a window may hold padding only), got "
            f"padding={padding} and kernel_size={kernel_size}: reduce padding or pad the input"
        )
    return list(zip(*parts))


def output_length(length: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    r"""Return how many windows fit on an axis.

    .. math:: o = \lfloor (i + 2p - d(k-1) - 1) / s \rfloor + 1

    With ``ceil_mode`` the division rounds up, then a last window that would start in the
    padding after the input is dropped: one fewer where :math:`(o-1)s \ge i + p`.

    Examples
    --------
    >>> output_length(5, 2, 2, 0, 1, False), output_length(5, 2, 2, 0, 1, True)
    (2, 3)
    >>> output_length(5, 2, 3, 1, 1, True)                  # rounding up alone gives 3
    2
    """
    room = length + 2 * p - d * (k - 1) - 1
    out = (room + (s - 1 if ceil_mode else 0)) // s + 1
    if ceil_mode and (out - 1) * s >= length + p:
        out -= 1
    if out < 1:
        raise ValueError(
            f"no window fits: an axis of length {length} with kernel_size={k}, stride={s}, "
            f"padding={p}, dilation={d} gives {out} outputs: shrink the window or pad the input"
        )
    return out


def check_input(layer: str, input: Tensor, axes: int, dtypes: Sequence[torch.dtype]) -> None:
    """Refuse an input of a wrong rank, of a dtype that is not pooled, or with no cell to pool."""
    letters = {1: "L", 2: "H, W", 3: "D, H, W"}[axes]
    check_rank(layer, input, {axes + 1: f"(C, {letters})", axes + 2: f"(N, C, {letters})"})
    check_dtype(layer, input, dtypes)


def check_dtype(layer: str, input: Tensor, dtypes: Sequence[torch.dtype]) -> None:
    """Refuse an input of a dtype that is not in ``dtypes``."""
    if input.dtype not in dtypes:
        names = ", ".join(str(t).removeprefix("torch.") for t in dtypes)
        raise TypeError(f"{layer} pools {names}, got {input.dtype}: convert with input.float()")


def check_not_empty(layer: str, input: Tensor, axes: range) -> None:
    """Refuse an input with no element along one of ``axes``."""
    if any(input.shape[axis] == 0 for axis in axes):
        raise ValueError(
            f"{layer} takes no empty axis but the batch, got shape {tuple(input.shape)}"
        )


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype in which to add: half precisions would overflow and lose small terms."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def cells_at(input: Tensor, table: Tensor) -> Tensor:
    """Read the windows of a table ``(..., out, k)`` of positions from the last axis of ``input``.

    Examples
    --------
    >>> cells_at(torch.tensor([5, 6, 7]), torch.tensor([[0, 1], [1, 2]])).tolist()
    [[5, 6], [6, 7]]
    """
    index = table.flatten(-2).expand(*input.shape[:-1], -1)
    return input.gather(-1, index).unflatten(-1, table.shape[-2:])


def number_cells(size: Sequence[int], positions: Sequence[Tensor]) -> Tensor:
    """Give the cells of a grid their number in reading order, from their positions on the axes.

    Examples
    --------
    >>> number_cells((2, 3), [torch.arange(2), torch.arange(3)]).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    cell = positions[0]
    for length, position in zip(size[1:], positions[1:]):
        cell = cell.unsqueeze(-1) * length + position
    return cell


def largest_cell(
    best: Tensor, cell: Tensor, windows: Sequence[Callable[[Tensor], Tensor]]
) -> Tensor:
    """Find the largest cell of every window: its entry in ``cell``, as ``(*, *out)``.

    The maximum over a box is the maximum over its rows, then over its columns: one axis at a
    time needs far fewer comparisons than whole boxes. ``windows`` has for each of the last axes
    a function that shows an axis through its windows, ``(..., length)`` to ``(..., out, k)``.

    The last axis goes first, so that of equal cells the first in reading order wins, as in
    PyTorch. There, also, a NaN beats all before it: the last NaN of a window wins.
    """
    for view in reversed(windows):
        cells = view(cell.expand(best.shape))
        values = view(best)
        best, choice = values.max(-1, keepdim=True)
        if best.is_floating_point():
            order = torch.arange(values.shape[-1], device=values.device)
            last_nan = torch.where(values.isnan(), order, 0).amax(-1, keepdim=True)
            choice = torch.where(best.isnan(), last_nan, choice)
        # the pooled axis moves before the others, which brings the next one to the end
        best = best.squeeze(-1).movedim(-1, -len(windows))
        cell = cells.gather(-1, choice).squeeze(-1).movedim(-1, -len(windows))
    return cell


def take(
    input: Tensor, cell: Tensor, axes: int, return_indices: bool
) -> Tensor | tuple[Tensor, Tensor]:
    """Read the numbered cells from ``input``: only they get a gradient."""
    index = cell.flatten(-axes)
    values = input.flatten(-axes).gather(-1, index).view(cell.shape)
    return (values, index.view(cell.shape)) if return_indices else values
