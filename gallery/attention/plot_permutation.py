"""
Does attention know in which order the tokens came?
===================================================

Reorder the tokens, and plain attention gives the same outputs in the new order: it sees a set, not
a sequence. Positions that are added to the tokens change that, and so does a causal mask.
"""

import matplotlib.pyplot as plt
import torch

from layerref import MultiHeadAttention, PositionalEncoding, figures

torch.manual_seed(0)
figures.style()
L, d_model = 5, 8
mha = MultiHeadAttention(2, d_model, dropout=0.0).double().requires_grad_(False)
encode = PositionalEncoding(d_model, dropout=0.0).double()
x = torch.randn(L, d_model, dtype=torch.float64)
order = torch.tensor([2, 4, 1, 0, 3])  # token order[i] comes to place i; none stays

# %%
# Four ways to compute, each once in the first and once in the new order. The last adds the
# positions before the tokens are reordered, so that each token carries its own along.


def attend(x, is_causal=False):
    return mha(x, x, x, is_causal=is_causal)


pairs = {
    "attention alone": (attend(x), attend(x[order])),
    "causal mask": (attend(x, True), attend(x[order], True)),
    "positions added": (attend(encode(x)), attend(encode(x[order]))),
    "positions carried along": (attend(encode(x)), attend(encode(x)[order])),
}

# %%
# Each output of the new order is compared with each of the first: cell (i, j) is the largest
# difference between output i after and output j before. A zero says "the same output".

moved = torch.zeros(L, L, dtype=torch.bool)
moved[torch.arange(L), order] = True
differences = {name: (after[:, None] - before).abs().amax(-1)
               for name, (before, after) in pairs.items()}  # fmt: skip
same = {name: gap < 1e-12 for name, gap in differences.items()}

# what the picture claims: with nothing that tells positions, each output moved along with its token
assert torch.equal(same["attention alone"], moved)
assert torch.equal(same["positions carried along"], moved)
for name in "causal mask", "positions added":
    assert differences[name].min() > 0.01  # no output came back anywhere
weights, reordered = (mha(t, t, t, need_weights=True)[1] for t in (x, x[order]))
torch.testing.assert_close(attend(x[order]).mean(0), attend(x).mean(0))
torch.testing.assert_close(reordered, weights[:, order][:, :, order])

# %%

ax = figures.board(15, 17.4)
places = [(1.6, 3.2), (9, 3.2), (1.6, 11.6), (9, 11.6)]
for (name, gap), (left, top) in zip(differences.items(), places, strict=True):
    ax.text(left, top - 2, name, weight="bold")
    ax.text(left, top - 1.1, "after ↓, before →", fontsize=9)
    cells = [["0" if same[name][i, j] else f"{gap[i, j]:.2f}".lstrip("0") for j in range(L)]
             for i in range(L)]  # fmt: skip
    figures.grid(ax, cells, (left, top), fontsize=9)
    figures.outline(ax, same[name], (left, top))
    for i in range(L):
        ax.text(left - 0.25, top + i + 0.65, f"{i}", ha="right", fontsize=9)
        ax.text(left + i + 0.5, top - 0.2, f"{i}", ha="center", fontsize=9)
lowest = {name: gap[~same[name]].min().item() for name, gap in differences.items()}
figures.describe(
    ax.figure,
    f"""Four grids, {L} outputs after a reordering by {L} outputs before, with the largest
    difference in each cell. Attention alone and with positions carried along: {int(moved.sum())}
    zeros, outlined, one in each row, at the places {", ".join(map(str, order.tolist()))}, where the
    token came from. With a causal mask and with positions added: no zero, the smallest difference
    is {lowest["causal mask"]:.2f} and {lowest["positions added"]:.2f}.""",
)
plt.show()

# %%
# A zero, outlined, is an output that occurs in both. Alone, attention gives every output back, at
# the new place of its token. With a causal mask or with positions no output is found again: what a
# token gets now depends on where it stands. In the last grid the positions moved with the tokens,
# and the zeros are back.
#
# **Takeaways**
#
# * Attention is permutation-*equivariant*: ``mha(x[order])`` is ``mha(x)[order]``. A mean over its
#   outputs does not depend on the order at all.
# * All that it knows of the order, it knows from the numbers in the tokens and from the mask.
# * The weights move alike: rows and columns are reordered, no weight changes.
