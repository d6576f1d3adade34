"""
Why can a decoder be trained in parallel and still write word by word?
======================================================================

While it writes, a decoder has only the past: each new token asks those that are there. In training
all tokens are there at once, and a causal mask hides from each what comes later. Step through the
writing, and compare it with the single pass.
"""

import matplotlib.pyplot as plt
import torch

from layerref import MultiHeadAttention, causal_mask, figures

torch.manual_seed(2)
figures.style()
L, h, d_model = 5, 1, 3
mha = MultiHeadAttention(h, d_model, dropout=0.0).double().requires_grad_(False)
tokens = 2 * torch.randn(1, L, d_model, dtype=torch.float64)

# %%
# In training: one call, five queries, a causal mask.

at_once, weights = mha(tokens, tokens, tokens, is_causal=True, need_weights=True)
assert (weights[0, 0][~causal_mask(L)] == 0).all()

# %%
# While writing: five calls, each with one query and the tokens so far as keys. There is no mask,
# since there is nothing to hide.

calls = []
for t in range(L):
    past = tokens[:, : t + 1]
    calls.append(mha(tokens[:, t : t + 1], past, past, need_weights=True))
one_by_one = torch.cat([output for output, _ in calls], dim=1)

# what the picture claims: the outputs are equal, each row of weights too, and the future has no say
torch.testing.assert_close(one_by_one, at_once)
for t, (_, row) in enumerate(calls):
    assert row.shape == (1, h, 1, t + 1)
    torch.testing.assert_close(row[0, 0, 0], weights[0, 0, t, : t + 1])
slopes = torch.autograd.functional.jacobian(lambda x: mha(x, x, x, is_causal=True), tokens)
reached = slopes.abs().sum((0, 2, 3, 5)) > 0  # (outputs, tokens)
assert torch.equal(reached, causal_mask(L))
# and without the mask the single pass would be another computation, but for the last token
free = mha(tokens, tokens, tokens)[0]
apart = (free - at_once[0]).abs().amax(1)
assert (apart[:-1] > 0.01).all() and apart[-1] < 1e-12

# %%


def draw(fig, t):
    ax = figures.board(10.2, 8.2, fig)
    percent = (100 * weights[0, 0]).round().int().tolist()
    cells = [[str(percent[i][j]) if j <= i <= t else None for j in range(L)] for i in range(L)]
    shades = figures.shade(weights[0, 0], 0, 1)
    faces = [[shades[i][j] if j <= i <= t else None for j in range(L)] for i in range(L)]
    later = torch.arange(L).expand(L, L) > t  # keys that are not there yet
    at, to = (1, 2.2), (6.8, 2.2)
    figures.grid(ax, cells, at, colors=faces, hatch=later)
    done = [[f"{v:.1f}".replace("-", "−") if i <= t else None for v in row]
            for i, row in enumerate((one_by_one[0].round(decimals=1) + 0.0).tolist())]  # fmt: skip
    figures.grid(ax, done, to, fontsize=9)
    now = torch.arange(L)[:, None] == t
    figures.outline(ax, now & (torch.arange(L) <= t), at)
    figures.outline(ax, now.expand(L, d_model), to)
    ax.text(0.3, 0.9, "query ↓, key →: weight in %", fontsize=9)
    ax.text(to[0], 0.9, "output", fontsize=9)
    for i in range(L):
        ax.text(at[0] - 0.25, at[1] + i + 0.65, f"{i}", ha="right", fontsize=9)
        ax.text(at[0] + i + 0.5, at[1] - 0.25, f"{i}", ha="center", fontsize=9)
    if later.any():
        ax.text(at[0], 7.85, "hatched: not written yet", fontsize=9)
    keys = "1 key" if t == 0 else f"{t + 1} keys"
    shares = " + ".join(str(percent[t][j]) for j in range(t + 1))
    difference = (one_by_one[0, t] - at_once[0, t]).abs().max().item()
    assert difference < 1e-12
    return f"Token {t} asks {keys}: {shares} %. Its output equals row {t} of the single pass."


writing = figures.Steps(draw, L, (10.2, 8.2), "Attention while writing, token by token")
writing

# %%
# All steps at once. Beneath each other they make the causal map of the single pass.

sheet = writing.contact_sheet(columns=2)
plt.show()

# %%
# On the left the weights: a token asks itself and those before it. Hatched keys do not exist yet.
# On the right the output of the call, which the next token of a real model would be made from. When
# all is written, the left table is the causal map that the single pass had from the start.
#
# **Takeaways**
#
# * The mask is not a rule that decoders happen to follow. It makes the single pass of training
#   compute what writing computes, all outputs in one go. Without it, every output but the last is
#   another.
# * Writing stays serial, since a token must be there before it can be asked. Reading what is there
#   already, the prompt, is one pass.
# * Each call here projects the whole past to keys and values again. They do not change, so models
#   that write keep them: the key-value cache.
