"""
Where does the checkerboard of a transposed convolution come from?
==================================================================

Generated images often carry a fine grid. It comes from arithmetic, before any training: where the
stride does not divide the kernel, some pixels are written by more windows than others.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

from layerref import Conv2d, ConvTranspose2d, Upsample, figures, output_shape

torch.manual_seed(0)
figures.style()

# %%
# How many windows write to each pixel? With weights of 1 and an image of ones, the layer counts.

constant = torch.ones(1, 1, 3, 3)
counts = {}
for k in (3, 4):
    layer = ConvTranspose2d(1, 1, k, stride=2, bias=False)
    nn.init.ones_(layer.weight)
    counts[k] = layer(constant).detach()[0, 0]
    kwargs = {"in_channels": 1, "out_channels": 1, "kernel_size": k, "stride": 2}
    assert output_shape(ConvTranspose2d, constant.shape, **kwargs)[2:] == counts[k].shape

# what the picture claims: inside, one, two and four windows in turn with kernel 3; four with 4
inside = slice(2, -2)
assert counts[3][inside, inside].tolist() == [[4, 2, 4], [2, 1, 2], [4, 2, 4]]
assert (counts[4][inside, inside] == 4).all()

# %%
# Does training repair it? Both layers learn to double images of noise, with bilinear interpolation
# as the teacher, and are then given an image of ones. A third way, enlarge first and then convolve,
# is not trained at all.

noise, teacher = torch.randn(61, 1, 9, 9), Upsample(scale_factor=2, mode="bilinear")
ways, loss = {}, {}
for k, output_padding in ((3, 1), (4, 0)):
    layer = ConvTranspose2d(1, 1, k, 2, padding=1, output_padding=output_padding, bias=False)
    optimizer = torch.optim.LBFGS(layer.parameters(), line_search_fn="strong_wolfe", max_iter=60)

    def step(layer=layer, optimizer=optimizer):
        optimizer.zero_grad()
        error = (layer(noise) - teacher(noise))[..., 2:-2, 2:-2]  # at the border nothing overlaps
        error.square().mean().backward()
        return error.square().mean()

    optimizer.step(step)
    ways[f"kernel {k}, trained"], loss[k] = layer, step().item()
ways["Upsample, Conv2d"] = nn.Sequential(
    Upsample(scale_factor=2), Conv2d(1, 1, 3, padding=1, bias=False)
)
ones = {name: way(torch.ones(1, 1, 7, 7)).detach()[0, 0] for name, way in ways.items()}
ones = {name: image[4:8, 4:8] for name, image in ones.items()}  # the rest of the inside repeats

# what the picture claims: kernel 4 learned its teacher, kernel 3 could not and flickers
three, four, resized = ones.values()
assert loss[3] > 0.02 and loss[4] < 1e-8
torch.testing.assert_close(four, torch.ones(4, 4), rtol=0, atol=1e-3)
period = torch.tensor([[0.56, 0.75], [0.75, 1]]).repeat(2, 2)
torch.testing.assert_close(three, period, rtol=0, atol=0.03)
torch.testing.assert_close(resized, resized.mean().expand(4, 4))

# kernel 3 is able to be even, and an untrained kernel 4 is not even either
even = ConvTranspose2d(1, 1, 3, 2, bias=False)
even.weight.data = torch.outer(*[torch.tensor([0.5, 1, 0.5])] * 2).view(1, 1, 3, 3)
assert (even(constant)[0, 0, inside, inside] == 1).all()
untrained = ConvTranspose2d(1, 1, 4, 2, bias=False)(constant)[0, 0, inside, inside]
assert len(untrained.detach().round(decimals=4).unique()) == 4

# %%

columns, rows = 16.7, 18.4
ax = figures.board(columns, rows)
ax.figure.set_size_inches(figures.WIDTH, figures.WIDTH / columns * rows)
ax.text(0.4, 0.8, "How many windows write to each pixel?")
for k, x0 in ((3, 0.4), (4, 8.2)):
    at = (x0, 2.5)
    figures.grid(ax, counts[k], at, colors=figures.shade(counts[k], 0, 4))
    ax.text(x0, 2.1, f"kernel {k}, stride 2", weight="bold")
ax.text(0.4, 12, "What comes out for an image of ones? (a part inside)")
for (name, image), x0 in zip(ones.items(), (0.4, 6.3, 12.2), strict=True):
    figures.grid(
        ax, image, (x0, 13.7), colors=figures.shade(image, 0, 1), fmt="{:.2f}", fontsize=8.5
    )
    ax.text(x0, 13.3, name, weight="bold", fontsize=9)
figures.describe(
    ax.figure,
    f"""Above, how many windows write to each pixel, stride 2. Kernel 3: inside, rows alternate
    between {", ".join(f"{v:g}" for v in counts[3][2].tolist())} and
    {", ".join(f"{v:g}" for v in counts[3][3].tolist())}, a checkerboard. Kernel 4:
    {counts[4][3, 3]:g} everywhere inside. Below, the answers to an image of ones. Kernel 3,
    trained: {three[0, 0]:.2f}, {three[0, 1]:.2f} and {three[1, 1]:.2f} in turn. Kernel 4, trained:
    {four.mean():.2f} everywhere. Upsample and Conv2d, untrained: {resized.mean():.2f}.""",
)
plt.show()

# %%
# Above, kernel 3 writes 1, 2 and 4 times in turn, kernel 4 four times everywhere but at the border.
# Below, the trained kernel 3 still shows the pattern, and it gives one pixel in four, with a single
# weight, little more than half of the light it should have. The trained kernel 4 is even.
#
# **Takeaways**
#
# * Kernel 3 with stride 2 has one, two or four weights for a pixel. It could be even, with ½, 1, ½
#   on each axis, but what is best on average for its task can be something else.
# * A kernel that the stride divides is not enough. The four kinds of pixels have weights of their
#   own, so before training kernel 4 is uneven as well. It can learn not to be.
# * Enlarged first, all pixels see the same weights: flat stays flat, trained or not.
