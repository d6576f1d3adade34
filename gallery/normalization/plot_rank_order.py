"""
Which norm keeps the order of the samples?
==========================================

Someone who is taller than another should be so after a norm too, or a threshold on height loses its
meaning. BatchNorm keeps the order of the samples in each feature, and LayerNorm need not.
"""

from itertools import pairwise

import matplotlib.pyplot as plt
import torch

from layerref import BatchNorm1d, LayerNorm, figures

torch.manual_seed(1)
figures.style()

# %%
# A table: N = 7 samples with C = 3 features, sorted by the first.

N, C = 7, 3
x = torch.stack([torch.randperm(19)[:N] - 9 for _ in range(C)], dim=1).double()
x[:, 0] = torch.tensor([-6, -4, -1, 0, 2, 5, 8])
tables = {
    "x": x,
    "BatchNorm1d": BatchNorm1d(C).double()(x).detach(),
    "LayerNorm": LayerNorm(C).double()(x).detach(),
}
ranks = {name: table.argsort(0).argsort(0) for name, table in tables.items()}


def swapped(before, after):
    """The share of pairs of samples that come in another order than before."""
    order = [torch.sign(v.unsqueeze(0) - v.unsqueeze(1)) for v in (before, after)]
    pairs = len(before) * (len(before) - 1)
    return (order[0] * order[1] < 0).sum().item() / (pairs * before.shape[1])


# what the picture claims: BatchNorm keeps every rank, LayerNorm does not, though neither layer has
# learned anything yet
assert torch.equal(ranks["BatchNorm1d"], ranks["x"])
assert not torch.equal(ranks["LayerNorm"][:, 0], ranks["x"][:, 0])
reverse = BatchNorm1d(C).double()
torch.nn.init.constant_(reverse.weight, -1)
assert torch.equal(reverse(x).argsort(0).argsort(0), N - 1 - ranks["x"])

# %%

ax = figures.board(15, 10)
for k, (name, table) in enumerate(tables.items()):
    at = (0.3 + 5 * k, 2.2)
    colors = figures.shade(ranks[name].double(), 0, N - 1)
    figures.grid(ax, table, at, colors=colors, fmt="{:g}" if name == "x" else "{:.1f}", fontsize=9)
    figures.outline(ax, torch.arange(C).expand(N, C) == 0, at)
    ax.text(at[0], at[1] - 1.2, name, weight="bold")
    ax.text(at[0] + C + 0.2, at[1] - 0.3, "rank", fontsize=9)
    for i, rank in enumerate(ranks[name][:, 0].tolist()):
        moved = rank != ranks["x"][i, 0]
        text = f"{rank + 1}" + (" !" if moved else "")
        ax.text(at[0] + C + 0.3, at[1] + i + 0.65, text, weight="bold" if moved else "normal")
ax.text(
    0.3, 9.8, "a row is a sample, a column a feature; outlined and ranked: feature 0", fontsize=9
)
moved = (ranks["LayerNorm"][:, 0] != ranks["x"][:, 0]).sum().item()
order = (ranks["LayerNorm"][:, 0] + 1).tolist()
figures.describe(
    ax.figure,
    f"""A table of {N} samples and {C} features, sorted by the first feature, as it is, after
    BatchNorm1d and after LayerNorm. Colours follow the rank within a column. After BatchNorm1d the
    ranks of the first feature are still 1 to {N}. After LayerNorm they are
    {", ".join(map(str, order))}: {moved} of {N} samples have another rank.""",
)
plt.show()

# %%
# Brighter cells are higher in their column. Down the outlined column the colours climb evenly in x
# and after BatchNorm1d. After LayerNorm they do not: each row was shifted and scaled by its own
# mean and deviation, and the two other features have a say in those. A ! marks a changed rank.
#
# How often does that happen? With more features, the mean and the deviation of a row depend less on
# chance.

sizes = [3, 5, 8, 16, 32, 64, 128]
share = {}
for size in sizes:
    many = torch.randn(211, size, dtype=torch.float64)
    share[size] = [
        swapped(many, BatchNorm1d(size).double()(many)),
        swapped(many, LayerNorm(size, eps=0.0).double()(many)),
    ]
batch, layer = zip(*share.values(), strict=True)
assert max(batch) == 0
assert all(more > less for more, less in pairwise(layer))
assert layer[-1] < 0.1 < 0.2 < layer[0]

# with two features only a sign is left
two = LayerNorm(2, eps=0.0).double()(torch.randn(211, 2, dtype=torch.float64))
assert sorted(two.round(decimals=9).unique().tolist()) == [-1, 1]

fig, ax = plt.subplots(figsize=(figures.WIDTH, 3.2))
ax.plot(sizes, layer, "-o", color=figures.VERMILLION, label="LayerNorm")
ax.plot(sizes, batch, "--s", color=figures.BLUE, label="BatchNorm1d")
for size, value in list(zip(sizes, layer, strict=True))[::2]:
    ax.annotate(f"{value:.0%}", (size, value), (4, 5), textcoords="offset points", fontsize=9)
ax.set(
    xscale="log",
    ylim=(-0.01, 0.27),
    xlabel="features C",
    title="Pairs of samples that change their order",
)
ax.set_xticks(sizes, [str(size) for size in sizes])
ax.yaxis.set_major_formatter("{x:.0%}")
ax.minorticks_off()
ax.legend()
figures.describe(
    fig,
    f"""The share of pairs of samples that change their order in a feature, over the number of
    features, for normal data. BatchNorm1d: 0 everywhere. LayerNorm: {layer[0]:.0%} with 3 features,
    {layer[2]:.0%} with 8, {layer[4]:.0%} with 32 and {layer[-1]:.0%} with {sizes[-1]}.""",
)
plt.show()

# %%
# **Takeaways**
#
# * BatchNorm gives all samples one straight line per feature, so ranks stay, as long as the learned
#   scale γ is positive. A negative one reverses them all, and 0 makes all equal.
# * LayerNorm gives each sample a line of its own. With 2 features it leaves a sign, and with 1
#   nothing but 0.
# * So LayerNorm is a poor choice for a table whose columns mean different things, and a fair one
#   for the many alike features inside a network.
# * The order is kept within one batch. Another batch has another line, until ``eval()`` fixes it.
