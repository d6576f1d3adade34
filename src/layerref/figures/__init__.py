"""Drawing that gallery scripts share: value grids, both themes, alt text, steps you control.

Nothing else in the package imports this folder, the only place that needs Matplotlib
(``pip install layerref[gallery]``).
"""

from layerref.figures.boards import CELL, board, depends, grid, outline
from layerref.figures.steps import Steps
from layerref.figures.themes import (
    BLUE,
    COLORS,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    YELLOW,
    describe,
    ink,
    shade,
    style,
    svg,
    themify,
)

__all__ = [
    "BLUE",
    "CELL",
    "COLORS",
    "GREEN",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILLION",
    "WIDTH",
    "YELLOW",
    "Steps",
    "board",
    "depends",
    "describe",
    "grid",
    "ink",
    "outline",
    "shade",
    "style",
    "svg",
    "themify",
]
