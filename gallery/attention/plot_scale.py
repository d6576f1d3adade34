"""
Why are attention scores divided by √d_k?
=========================================

A dot product of longer vectors is larger, and a softmax over large scores puts everything on one
key. Then its gradient is gone, and the layer cannot learn to look elsewhere. The root keeps both
where they were, at any width.
"""

import math

import matplotlib.pyplot as plt
import torch

from layerref import ScaledDotProductAttention, figures

torch.manual_seed(0)
figures.style()
N, S = 1009, 6  # 1009 queries, each with six keys of its own
widths = [4**n for n in range(1, 7)]  # 4 to 4096

# %%
# The layer divides by the root. A query that was multiplied by it beforehand gives the weights
# without it. Entries of queries and keys are independent standard normal numbers, as at the start
# of training.

attention = ScaledDotProductAttention()
weights, gradient = {}, {}
for d_k in widths:
    query, key = torch.randn(N, 1, d_k), torch.randn(N, S, d_k)
    for name, factor in ("divided", 1.0), ("not divided", math.sqrt(d_k)):
        _, p = attention(factor * query, key, torch.eye(S))
        p = p[:, 0]
        weights[name, d_k] = p.sort(descending=True).values.mean(0)
        gradient[name, d_k] = (p * (1 - p)).sum(-1).mean().item()  # the Jacobian's trace

# the Jacobian of the softmax is diag(p) − p pᵀ, so its trace is the sum of p (1 − p)
scores = torch.randn(S)
jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(0), scores)
p = scores.softmax(0)
torch.testing.assert_close(jacobian.trace(), (p * (1 - p)).sum())

# what the picture claims: divided, nothing depends on the width; not divided, the largest weight
# goes to 1 and the gradient to 0, about as fast as the scores grow
with_root, without = ([gradient[name, d] for d in widths] for name in ("divided", "not divided"))
largest = {
    name: [weights[name, d][0].item() for d in widths] for name in ("divided", "not divided")
}
assert all(0.65 < g < 0.75 for g in with_root)
assert all(0.4 < w < 0.5 for w in largest["divided"])
assert without == sorted(without, reverse=True) and without[-1] < 0.05
assert largest["not divided"][-1] > 0.97
fall = without[-2] / without[-1]
assert 1.5 < fall < 2.5  # four times the width, half the gradient
same = (query * query).sum(-1) / math.sqrt(widths[-1])  # the score of a query equal to its key
assert (same / math.sqrt(widths[-1]) - 1).abs().max() < 0.1

# %%

fig = plt.figure(figsize=(figures.WIDTH, 7.4))
upper, lower = fig.subfigures(2, 1, height_ratios=[10.9, 10])
ax = figures.board(15, 10.9, upper)
ax.text(0.3, 0.9, "Six weights of a query in %, sorted, mean of 1009", weight="bold")
for row, d_k in enumerate(widths):
    for left, name in (1.9, "divided"), (8.6, "not divided"):
        percent = 100 * weights[name, d_k]
        at = (left, 2.7 + 1.3 * row)
        figures.grid(
            ax, percent[None], at, fmt="{:.0f}", colors=figures.shade(percent[None], 0, 100)
        )
    ax.text(1.65, 2.7 + 1.3 * row + 0.65, f"{d_k}", ha="right", fontsize=9)
ax.text(1.65, 2.3, "d_k", ha="right", fontsize=9)
ax.text(1.9, 2.3, "divided by √d_k")
ax.text(8.6, 2.3, "not divided")
low = lower.subplots()
low.semilogx(widths, with_root, "-o", base=4, label="divided by √d_k")
low.semilogx(widths, without, "--s", base=4, label="not divided")
low.set(title="Gradient of the softmax, trace of its Jacobian", xlabel="d_k", ylim=(0, 0.85))
low.set_xticks(widths, [f"{d}" for d in widths])
low.minorticks_off()
low.grid(True)
for d, value in zip(widths, without, strict=True):
    low.annotate(
        f"{value:.2f}", (d, value), (0, 8), textcoords="offset points", ha="center", fontsize=9
    )
low.legend(loc="center right", bbox_to_anchor=(1, 0.6))


def row(name, d_k):
    return ", ".join(f"{100 * w:.0f}" for w in weights[name, d_k])


figures.describe(
    fig,
    f"""Six attention weights in percent, sorted, for widths d_k from {widths[0]} to {widths[-1]}.
    Divided by the root they stay alike: {row("divided", 4)} at 4 and {row("divided", 4096)} at
    4096. Not divided they go from {row("not divided", 4)} to {row("not divided", 4096)}. Below, the
    gradient of the softmax: divided it stays between {min(with_root):.2f} and
    {max(with_root):.2f}, not divided it falls from {without[0]:.2f} to {without[-1]:.2f}.""",
)
plt.show()

# %%
# Above, each row is one width: on the left it makes no difference, on the right the first key takes
# all as heads get wider. Below, what that does to the gradient: from some width on, it halves when
# d_k is multiplied by four.
#
# **Takeaways**
#
# * d_k is the width of one head, ``d_model / h``, not of the model.
# * The root is right for independent entries of variance 1, a fresh layer's. A query equal to its
#   key still has a score of about √d_k: what training makes of the scores is not bounded by it.
# * A saturated softmax does not give wrong outputs. It gives no gradient, and so it stays as it is.
