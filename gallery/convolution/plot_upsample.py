"""
Where does Upsample look, and what does align_corners change?
=============================================================

Each output pixel looks at one place of the input. Modes differ in where that place is, and in
whether they copy the pixel there or mix its neighbours.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Upsample, figures, output_shape

figures.style()

# %%
# From 2 × 3 to 4 × 5 pixels: twice as high, but 5/3 times as wide, which is where the modes differ.

x = torch.tensor([[0.0, 30, 90], [60, 90, 30]]).view(1, 1, 2, 3)
size = (4, 5)
modes = {
    "nearest": {"mode": "nearest"},
    "nearest-exact": {"mode": "nearest-exact"},
    "bilinear": {"mode": "bilinear"},
    "bilinear, align_corners=True": {"mode": "bilinear", "align_corners": True},
}


def places(name, i, out):
    """Return where the outputs of one axis look, if the centre of input pixel 0 is 0."""
    o = torch.arange(out)
    if name == "nearest":  # the output pixel's left edge, or its upper one
        return o * i / out - 0.5
    if name == "bilinear, align_corners=True":  # the centres of the outer pixels meet
        return o * (i - 1) / (out - 1)
    return (o + 0.5) * i / out - 0.5  # the centre of the output pixel


# %%
# The layer confirms the places. In an image whose pixels hold their own row, or their own column, a
# copied pixel gives its number, and a mixture of two gives the place between them.

looks, results = {}, {}
for name, setting in modes.items():
    upsample = Upsample(size, **setting)
    assert output_shape(Upsample, x.shape, size=size, **setting) == (1, 1, *size)
    results[name] = upsample(x)[0, 0]
    looks[name] = [places(name, i, out) for i, out in zip(x.shape[2:], size, strict=True)]
    rulers = torch.meshgrid(*[torch.arange(float(i)) for i in x.shape[2:]], indexing="ij")
    found = [upsample(ruler[None, None])[0, 0] for ruler in rulers]
    for place, i, read in zip(looks[name], x.shape[2:], (found[0][:, 0], found[1][0]), strict=True):
        copied, mixed = (place + 0.5).floor(), place.clamp(0, i - 1)
        torch.testing.assert_close(read, copied if "nearest" in name else mixed)

# what the text claims: only nearest is not the same from left to right as from right to left
mirrored = [Upsample(size, **setting)(x.flip(3))[0, 0].flip(1) for setting in modes.values()]
symmetric = [torch.allclose(a, b) for a, b in zip(mirrored, results.values(), strict=True)]
assert symmetric == [False, True, True, True]
columns = [looks["nearest"][1], looks["nearest-exact"][1]]
assert [(c + 0.5).int().tolist() for c in columns] == [[0, 0, 1, 1, 2], [0, 0, 1, 2, 2]]
half, aligned = looks["bilinear"], looks["bilinear, align_corners=True"]
assert max((a - b).abs().max() for a, b in zip(half, aligned, strict=True)) == 0.25
corners = results["bilinear, align_corners=True"][::3, ::4]
assert torch.equal(corners, x[0, 0, :, ::2])

# %%

ax, dot = figures.board(15, 28.7), {"color": "#f5f5f5", "markeredgecolor": "#111111"}
shades = figures.shade(x[0, 0], 0, 90)
ax.text(0.8, 0.9, "input", weight="bold")
figures.grid(ax, x[0, 0], (0.8, 1.3), colors=shades)
ax.plot(6.3, 1.8, "o", **dot)
ax.text(6.9, 2.05, "where an output looks")
ax.text(6.9, 3.15, "dotted: through the outer centres")
(height, width), (H, W) = size, x.shape[2:]
down, across = height / H, width / W  # the size of an input pixel, in output pixels
for k, (name, y) in enumerate(results.items()):
    left, top = 1, 5.9 + 5.9 * k
    ax.text(left - 0.2, top - 0.6, name, weight="bold")
    for i in range(H):
        for j in range(W):
            pixel = (left + j * across, top + i * down), across, down
            ax.add_artist(plt.Rectangle(*pixel, facecolor=shades[i][j], edgecolor="black"))
    if "bilinear" in name:
        inner = (left + across / 2, top + down / 2), width - across, height - down
        for color, ls in (("#f5f5f5", "-"), ("#111111", ":")):
            frame = plt.Rectangle(*inner, fill=False, edgecolor=color, linestyle=ls, linewidth=2.5)
            ax.add_artist(frame)
    for row in (looks[name][0] + 0.5) * down + top:
        for column in (looks[name][1] + 0.5) * across + left:
            ax.plot(column, row, "o", clip_on=False, **dot)
    ax.text(7.25, top + height / 2, "→", ha="center", va="center", fontsize=13)
    figures.grid(ax, y, (8.6, top), colors=figures.shade(y, 0, 90))


def told(values):
    return ", ".join(f"{v:.3g}" for v in values.tolist())


described = [
    f"{name}: rows look at {told(looks[name][0])} and columns at {told(looks[name][1])}, the first "
    f"row of the output is {told(y[0])}"
    for name, y in results.items()
]
figures.describe(
    ax.figure,
    f"""An image of {H} by {W} pixels, {told(x[0, 0, 0])} above {told(x[0, 0, 1])}, enlarged to
    {height} by {width} in four ways, with dots where the outputs look; the centre of the first
    pixel is at 0. {"; ".join(described)}.""",
)
plt.show()

# %%
# Left, the input stretched to the size of the output, right the output. The nearest modes copy the
# colour under the dot; bilinear mixes the pixels around it. Outside the dotted frame there is
# nothing to mix with, so the value at the frame is held.
#
# **Takeaways**
#
# * ``align_corners=True`` spreads the dots from outer centre to outer centre, and the four corners
#   keep their values. Without it the edges of the images meet, and the dots are the centres of the
#   output pixels.
# * ``nearest`` takes the upper left corner of an output pixel instead. So it copies the three
#   columns 2, 2 and 1 times, and a mirrored image does not give a mirrored result.
#   ``nearest-exact`` copies them 2, 1 and 2 times.
# * So the two settings look at places that differ, here by up to a quarter of a pixel. Keep to the
#   one that a network was trained with.
