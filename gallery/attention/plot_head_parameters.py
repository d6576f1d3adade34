"""
What does it cost to have more heads?
=====================================

Eight heads look like eight times the parameters of one. They are not: the heads share the width of
the model, so more heads are narrower heads. What grows is the number of attention maps.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

from layerref import MultiHeadAttention, figures, flops, parameter_count

torch.manual_seed(0)
figures.style()
d_model, L, S = 64, 2, 3
query, memory = torch.randn(L, d_model), torch.randn(S, d_model)

# %%
# One set of parameters, read with 1 to 64 heads. Head i takes slice i of the rows of each
# projection, so that the same numbers serve any number of heads.

source = MultiHeadAttention(1, d_model, dropout=0.0)
maps, outputs, rows = {}, {}, []
for h in (1, 2, 4, 8, 16, 32, 64):
    mha = MultiHeadAttention(h, d_model, dropout=0.0).requires_grad_(False)
    mha.load_state_dict(source.state_dict())  # the same keys and shapes: it fits
    outputs[h], maps[h] = mha(3 * query, 2 * memory, memory, need_weights=True)

    # what the picture claims: parameters and matrix products do not change, width and maps do
    parameters = sum(p.numel() for p in mha.parameters())
    assert parameters == parameter_count(MultiHeadAttention, h=h, d_model=d_model) == 16_640
    assert parameters == sum(p.numel() for p in nn.MultiheadAttention(d_model, h).parameters())
    shapes = ((L, d_model), (S, d_model), (S, d_model))
    products = flops(MultiHeadAttention, shapes, h=h, d_model=d_model)
    assert products == 4 * (L + S) * d_model**2 + 4 * L * S * d_model
    assert outputs[h].shape == (L, d_model) and maps[h].shape == (h, L, S)
    torch.testing.assert_close(maps[h].sum(-1), torch.ones(h, L))
    rows.append((h, d_model // h, parameters, f"{h} × {L} × {S}", maps[h].numel()))

    assert h == 1 or (outputs[h] - outputs[1]).abs().max() > 0.01  # another number: another result

# head i has slice i of the rows
h, i, d_k = 4, 1, d_model // 4
mha = MultiHeadAttention(h, d_model, dropout=0.0).requires_grad_(False)
q, k = (
    t @ w.T for t, w in zip((query, memory), mha.in_proj_weight.split(d_model)[:2], strict=True)
)
own = slice(i * d_k, (i + 1) * d_k)
expected = (q[:, own] @ k[:, own].T / d_k**0.5).softmax(-1)
torch.testing.assert_close(mha(query, memory, memory, need_weights=True)[1][i], expected)

# %%

ax = figures.board(15, 20.6)
ax.text(0.5, 0.9, "The same parameters, read with 1, 2 and 4 heads", weight="bold")
ax.text(0.5, 1.8, f"maps of {L} queries by {S} keys, weights in %", fontsize=9)
for k, h in enumerate((1, 2, 4)):
    top = 2.9 + 3.3 * k
    ax.text(0.3, top + 0.8, f"h = {h}")
    ax.text(0.3, top + 1.7, f"d_k {d_model // h}", fontsize=9)
    for head in range(h):
        percent = 100 * maps[h][head]
        at = (2.4 + 3.15 * head, top)
        figures.grid(
            ax, percent, at, fmt="{:.0f}", colors=figures.shade(percent, 0, 100), fontsize=9
        )
        ax.text(at[0], top - 0.15, f"head {head}", fontsize=9)
top = 13
columns = [(1.7, "h"), (4.3, "d_k"), (8.2, "parameters"), (11.6, "maps"), (14.4, "weights")]
for x, name in columns:
    ax.text(x, top, name, ha="right", weight="bold")
ax.plot([0.5, 14.5], [top + 0.35] * 2, color="black", linewidth=0.8)
for k, row in enumerate(rows):
    for (x, _), value in zip(columns, row, strict=True):
        text = f"{value:,}" if isinstance(value, int) else value
        ax.text(x, top + 1.2 + 0.95 * k, text, ha="right")
figures.describe(
    ax.figure,
    f"""Attention maps of one set of parameters, read with 1, 2 and 4 heads: 1, 2 and 4 maps of {L}
    by {S}, all different. Below a table: for {", ".join(str(row[0]) for row in rows)} heads, the
    width of a head is {", ".join(str(row[1]) for row in rows)}, the number of parameters
    always {rows[0][2]:,}, and the number of weights {", ".join(str(row[4]) for row in rows)}.""",
)
plt.show()

# %%
# Above, what the same 16,640 numbers do with one, two and four heads. With one head a query gives
# out its weights once; with four it does so four times, each from a quarter of the features. Below,
# the count for all numbers of heads that we tried.
#
# **Takeaways**
#
# * Parameters: :math:`4 d_{model}^2 + 4 d_{model}`, biases included, for any number of heads. The
#   matrix products cost the same as well.
# * What more heads do cost is weights, :math:`h \cdot L \cdot S` of them, where they are kept.
# * The number of heads is nowhere in the parameters. A file loaded with another ``h`` fits, raises
#   nothing, and computes something else.
# * With 64 heads of width 1, a score is a single product.
