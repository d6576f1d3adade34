"""
Which values does each output of a pooling layer see?
=====================================================

Plain pooling slides one window along. Adaptive pooling is told how many outputs to give, so its
windows may overlap and differ in size. Fractional pooling draws where its windows start.
"""

import math
from itertools import product

import matplotlib.pyplot as plt
import torch

from layerref import (
    AdaptiveAvgPool1d,
    AdaptiveMaxPool1d,
    AvgPool1d,
    FractionalMaxPool2d,
    MaxPool1d,
    figures,
    output_shape,
)

torch.manual_seed(0)
figures.style()

# %%
# Eight values, as an image of height 1 so that the two-dimensional layer can have them, too. Its
# two draws are fixed, since otherwise each call would make new ones.

x = torch.tensor([3.0, 1, 4, 1, 5, 9, 2, 6]).view(1, 1, 8)  # (N, C, L)
draws = torch.rand(2, 1, 1, 2)
fractional = [FractionalMaxPool2d((1, 2), (1, 5), _random_samples=u) for u in draws]
layers = {
    "MaxPool1d(2)": MaxPool1d(2),
    "AvgPool1d(2)": AvgPool1d(2),
    "MaxPool1d(3, stride=2)": MaxPool1d(3, stride=2),
    "AdaptiveMaxPool1d(5)": AdaptiveMaxPool1d(5),
    "AdaptiveAvgPool1d(5)": AdaptiveAvgPool1d(5),
    "FractionalMaxPool2d((1, 2), (1, 5)), one draw": fractional[0],
    "the same, another draw": fractional[1],
}

# %%
# The windows are asked from the layers: the inputs on which an output depends.

results, windows = {}, {}
for name, layer in layers.items():
    row = x.unsqueeze(2) if layer in fractional else x
    results[name] = layer(row).flatten().tolist()
    reach = figures.depends(layer, row).view(len(results[name]), 8)
    cells = [mask.nonzero().flatten().tolist() for mask in reach]
    windows[name] = [(places[0], places[-1] + 1) for places in cells]
    # what the picture claims: the largest value or the mean of a window, which has no gaps
    pool = torch.mean if "Avg" in name else torch.amax
    for value, (a, b), mask in zip(results[name], windows[name], reach, strict=True):
        assert mask.sum() == b - a
        torch.testing.assert_close(pool(x[0, 0, a:b]).item(), value)
kwargs = {"kernel_size": 3, "stride": 2}
assert output_shape(MaxPool1d, x.shape, **kwargs) == (1, 1, 3)
assert output_shape(MaxPool1d, x.shape, **kwargs, ceil_mode=True) == (1, 1, 4)

adaptive = windows["AdaptiveMaxPool1d(5)"]
assert adaptive == windows["AdaptiveAvgPool1d(5)"]
assert adaptive == [(o * 8 // 5, math.ceil((o + 1) * 8 / 5)) for o in range(5)]
assert [b - a for a, b in adaptive] == [2, 3, 2, 3, 2]
# no kernel, stride and padding give this result, though many give 5 outputs
probe = torch.randn(3, 1, 8)
goal = AdaptiveMaxPool1d(5)(probe)
for k, s, p, ceil in product(range(1, 9), range(1, 9), range(5), (False, True)):
    if p <= k // 2 and output_shape(
        MaxPool1d, x.shape, kernel_size=k, stride=s, padding=p, ceil_mode=ceil
    ) == (1, 1, 5):
        assert not torch.equal(MaxPool1d(k, s, p, ceil_mode=ceil)(probe), goal)
first, second = [windows[name] for name in list(layers)[-2:]]
assert first != second and all(b - a == 2 for a, b in first + second)
assert first[0][0] == second[0][0] == 0 and first[-1][1] == second[-1][1] == 8
many = FractionalMaxPool2d((1, 2), (1, 5))(torch.arange(8.0).expand(1, 499, 1, 8))  # its starts
assert len(many.flatten(0, 2).unique(dim=0)) == 2  # from 8 to 5 there are only these two

# %%

unit, left, rows = 1.7, 0.7, 26.3  # a value is 1.7 columns wide
ax = figures.board(15, rows)
for i in range(9):
    ends = [left + unit * i] * 2, [2.4, rows - 0.3]
    ax.plot(*ends, color="#b0b0b0", linestyle=":", linewidth=1, zorder=0)


def box(a, b, top, value, color="none"):
    at, size = (left + unit * a, top), (unit * (b - a), 1)
    ax.add_artist(plt.Rectangle(at, *size, facecolor=color, edgecolor="black", linewidth=0.8))
    text = figures.ink(color) if color != "none" else "black"
    ax.text(at[0] + size[0] / 2, top + 0.66, f"{value:.3g}", ha="center", color=text)


ax.text(left, 1.1, "input", weight="bold")
for i, value in enumerate(x.flatten().tolist()):
    box(i, i + 1, 1.4, value)
top = 3.7
for name, spans in windows.items():
    ax.text(left, top, name, weight="bold")
    ends = [0, 0]  # of what is drawn so far in two lanes: windows that overlap go below each other
    for (a, b), value in zip(spans, results[name], strict=True):
        lane = int(ends[0] > a)
        box(a, b, top + 0.3 + lane, value, figures.ORANGE if "Avg" in name else figures.SKY)
        ends[lane] = b
    top += 2.6 + (ends[1] > 0)
told = [
    f"{name}: "
    + ", ".join(f"{a} to {b - 1} gives {v:.3g}" for (a, b), v in zip(*both, strict=True))
    for name, *both in zip(windows, windows.values(), results.values(), strict=True)
]
figures.describe(
    ax.figure,
    f"""The values {", ".join(f"{v:g}" for v in x.flatten().tolist())} at places 0 to 7, and below
    each other the windows of seven pooling layers with what they give. {"; ".join(told)}.""",
)
plt.show()

# %%
# A box is a window, as wide as what it covers on the axis of the input, with the layer's output in
# it. Blue boxes hold the largest value, orange ones the mean. Where windows overlap, they stand in
# two rows.
#
# **Takeaways**
#
# * ``MaxPool1d(3, stride=2)`` never sees the last value: no whole window is left for it.
#   ``ceil_mode=True`` would add one.
# * Adaptive pooling from 8 to 5 takes windows of 2, 3, 2, 3, 2 values: from ⌊8·o/5⌋ up to
#   ⌈8·(o + 1)/5⌉. No kernel, stride and padding can do that. Values at the seams lie in two.
# * Fractional windows have one size and start at random places, but not anywhere: from 8 to 5 two
#   patterns exist. It draws in evaluation, too.
