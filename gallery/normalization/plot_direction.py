"""
How far does LayerNorm turn a word vector?
==========================================

The meaning of a word is said to lie in the direction of its vector, and LayerNorm is said to keep
that direction. It does not: it subtracts the mean, and that turns every vector whose mean is not 0.
"""

import matplotlib.pyplot as plt
import torch

from layerref import LayerNorm, RMSNorm, figures

torch.manual_seed(0)
figures.style()

# %%
# In two dimensions one can see it. Five vectors, as long as the norm makes them, so that only
# directions differ.

turns = torch.tensor([20.0, 65, 105, 200, 250], dtype=torch.float64).deg2rad()
words = 2**0.5 * torch.stack([turns.cos(), turns.sin()], dim=1)  # (words, E = 2)
images = {
    "LayerNorm": LayerNorm(2, eps=0.0).double()(words).detach(),
    "RMSNorm": RMSNorm(2, eps=0.0).double()(words).detach(),
}


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a, b, dim=-1)


# %%
# In many dimensions: words whose numbers have deviation 1 and various means. Between a vector and
# its LayerNorm the cosine is std / rms, where rms² = mean² + std².

E = 64
means = torch.linspace(-3, 3, 61, dtype=torch.float64).unsqueeze(1)
x = means + torch.randn(61, E, dtype=torch.float64)
ratio = x.mean(1) / x.std(1, correction=0)
layer = cosine(x, LayerNorm(E, eps=0.0).double()(x)).detach()
root = cosine(x, RMSNorm(E, eps=0.0).double()(x)).detach()

# what the picture claims
rms = x.square().mean(1).sqrt()
torch.testing.assert_close(layer, x.std(1, correction=0) / rms)
torch.testing.assert_close(layer, 1 / (1 + ratio.square()).sqrt())
torch.testing.assert_close(root, torch.ones(61, dtype=torch.float64))
torch.testing.assert_close(images["RMSNorm"], words)
torch.testing.assert_close(images["LayerNorm"], (words - words.flip(1)).sign())  # in 2 dimensions
# ... a learned scale that is not the same for all features turns the vector, in RMSNorm as well
scaled = RMSNorm(E).double()
torch.nn.init.uniform_(scaled.weight, 0, 2)
assert cosine(x, scaled(x)).max() < 0.95

# %%

fig = plt.figure(figsize=(figures.WIDTH, 6.2))
above, below = fig.subfigures(2, 1, height_ratios=[5, 6])
degrees, names = {}, "abcde"
ends = {}  # which words end where
for name, end in zip(names, images["LayerNorm"].round().tolist(), strict=True):
    ends[tuple(end)] = f"{ends[tuple(end)]}, {name}" if tuple(end) in ends else name
assert set(ends) == {(-1, 1), (1, -1)}
for ax, (name, image) in zip(above.subplots(1, 2), images.items(), strict=True):
    degrees[name] = cosine(words, image).clamp(-1, 1).acos().rad2deg().round().int().tolist()
    for k, (word, turned) in enumerate(zip(words.tolist(), image.tolist(), strict=True)):
        ax.annotate("", turned, (0, 0), arrowprops={
            "arrowstyle": "-|>", "color": figures.VERMILLION, "lw": 2, "shrinkA": 0, "shrinkB": 0,
        })  # fmt: skip
        ax.plot([0, word[0]], [0, word[1]], ":", color="black")
        ax.plot(*word, "o", color="black", markersize=4)
        ax.text(1.25 * word[0], 1.25 * word[1], names[k], ha="center", va="center")
    ax.set(title=name, xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=[], yticks=[])
    ax.axhline(0, color="#b0b0b0", linewidth=0.8, zorder=0)
    ax.axvline(0, color="#b0b0b0", linewidth=0.8, zorder=0)
    ax.spines[:].set_visible(False)
    if name == "LayerNorm":
        for (right, up), text in ends.items():
            ax.text(1.3 * right, 1.3 * up, text, color=figures.VERMILLION, ha="center", va="center")
ax = below.subplots()
ax.plot(ratio, layer, "o", color=figures.VERMILLION, markersize=4, label="LayerNorm")
line = torch.linspace(-3.4, 3.4, 101)
ax.plot(line, 1 / (1 + line.square()).sqrt(), "-", color="black", linewidth=1, label="std / rms")
ax.plot(ratio, root, "s", color=figures.BLUE, markersize=3, label="RMSNorm")
for mean, cos, angle in (0, 1, 0), (1, 0.5**0.5, 45), (3, 0.1**0.5, 72):
    ax.annotate(f"{angle}°", (mean, cos), (7, 3), textcoords="offset points", fontsize=9)
    assert abs(torch.tensor(cos).acos().rad2deg() - angle) < 0.5
ax.set(title=f"Cosine between a vector of {E} numbers and its image", ylim=(0, 1.1))
ax.set_xlabel("mean / std of the vector")
ax.legend(loc="lower center", ncols=1)
figures.describe(
    fig,
    f"""Above, five vectors in the plane, dotted, and what the norms make of them, as arrows.
    LayerNorm turns them by {", ".join(map(str, degrees["LayerNorm"]))} degrees, onto one of two
    arrows that point in opposite directions: {" and ".join(ends.values())} become equal. RMSNorm
    turns them by {", ".join(map(str, degrees["RMSNorm"]))}. Below, for vectors of {E} numbers, the
    cosine between a vector and its LayerNorm over mean / std: {layer.max():.2f} at the top in the
    middle, and {layer[0]:.2f} at {ratio[0]:.1f} on the left, all on the curve std / rms. For
    RMSNorm it is 1 everywhere.""",
)
plt.show()

# %%
# Above, the dotted lines are the vectors, the arrows what the norm makes of them. In two dimensions
# LayerNorm knows two answers only: it removes the part along (1, 1), and one direction is left.
# RMSNorm leaves every vector where it points. Below, the angle depends on one number, the mean of
# the vector compared with its deviation.
#
# **Takeaways**
#
# * cos = std / rms. A vector whose mean is as large as its deviation is turned by 45°. Only a
#   vector of mean 0 keeps its direction.
# * LayerNorm projects out the direction (1, 1, …, 1): one of E. Two words that differ in that
#   direction alone become one.
# * RMSNorm divides and does not subtract, so it keeps the direction, until it learns a scale γ that
#   differs from feature to feature.
