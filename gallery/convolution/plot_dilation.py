"""
Which inputs does a stack of dilated convolutions miss?
=======================================================

Dilation lets three layers with nine weights see far. But how far they see is not how much: with
dilation 2 three times, most inputs in the span never count, and the ones that do form a grid.
"""

from itertools import accumulate

import matplotlib.pyplot as plt
import torch
from torch import nn

from layerref import Conv1d, Conv2d, figures

torch.manual_seed(0)
figures.style()

# %%
# Weights of 1 make the gradient a count: the number of paths from a value to one output in the
# middle. It is taken at the input of every layer.


def stack(layer, dilations):
    return nn.Sequential(*(
        layer(1, 1, kernel_size=3, dilation=d, padding=d, bias=False) for d in dilations
    ))  # fmt: skip


def paths(net, axes, random=False):
    """Count the paths to the middle output from the values before each layer, the last first."""
    reach = sum(layer.dilation[0] for layer in net)
    hidden = [torch.zeros(1, 1, *[2 * reach + 1] * axes, requires_grad=True)]
    for layer in net:
        if not random:
            nn.init.ones_(layer.weight)
        hidden.append(layer(hidden[-1]))
    middle = hidden[-1][0, 0].flatten()[hidden[-1].numel() // 2]
    return [grad[0, 0] for grad in torch.autograd.grad(middle, hidden)][::-1]


def seen(dilations):
    return paths(stack(Conv1d, dilations), 1)[-1] > 0


stacks = [(2, 2, 2), (1, 2, 5)]
trees = {d: paths(stack(Conv1d, d), 1) for d in stacks}
maps = {d: paths(stack(Conv2d, d), 2)[-1] for d in stacks}

# what the picture claims
assert [len(trees[d][-1]) for d in stacks] == [1 + 2 * sum(d) for d in stacks] == [13, 17]
assert [int(seen(d).sum()) for d in stacks] == [7, 17]
assert not seen((2, 2, 2))[1::2].any()  # only every second input
for d in stacks:
    torch.testing.assert_close(maps[d], torch.outer(trees[d][-1], trees[d][-1]))
    torch.testing.assert_close(trees[d][-1].sum(), torch.tensor(3.0**3))  # three taps, three layers
    other = paths(stack(Conv2d, d), 2, random=True)[-1]  # other weights, but the same inputs
    assert torch.equal(other != 0, maps[d] != 0)
counts = {d: (int((maps[d] > 0).sum()), maps[d].numel()) for d in stacks}
assert counts == {(2, 2, 2): (49, 169), (1, 2, 5): (289, 289)}
# a dilation may be as large as what the layers before it see, and no larger
for d in range(1, 12):
    assert seen((1, 2, d)).all() == (d <= seen((1, 2)).sum())

# %%

columns, rows, side = 20, 32, 0.54  # side: of a pixel in the maps below
ax = figures.board(columns, rows)
ax.figure.set_size_inches(figures.WIDTH, figures.WIDTH / columns * rows)
top, middle = 1.2, 11.3
for dilations, tree in trees.items():
    ax.text(0.3, top, f"dilations {', '.join(map(str, dilations))}", weight="bold")
    reaches = [0, *accumulate(reversed(dilations))]
    for level, (values, reach) in enumerate(zip(tree, reaches, strict=True)):
        row = values[len(values) // 2 - reach : len(values) // 2 + reach + 1]
        at = (middle - reach - 0.5, top + 0.6 + 2.4 * level)
        tint = [figures.SKY if v else None for v in row.tolist()]
        cells = [f"{v:g}" if v else "" for v in row.tolist()]
        figures.grid(ax, [cells], at, colors=[tint], hatch=row[None] == 0, fontsize=9)
        if level < 3:
            d = dilations[2 - level]
            ax.text(0.3, at[1] + 1.95, f"d = {d}", fontsize=9)
            for x in (row.nonzero().flatten() - reach).tolist():
                for tap in (-d, 0, d):
                    ends = [middle + x, middle + x + tap], [at[1] + 1, at[1] + 2.4]
                    ax.plot(*ends, color="black", linewidth=0.7, linestyle="-")
    top += 10.2
for dilations, x0 in zip(stacks, (0.3, 10.3), strict=True):
    image, (some, every) = maps[dilations], counts[dilations]
    ax.text(x0, top, f"in 2-d: {some} of {every}", weight="bold")
    at = (x0, top + 0.6)
    colors = figures.shade(image.clamp(min=1).log(), -1, maps[2, 2, 2].max().log())
    for i, j in image.nonzero().tolist():
        place = (at[0] + j * side, at[1] + i * side)
        ax.add_artist(plt.Rectangle(place, side, side, facecolor=colors[i][j], edgecolor="none"))
    ax.add_artist(plt.Rectangle(at, *[len(image) * side] * 2, facecolor="none", edgecolor="black"))
told = [
    f"""Dilations {d}: {int(seen(d).sum())} of {len(trees[d][-1])} inputs are seen, by
    {", ".join(f"{v:g}" for v in trees[d][-1])} paths; in two dimensions {some} of {every}."""
    for d, (some, every) in counts.items()
]
figures.describe(
    ax.figure,
    f"""Two stacks of three convolutions with three taps, drawn as trees from one output down to
    the inputs. {" ".join(told)} The first map is a grid of separate dots, the second is full.""",
)
plt.show()

# %%
# Each tree hangs from one output. A number says on how many paths a value reaches it, and hatched
# cells have none. Below, the same for images: bright pixels have many paths, empty ones none.
#
# **Takeaways**
#
# * The span is 1 + Σ d (k − 1), here 13 and 17. It says how far a stack sees, not what it sees.
# * With dilation 2 alone, even and odd inputs never meet, in two dimensions four images of half the
#   size. Neighbouring outputs share no input at all.
# * 1, 2, 5 sees everything in its span, for the same number of weights. After 1 and 2 the third
#   dilation may be up to 7, the span of the two before it; from 8 on there are holes.
