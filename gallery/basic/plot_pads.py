"""
What do the pads put around an image?
=====================================

A window at the border needs values that are not there. Five pads invent them in five ways, and all
but two copy: every number they add can be found in the image.
"""

import matplotlib.pyplot as plt
import torch

from layerref import (
    CircularPad2d,
    ConstantPad2d,
    ReflectionPad2d,
    ReplicationPad2d,
    ZeroPad2d,
    figures,
)

figures.style()

# %%
# An image of H = 3 by W = 4 pixels. The four widths are all asked for in one order: left, right,
# top, bottom.

H, W = 3, 4
left, right, top, bottom = widths = (2, 1, 1, 2)
x = torch.arange(1.0, H * W + 1).view(1, 1, H, W)
pads = {
    "ZeroPad2d": ZeroPad2d(widths),
    "ConstantPad2d": ConstantPad2d(widths, 50.0),
    "ReplicationPad2d": ReplicationPad2d(widths),
    "ReflectionPad2d": ReflectionPad2d(widths),
    "CircularPad2d": CircularPad2d(widths),
}

# %%
# Three of the pads are a rule for an index that lies outside, the same for rows and columns.

rules = {
    "ReplicationPad2d": lambda i, size: i.clamp(0, size - 1),
    "ReflectionPad2d": lambda i, size: size - 1 - (size - 1 - i.abs()).abs(),
    "CircularPad2d": lambda i, size: i % size,
}
rows, columns = torch.arange(-top, H + bottom), torch.arange(-left, W + right)
inside = torch.zeros(len(rows), len(columns), dtype=torch.bool)
inside[top : top + H, left : left + W] = True
results = {name: pad(x)[0, 0] for name, pad in pads.items()}
for name, y in results.items():
    assert y.shape == (top + H + bottom, left + W + right)
    assert torch.equal(y[inside], x.flatten())
    if name in rules:
        rule = rules[name]
        assert torch.equal(y, x[0, 0][rule(rows, H)][:, rule(columns, W)])
assert (results["ZeroPad2d"][~inside] == 0).all()
assert (results["ConstantPad2d"][~inside] == 50).all()

# %%

ax = figures.board(15, 23.4)
places = [(0.4, 1.6), (7.8, 1.6), (0.4, 9.3), (7.8, 9.3), (0.4, 17), (7.8, 17)]
for (name, y), at in zip({"x": None, **results}.items(), places, strict=True):
    ax.text(at[0], at[1] - 0.4, name, weight="bold")
    place = (at[0] + left, at[1] + top) if y is None else at
    values = x[0, 0] if y is None else y
    known = (values >= 1) & (values <= H * W)  # a colour for every pixel of the image
    colors = [
        [color if copy else None for color, copy in zip(*row, strict=True)]
        for row in zip(figures.shade(values, 1, H * W), known, strict=True)
    ]
    figures.grid(ax, values, place, colors=colors, hatch=None if y is None else ~inside & ~known)
    figures.outline(ax, torch.ones(H, W, dtype=torch.bool), (at[0] + left, at[1] + top))
ax.text(0.4, 6.6, f"left {left}, right {right},\ntop {top}, bottom {bottom}", va="center")
edge = {name: y[0].int().tolist() for name, y in results.items()}
figures.describe(
    ax.figure,
    f"""An image of the numbers 1 to {H * W} in {H} rows of {W}, and five pads around it, {left}
    wide on the left, {right} on the right, {top} above and {bottom} below. The first row of each
    result: {"; ".join(f"{name}: {', '.join(map(str, row))}" for name, row in edge.items())}.""",
)
plt.show()

# %%
# The outlined part is the image. Around it, a colour says which pixel a value was copied from, and
# hatched cells hold values that are not from the image.
#
# **Takeaways**
#
# * Replication repeats the last pixel. Reflection turns around *at* the last pixel, which is not
#   repeated; so its width must stay below the size. Circular continues on the other side.
# * The widths begin with the last axis: (left, right, top, bottom). A single number means all four.
# * Zeros are values, too: an average over a window at the border becomes smaller, and the network
#   learns to see where the border is.
# * Each axis is padded by its own rule, so a corner is the rule applied twice.
