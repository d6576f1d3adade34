"""Colours, defaults, alt text, and SVG that follows the page's light or dark theme.

A figure has no background. What is pure black becomes the page's text colour, and what is pure
white becomes transparent (:func:`themify`). On a coloured cell write with :func:`ink`, which
stays as it is in both themes.
"""

import io
import re

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

#: Okabe and Ito's colours. As lines use the first four, which hold on white and on black.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW = "#E69F00", "#56B4E9", "#F0E442"
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW)

#: Inches. On a phone of 390 px a figure this wide shows 10 points as 9 px.
WIDTH = 5.2


def style() -> None:
    """Set Matplotlib's defaults to the gallery's. Call it once, at the start of a script."""
    lines = plt.cycler(color=COLORS[:4]) + plt.cycler(linestyle=["-", "--", "-.", ":"])
    plt.rcParams.update({
        "svg.hashsalt": "layerref", "svg.fonttype": "none",  # the same file twice; text as text
        "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 10,
        "axes.titlesize": 10, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
        "axes.prop_cycle": lines, "lines.linewidth": 2, "grid.color": "#b0b0b0",
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
        "figure.figsize": (WIDTH, 3.2), "figure.constrained_layout.use": True, "figure.dpi": 100,
        "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
        "legend.frameon": False, "legend.fontsize": 9, "hatch.linewidth": 0.7,
    })  # fmt: skip


def describe(fig: Figure, text: str) -> Figure:
    """Give the figure its alt text: what is seen, with the numbers.

    It is kept as ``fig._layerref_alt``. :func:`svg` writes it into the file, and the site's pages
    into the image's ``alt``.
    """
    fig._layerref_alt = " ".join(text.split())  # type: ignore[attr-defined]
    return fig


def ink(color: str) -> str:
    """Return the near-black or near-white that reads better on ``color``, in either theme.

    Examples
    --------
    >>> ink(YELLOW), ink(BLUE)
    ('#111111', '#f5f5f5')
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear))
    return "#111111" if luminance > 0.18 else "#f5f5f5"  # at 0.18 both contrasts are equal


def shade(values: Tensor, low: float, high: float) -> list[list[str]]:
    """Colour numbers from ``low`` (dark) to ``high`` (bright) on cividis, a colour-blind safe map.

    Examples
    --------
    >>> import torch
    >>> shade(torch.tensor([[0.0, 1.0]]), 0, 1)
    [['#00224e', '#fee838']]
    """
    colors = plt.get_cmap("cividis")(((values.detach() - low) / (high - low)).numpy())
    return [[to_hex(c) for c in row] for row in colors]


def themify(svg: str) -> str:
    """Rewrite Matplotlib's SVG so that one file serves a light and a dark page.

    Black becomes ``currentColor``, white becomes ``none``, and grid lines a quarter as strong.

    Examples
    --------
    >>> themify('<svg><path style="fill: #ffffff; stroke: #000000"/></svg>')
    '<svg fill="currentColor"><path style="fill: none; stroke: currentColor"/></svg>'
    """
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(fill|stroke): ?#000000", r"\1: currentColor", svg)
    svg = re.sub(r"(fill|stroke): ?#ffffff", r"\1: none", svg)
    svg = re.sub(r"stroke: ?#(b0b0b0|cccccc)", "stroke: currentColor; stroke-opacity: .25", svg)
    svg = svg.replace("<svg", '<svg fill="currentColor"', 1)  # for a black fill none is written
    both = ":root{color:#24292f}@media(prefers-color-scheme:dark){:root{color:#d0d0d0}}"
    return svg.replace("<defs>", f"<style>{both}</style><defs>", 1)


def svg(fig: Figure) -> str:
    """Return the figure as SVG for both themes, with its alt text as the title."""
    buffer = io.StringIO()
    alt = getattr(fig, "_layerref_alt", "")
    if isinstance(fig.get_layout_engine(), ConstrainedLayoutEngine):
        fig.draw_without_rendering()  # it needs two rounds where it changes the ticks
    fig.savefig(buffer, format="svg", metadata={"Date": None} | ({"Title": alt} if alt else {}))
    return themify(buffer.getvalue())
