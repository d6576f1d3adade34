"""
What do the heads look at, and what does a causal mask take away?
=================================================================

A map of attention weights says for each query where it looks. Each head has its own map: the mean
over heads hides that they divide the work. And a mask changes more than the cells it forbids, since
each row must still add up to 1.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

from layerref import Embedding, Linear, MultiHeadAttention, PositionalEncoding, figures

torch.manual_seed(0)
figures.style()
N, L, letters, d_model, heads = 61, 6, 13, 32, 2

# %%
# The task: name the letter before and the letter after each letter. One head that looks at both
# gets a mixture of the two, and could hardly tell which is which. So two heads share the work.


class Neighbours(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = Embedding(letters, d_model)
        self.position = PositionalEncoding(d_model, dropout=0.0)
        self.attention = MultiHeadAttention(heads, d_model, dropout=0.0)
        self.before, self.after = Linear(d_model, letters), Linear(d_model, letters)

    def forward(self, tokens, is_causal=False):
        x = self.position(self.embedding(tokens))
        x, weights = self.attention(x, x, x, is_causal=is_causal, need_weights=True)
        return self.before(x), self.after(x), weights


model = Neighbours()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(400):
    tokens = torch.randint(letters, (N, L))
    before, after, _ = model(tokens)
    loss = nn.functional.cross_entropy(before[:, 1:].flatten(0, 1), tokens[:, :-1].flatten())
    loss += nn.functional.cross_entropy(after[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# The same trained module is asked twice: free, and with ``is_causal=True``. The maps are means over
# many sequences, so that they show where a head looks whatever the letters are.

tokens = torch.randint(letters, (503, L))
maps, right = {}, {}
with torch.no_grad():
    for name, is_causal in ("free", False), ("causal", True):
        before, after, weights = model(tokens, is_causal)
        maps[name] = weights.mean(0)
        right[name] = [
            (before[:, 1:].argmax(-1) == tokens[:, :-1]).float().mean().item(),
            (after[:, :-1].argmax(-1) == tokens[:, 1:]).float().mean().item(),
        ]

# what the picture claims: each row adds up to 1, nothing comes from a forbidden cell, one head
# looks back and the other ahead, and without its view ahead the module can only guess
for weights in maps.values():
    torch.testing.assert_close(weights.sum(-1), torch.ones(heads, L))
forbidden = torch.ones(L, L).triu(1).bool()
assert (maps["causal"][:, forbidden] == 0).all()
back = torch.stack([w.diagonal(-1).mean() for w in maps["free"]])
ahead = torch.stack([w.diagonal(1).mean() for w in maps["free"]])
b, a = int(back.argmax()), int(ahead.argmax())
assert b != a
assert back[b] > 0.5
assert ahead[a] > 0.5
assert maps["causal"][a].diagonal().mean() > 0.5
assert min(right["free"]) > 0.99
assert right["causal"][0] > 0.9
assert right["causal"][1] < 0.2

# %%

ax = figures.board(15, 21)
top = 1
for name, weights in maps.items():
    ax.text(0.4, top, name, weight="bold")
    scores = f"right: letter before {right[name][0]:.0%}, after {right[name][1]:.0%}"
    ax.text(14.6, top, scores, ha="right")
    for x, head in (1, b), (8.5, a):
        at = (x, top + 2.2)
        mask = forbidden if name == "causal" else torch.zeros_like(forbidden)
        colors, percent = figures.shade(weights[head], 0, 1), (100 * weights[head]).round().tolist()
        cells = [[None if mask[i, j] else f"{percent[i][j]:g}" for j in range(L)] for i in range(L)]
        faces = [[None if mask[i, j] else colors[i][j] for j in range(L)] for i in range(L)]
        figures.grid(ax, cells, at, colors=faces, hatch=mask)
        ax.text(x, at[1] - 0.9, f"head {head}: query ↓, key →")
        for i in range(L):
            ax.text(x - 0.2, at[1] + i + 0.65, f"{i}", ha="right", fontsize=9)
            ax.text(x + i + 0.5, at[1] - 0.2, f"{i}", ha="center", fontsize=9)
    top += L + 4
figures.describe(
    ax.figure,
    f"""Attention maps of two heads, {L} queries by {L} keys, in percent, for one trained module,
    free and causal. Free: head {b} puts {back[b]:.0%} on the letter before, head {a}
    {ahead[a]:.0%} on the letter after, on average, and {right["free"][0]:.0%} and
    {right["free"][1]:.0%} of the letters before and after are named. Causal: the cells above the
    diagonal are hatched, the letter before is named as well, {right["causal"][0]:.0%}, and of the
    letters after {right["causal"][1]:.0%}, where guessing among {letters} gives
    {1 / letters:.0%}.""",
)
plt.show()

# %%
# A row is a query, a column a key, and the number is the weight in percent; each row adds up to 100
# but for rounding. Free, one head has its weight below the diagonal, on the letter before, and the
# other above it, on the letter after. Hatched cells are forbidden by the mask.
#
# **Takeaways**
#
# * The work was divided by training alone. Which head does which part depends on the seed.
# * The causal mask leaves the head that looks back nearly as it was. The other loses what it was
#   looking for, and its weight moves to what is left, mostly to the query itself.
# * So a mask is no switch to flip on a finished model: half of the answers fall to guessing.
# * ``need_weights=True`` gives a map for every head. ``nn.MultiheadAttention`` gives their mean,
#   unless asked with ``average_attn_weights=False``.
