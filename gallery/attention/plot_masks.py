"""
Does True in a mask mean look, or look away?
============================================

Both, depending on whom you ask. In layerref and in torch's ``scaled_dot_product_attention`` True
means *may attend*; in ``nn.MultiheadAttention`` and all of ``nn.Transformer`` it means *hidden*. A
mask the wrong way round raises nothing.
"""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from layerref import (
    MultiHeadAttention,
    causal_mask,
    figures,
    mask_to_additive,
    mask_to_torch,
    padding_mask,
)

torch.manual_seed(1)
figures.style()
L, d_model = 3, 8
ours = MultiHeadAttention(1, d_model, dropout=0.0)
theirs = nn.MultiheadAttention(d_model, 1, batch_first=True)
theirs.load_state_dict(ours.state_dict())
x = 2 * torch.randn(1, L, d_model)

# %%
# Three masks as we write them, True = may attend. The last leaves nothing to the last query.

keeps = {
    "causal": causal_mask(L),
    "padding after 2 tokens": padding_mask([2], S=L)[0].expand(L, L),
    "a query without a key": torch.tensor([True, True, False])[:, None].expand(L, L),
}

# %%
# Each is given to our layer, to torch's function and to torch's layer, in their spellings, boolean
# and float. The weights are what comes out.

mine, torchs = {}, {}
for name, keep in keeps.items():
    hidden, additive = mask_to_torch(keep), mask_to_additive(keep)
    assert torch.equal(hidden, ~keep) and torch.equal(additive == 0, keep)
    output, weights = ours(x, x, x, keep, need_weights=True)
    torch.testing.assert_close(ours(x, x, x, additive), output)
    plain, added = (F.scaled_dot_product_attention(x, x, x, mask) for mask in (keep, additive))
    torch.testing.assert_close(plain, added)
    answers = [theirs(x, x, x, attn_mask=mask)[1] for mask in (hidden, additive)]
    torch.testing.assert_close(*answers, equal_nan=True)
    mine[name], torchs[name] = weights[0, 0].detach(), answers[0][0].detach()

    # what the picture claims: a weight is positive exactly where the mask is open...
    assert torch.equal(mine[name] > 0, keep)
    some = keep.any(-1)
    torch.testing.assert_close(torchs[name][some], mine[name][some])
    # ...and where nothing is open, torch's weights are NaN and ours 0
    assert torchs[name][~some].isnan().all() and not mine[name][~some].any()
    torch.testing.assert_close(output[0, ~some], ours.out_proj.bias.expand(int((~some).sum()), -1))

causal, padding, nothing = keeps
key_padding = theirs(x, x, x, key_padding_mask=~keeps[padding][:1])[1][0]
torch.testing.assert_close(key_padding, mine[padding])
# the same call without weights takes the fused kernel, and gives the bias where the other gives NaN
fused = theirs(x, x, x, attn_mask=~keeps[nothing], need_weights=False)[0][0, -1]
torch.testing.assert_close(fused, theirs.out_proj.bias)
# the wrong way round: each query sees the future alone, and the last one nothing
wrong = theirs(x, x, x, attn_mask=keeps[causal])[1][0].detach()
assert torch.equal(wrong[:-1] > 0, ~keeps[causal][:-1]) and wrong[-1].isnan().all()

# %%

ax = figures.board(15, 23.9)


def percent(weights):
    return [["NaN" if v != v else f"{100 * v:.0f}" for v in row] for row in weights.tolist()]


def draw_mask(cells, at, title, keep):
    figures.grid(ax, cells, at, hatch=~keep)
    ax.text(at[0], at[1] - 0.2, title, fontsize=9, va="bottom")


def draw_weights(weights, at, title):
    shades = figures.shade(weights.nan_to_num(), 0, 1)
    faces = [[None if weights[i, j].isnan() else shades[i][j] for j in range(L)] for i in range(L)]
    figures.grid(ax, percent(weights), at, colors=faces)
    ax.text(at[0], at[1] - 0.2, title, fontsize=9, va="bottom")


for k, (name, keep) in enumerate(keeps.items()):
    top = 3.2 + 5.8 * k
    ax.text(0.4, top - 1.65, name, weight="bold")
    letters, turned = ([["FT"[v] for v in row] for row in m.tolist()] for m in (keep, ~keep))
    numbers = [["0" if v == 0 else "−∞" for v in row] for row in mask_to_additive(keep).tolist()]
    draw_mask(letters, (0.4, top), "here, SDPA:\nTrue = open", keep)
    draw_mask(turned, (4.2, top), "nn.Multihead…:\nTrue = hidden", keep)
    draw_mask(numbers, (8, top), "float,\nall alike", keep)
    draw_weights(mine[name], (11.8, top), "our weights\nin %")
top = 3.2 + 5.8 * 3
ax.text(0.4, top - 1.65, "from nn.MultiheadAttention", weight="bold")
draw_weights(torchs[nothing], (0.4, top), "a query\nwithout a key")
draw_weights(wrong, (8, top), "causal, given the\nwrong way round")


def told(weights):
    return "; ".join(" ".join(row) for row in percent(weights))


figures.describe(
    ax.figure,
    f"""Three masks of {L} queries by {L} keys, each in three spellings, hidden cells hatched, and
    the weights of layerref in percent, row by row. Causal: {told(mine[causal])}. Padding after 2
    tokens: {told(mine[padding])}. A query without a key: {told(mine[nothing])}. Beneath, weights of
    nn.MultiheadAttention: for a query without a key {told(torchs[nothing])}; for the causal mask
    the wrong way round {told(wrong)}.""",
)
plt.show()

# %%
# In a row of the picture stand the three spellings of one mask. T and F change places from the
# first to the second; the float mask means the same everywhere. Hatched cells are hidden, and their
# weight is 0. At the bottom, what torch's layer makes of the third mask, and of the first one as it
# stands in the first column: no error, and each token sees the future alone.
#
# **Takeaways**
#
# * ``mask_to_torch`` and ``mask_from_torch`` turn one into the other. Float masks need no turning.
# * Where a query may attend to nothing, ours gives weights 0 and the bias of ``out_proj``. Torch's
#   layer gives NaN with weights, and without them the bias as well.
# * Our padding mask is ``(N, 1, S)``; torch's ``key_padding_mask`` is ``(N, S)``, True = padding.
