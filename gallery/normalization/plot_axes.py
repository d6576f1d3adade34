"""
Which values does each norm average over?
=========================================

All norms compute (x − mean) / deviation. They differ in which values share the mean, and that
decides whether a sample depends on its neighbours in the batch, and whether training and evaluation
agree.
"""

import matplotlib.pyplot as plt
import torch

from layerref import BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm, SwitchableNorm2d, figures

torch.manual_seed(3)
figures.style()

# %%
# One tensor: N = 2 samples, C = 4 channels, and a row of W = 3 pixels (images of height 1).

N, C, W = 2, 4, 3
x = torch.randperm(N * C * W).float().view(N, C, 1, W)
norms = {
    "BatchNorm2d(4)": BatchNorm2d(C),
    "LayerNorm([4, 1, 3])": LayerNorm([C, 1, W]),
    "InstanceNorm2d(4)": InstanceNorm2d(C),
    "GroupNorm(2, 4)": GroupNorm(2, C),
    "SwitchableNorm2d(4)": SwitchableNorm2d(C),
}

# %%
# Two questions to the layer itself, not to its documentation. *On which inputs does an output
# depend?* One input at a time becomes NaN, and we look where NaN comes out. *Which mean does it
# subtract?* In one row the layer is a straight line through (x, y), and the mean is where the line
# crosses zero.


def subtracted_mean(norm, x):
    y = norm(x).detach()
    low, high = x.argmin(-1, keepdim=True), x.argmax(-1, keepdim=True)
    x0, x1, y0, y1 = x.gather(-1, low), x.gather(-1, high), y.gather(-1, low), y.gather(-1, high)
    return (x0 - y0 * (x1 - x0) / (y1 - y0)).expand_as(x)


n, c, w = 0, 1, 0  # one output, and what it depends on
means = {name: subtracted_mean(norm, x).squeeze(2) for name, norm in norms.items()}
reach = {name: figures.depends(norm, x)[n, c, 0, w].squeeze(2) for name, norm in norms.items()}

# what the picture claims: a norm subtracts the mean of the outlined values...
for name, mean in means.items():
    if name != "SwitchableNorm2d(4)":
        torch.testing.assert_close(mean[n, c, w], x.squeeze(2)[reach[name]].mean())
# ...and Switchable, at its start, a third each of the means of Batch, Layer and Instance
batch, layer, instance, group, switchable = means.values()
torch.testing.assert_close(switchable, (batch + layer + instance) / 3)
sizes = [int(cells.sum()) for cells in reach.values()]
assert sizes == [N * W, C * W, W, C // 2 * W, C * W + (N - 1) * W]
different = [len(mean.round(decimals=3).unique()) for mean in means.values()]
assert different == [C, N, N * C, N * 2, N * C]

# %%

ax = figures.board(15, 20)
palette = [*figures.COLORS, "#999999"]


def draw(values, title, x0, y0):
    ax.text(x0, y0 - 1, title, weight="bold")
    kind = values.round(decimals=3).unique(return_inverse=True)[1]  # one colour for each mean
    for sample in range(N):
        at = (x0 + 3.4 * sample, y0 + 0.2)
        if title in norms:
            colors = [[palette[k] for k in row] for row in kind[sample].tolist()]
            figures.grid(ax, values[sample], at, colors=colors, fmt="{:.1f}", fontsize=9)
            figures.outline(ax, reach[title][sample], at, color="black")
        else:
            figures.grid(ax, values[sample], at, fontsize=9)
        ax.text(at[0], at[1] - 0.2, f"n = {sample}", fontsize=9)


draw(x.squeeze(2), "x, a row per channel", 0.4, 1.8)
target = torch.zeros(C, W, dtype=torch.bool)
target[c, w] = True
figures.outline(ax, target, (0.4, 2))
places = [(8.1, 1.8), (0.4, 8.3), (8.1, 8.3), (0.4, 14.8), (8.1, 14.8)]
for (name, mean), place in zip(means.items(), places, strict=True):
    draw(mean, name, *place)
figures.describe(
    ax.figure,
    f"""A tensor of {N} samples, {C} channels and {W} pixels, and the mean that each norm subtracts
    in each cell. BatchNorm: {different[0]} means, one for each channel over both samples.
    LayerNorm: {different[1]}, one for each sample. InstanceNorm: {different[2]}, one for each
    channel of each sample. GroupNorm with 2 groups: {different[3]}. SwitchableNorm:
    {different[4]} mixtures. Outlined, the values that the output of sample {n}, channel {c},
    pixel {w} depends on: {", ".join(map(str, sizes))} of {x.numel()}.""",
)
plt.show()

# %%
# In each panel, cells of one colour subtract the same mean, whose value they show. The thick line
# surrounds all values that the marked output depends on.
#
# **Takeaways**
#
# * Only BatchNorm and SwitchableNorm reach into the other sample. So only they need running
#   estimates for evaluation, and only they notice the size of the batch.
# * ``LayerNorm`` averages over the axes that its argument names. Here these are channels and
#   pixels; in a Transformer, on ``(N, L, E)``, ``LayerNorm(E)`` averages over E alone, token by
#   token.
# * GroupNorm lies between: with one group it takes LayerNorm's mean, with C groups InstanceNorm's.
# * SwitchableNorm subtracts a mixture, so the outline is wider than the colour: every value of its
#   own sample and of its own channel has a say.
