"""
Is an attention score normally distributed?
===========================================

The score of a query and a key is a sum of products. It is often said that a product of two normal
variables is normal, and so the score as well. The first is false, and the second comes true only as
heads get wide.
"""

import math

import matplotlib.pyplot as plt
import torch

from layerref import ScaledDotProductAttention, figures

torch.manual_seed(0)
figures.style()

# %%
# The layer's own scores, for entries drawn from a normal distribution. Beside each key stands a
# second one of zeros, whose score is 0. So the score is the logarithm of the ratio of the two
# weights. It comes divided by √d_k, which makes its variance 1.

attention = ScaledDotProductAttention()


def scores(query, key):
    """Return the scores of the queries ``(N, d_k)``, each with its own key."""
    keys = torch.stack([key, torch.zeros_like(key)], dim=1)
    _, weights = attention(query[:, None], keys, keys)
    return (weights[:, 0, 0] / weights[:, 0, 1]).log()


query, key = torch.randn(2, 7, 5)
torch.testing.assert_close(scores(query, key), (query * key).sum(1) / math.sqrt(5))
widths = [1, 2, 4, 16, 64]
samples = {d: torch.cat([scores(*torch.randn(2, 50_000, d)) for _ in range(10)]) for d in widths}
excess = {
    d: ((x.double() ** 4).mean() / x.double().var() ** 2 - 3).item() for d, x in samples.items()
}

# %%
# What is expected. One product has the density :math:`K_0(|z|) / \pi`, a Bessel function without a
# bound at 0. Two products, divided by √2, have Laplace's. The excess kurtosis, 0 for a normal
# variable, is :math:`6 / d_k`: for one product :math:`E[X^4]\,E[Y^4] - 3 = 3 \cdot 3 - 3`.

edges = torch.linspace(-4.05, 4.05, 82)
z = (edges[1:] + edges[:-1]) / 2  # the middles of 81 bars
normal = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
density = {
    d: torch.histogram(x, edges)[0] / len(x) / (edges[1] - edges[0]) for d, x in samples.items()
}
expected = {
    1: ("K₀(|z|)/π", lambda z: torch.special.modified_bessel_k0(z.abs()) / math.pi),
    2: ("Laplace", lambda z: torch.exp(-math.sqrt(2) * z.abs()) / math.sqrt(2)),
    64: ("normal", lambda z: torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)),
}

# what the picture claims: dots lie on their curves (but for the bar around 0, where the Bessel
# curve has no bound), and only those of 64 products near the normal one
off = z.abs() > 0.15
far = {}
for d, (_, curve) in expected.items():
    assert (density[d] - curve(z))[off].abs().max() < 0.015
    far[d] = (density[d] - normal).abs().max().item()
assert far[1] > 0.4 and far[2] > 0.15 and far[64] < 0.015
for d in widths:
    assert abs(samples[d].var() - 1) < 0.02
    assert abs(excess[d] - 6 / d) < 0.03 + 0.1 * 6 / d
signs = 2.0 * torch.randint(2, (2, 50_000, 16)) - 1  # entries of ±1: not normal, and yet
assert abs(scores(*signs).var() - 1) < 0.02
tails = {d: (samples[d].abs() > 4).double().mean().item() for d in (1, 64)}
assert tails[1] > 20 * tails[64]

# %%

fig, axes = plt.subplots(3, 1, figsize=(figures.WIDTH, 8.4))
fine = torch.linspace(-4, 4, 402)  # an even number of points: without 0
for ax, (d, (name, curve)) in zip(axes, list(expected.items())[::2], strict=False):
    what = "one product" if d == 1 else f"{d} products / {math.sqrt(d):g}"
    ax.plot(fine, curve(fine), "-", color=figures.BLUE, linewidth=1.5, label=name)
    shown = off if d == 1 else slice(None)
    ax.plot(z[shown], density[d][shown], ".", color=figures.VERMILLION, label=what, markersize=5)
    if d == 1:
        ax.plot(fine, expected[64][1](fine), "--", color="black", linewidth=1, label="normal")
    ax.set(title=f"Density of the score, d_k = {d}", ylim=(0, 1))
    ax.legend()
axes[2].loglog(
    widths, [6 / d for d in widths], "-", color=figures.BLUE, linewidth=1.5, label="6/d_k"
)
axes[2].loglog(widths, list(excess.values()), "o", color=figures.VERMILLION, label="of the sample")
axes[2].set(title="Excess kurtosis, 0 for a normal variable", xlabel="d_k", ylim=(0.04, 20))
axes[2].set_xticks(widths, [f"{d}" for d in widths])
axes[2].minorticks_off()
for d, value in excess.items():
    axes[2].annotate(
        f"{value:.2f}", (d, value), (0, 8), textcoords="offset points", ha="center", fontsize=9
    )
axes[2].legend()
figures.describe(
    fig,
    f"""Densities of attention scores of {len(samples[1]):,} random pairs. One product lies on
    the Bessel curve, with a spike at 0, up to {far[1]:.1f} from the normal density. 64 products
    divided by 8 lie on the normal curve, within {far[64]:.3f}. Below, the excess kurtosis falls
    along 6/d_k: {", ".join(f"{value:.2f} at {d}" for d, value in excess.items())}.""",
)
plt.show()

# %%
# Dots are the scores of random queries and keys, lines what is expected. At the top the spike at 0
# and the long tails of a single product, far from the dashed normal curve. In the middle the sum of
# 64: no difference is left to see. At the bottom how fast the difference goes.
#
# **Takeaways**
#
# * The variance is exact at any width: 1 after the division, for independent entries of mean 0 and
#   variance 1, normal or not. That is all the root needs.
# * A normal distribution comes as a limit. A score of two products follows Laplace's to the letter.
# * Heads of 64 are wide enough. In a head of 1, scores beyond 4 are twenty times as frequent, at
#   least.
