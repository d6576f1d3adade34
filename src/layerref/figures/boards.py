"""Value grids: matrices drawn as cells with their numbers, windows outlined."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Rectangle
from torch import Tensor

from layerref.figures.themes import VERMILLION, ink

#: Inches of one cell of a board, so that 15 columns are ``WIDTH`` wide.
CELL = 0.345


def depends(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Ask a real operation which output cells depend on which input cells.

    One input cell at a time becomes NaN, and the outputs that turn NaN depend on it. A weight of
    zero counts, so a window is seen whole. (Not for masks that multiply by zero: 0 · NaN is NaN.)

    Returns
    -------
    Tensor
        Boolean, ``(*output.shape, *x.shape)``: ``depends(f, x)[o]`` is the window of output ``o``.

    Examples
    --------
    >>> depends(lambda x: x[:-1] + x[1:], torch.zeros(3)).int().tolist()
    [[1, 1, 0], [0, 1, 1]]
    """
    columns = []
    with torch.no_grad():
        for cell in product(*map(range, x.shape)):
            probe = x.detach().clone()
            probe[cell] = float("nan")
            columns.append(function(probe).isnan())
    return torch.stack(columns, -1).reshape(*columns[0].shape, *x.shape)


def board(columns: float, rows: float, fig: FigureBase | None = None) -> Axes:
    """Return bare axes whose unit is one cell, (0, 0) at the top left, x to the right, y down.

    All cells on a board have one size. Without ``fig`` the board makes a figure that fits; in the
    ``draw`` of :class:`Steps`, pass the ``fig`` it is given.

    Examples
    --------
    >>> board(10, 4).figure.get_size_inches().round(2).tolist()
    [3.45, 1.38]
    """
    if fig is None:
        fig = plt.figure(figsize=(columns * CELL, rows * CELL))
    if isinstance(fig, Figure):
        fig.set_layout_engine("none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    ax.axis("off")
    return ax


def grid(
    ax: Axes,
    values: Tensor | Sequence[Sequence[Any]],
    at: tuple[float, float] = (0, 0),
    *,
    colors: str | Sequence[Sequence[str | None]] | None = None,
    hatch: Tensor | None = None,
    title: str = "",
    fmt: str = "{:g}",
    fontsize: float = 10,
) -> None:
    """Draw a matrix on a :func:`board` as cells with their values.

    Parameters
    ----------
    ax
        The board.
    values
        Matrix of numbers, or of strings; ``None`` leaves a cell empty.
    at
        x and y of the top left corner, in cells.
    colors
        One colour, or one for each cell; ``None`` for no colour.
    hatch
        Boolean matrix: the cells to hatch (padding, what a mask forbids).
    title
        Written above, from the left.
    fmt
        Format of a number, as for ``str.format``.
    fontsize
        Points.
    """
    x, y = at
    rows = values.tolist() if isinstance(values, Tensor) else values
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            face = colors if isinstance(colors, str) or colors is None else colors[i][j]
            ax.add_artist(Rectangle(  # add_patch would reckon with limits that a board has fixed
                (x + j, y + i), 1, 1, facecolor=face or "none", edgecolor="black", linewidth=0.8,
                clip_on=False, hatch="///" if hatch is not None and bool(hatch[i][j]) else None,
            ))  # fmt: skip
            if value is None:
                continue
            # on a common baseline: centring each text's own box makes a row uneven
            ax.text(
                x + j + 0.5, y + i + 0.5 + 0.36 * fontsize / (72 * CELL),
                value if isinstance(value, str) else fmt.format(value),
                ha="center", va="baseline", color=ink(face) if face else "black", fontsize=fontsize,
            )  # fmt: skip
    if title:
        ax.text(x, y - 0.25, title, ha="left", va="bottom")


def outline(
    ax: Axes, mask: Tensor, at: tuple[float, float] = (0, 0), *, color: str = VERMILLION
) -> None:
    """Mark cells of a :func:`grid` (a window, a kernel's taps): a thick line around, a light tint.

    Parameters
    ----------
    ax
        The board.
    mask
        Boolean matrix. Cells that touch are surrounded together.
    at
        x and y of the grid's top left corner, as given to :func:`grid`.
    color
        Of the line.
    """
    x, y = at
    for i, j in mask.nonzero().tolist():  # beneath the cells; their text stays readable
        tint = Rectangle((x + j, y + i), 1, 1, color=color, alpha=0.3, linewidth=0, zorder=0.5)
        ax.add_artist(tint)
    marked = {(i, j) for i, j in mask.nonzero().tolist()}
    lines = []
    for i, j in sorted(marked):
        sides = {(i - 1, j): ((0, 0), (1, 0)), (i + 1, j): ((0, 1), (1, 1)),
                 (i, j - 1): ((0, 0), (0, 1)), (i, j + 1): ((1, 0), (1, 1))}  # fmt: skip
        for neighbour, ends in sides.items():
            if neighbour not in marked:
                lines.append([(x + j + dx, y + i + dy) for dx, dy in ends])
    ax.add_collection(LineCollection(
        lines, colors=color, linewidths=3, capstyle="round", zorder=2.5, clip_on=False
    ))  # fmt: skip
