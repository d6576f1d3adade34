"""
What does dropout keep, and what does Dropout2d drop?
=====================================================

Dropout makes some values zero and the rest larger, so that nothing changes on average. Dropout2d
does the same with whole channels: the average is as good, but a channel's mean is far noisier.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Dropout, Dropout2d, figures

torch.manual_seed(5)
figures.style()

# %%
# One image of C = 4 channels, H = 2 by W = 3 pixels, and p = 0.4: a survivor is divided by 0.6.

C, H, W, p = 4, 2, 3, 0.4
x = torch.arange(1.0, C * H * W + 1).view(1, C, H, W) * 3 / 5
layers = {"Dropout(0.4)": Dropout(p), "Dropout2d(0.4)": Dropout2d(p)}
results = {name: layer(x) for name, layer in layers.items()}

# what the picture claims: a value is dropped or divided by 0.6; Dropout2d decides by the channel
for y in results.values():
    torch.testing.assert_close(y[y != 0], (x / (1 - p))[y != 0])
dropped = {name: (y == 0)[0] for name, y in results.items()}
channels = {name: lost.flatten(1).all(1) for name, lost in dropped.items()}
whole = {
    name: torch.equal(lost.flatten(1).any(1), channels[name]) for name, lost in dropped.items()
}
assert whole == {"Dropout(0.4)": False, "Dropout2d(0.4)": True}
assert channels["Dropout2d(0.4)"].sum() == 1
for layer in layers.values():
    assert layer.eval()(x) is x
    layer.train()

# %%

ax = figures.board(15, 12.4)
for top, (name, values) in zip((1.4, 5.6, 9.8), {"x": x, **results}.items(), strict=True):
    ax.text(0.4, top - 1, name, weight="bold")
    for c, plane in enumerate(values[0]):
        at = (0.4 + 3.75 * c, top + 0.2)
        colors, hatch = figures.shade(plane, 0, 24), None
        if name in dropped:
            hatch = dropped[name][c]
            colors = [[None if lost else color for color, lost in zip(*rows, strict=True)]
                      for rows in zip(colors, hatch, strict=True)]  # fmt: skip
        figures.grid(ax, plane, at, colors=colors, hatch=hatch, fontsize=9)
        ax.text(at[0], at[1] - 0.2, f"c = {c}", fontsize=9)
figures.describe(
    ax.figure,
    f"""An image of {C} channels with {H} by {W} pixels, and what two layers make of it in training.
    Dropout set {int(dropped["Dropout(0.4)"].sum())} of {x.numel()} values to zero, here and there.
    Dropout2d set all {int(dropped["Dropout2d(0.4)"].sum())} values of channel
    {int(channels["Dropout2d(0.4)"].int().argmax())} to zero. All others are divided by 0.6.""",
)
plt.show()

# %%
# Hatched cells were dropped. All others are x / 0.6: the 3 becomes 5 where it is kept. In training
# every call draws anew; in evaluation the layer returns x itself.
#
# Averages over many draws
# ------------------------
# Each draw is wrong, but not on one side. We average over draws, and look at how far the average
# is from x: for single values, and for the mean of a channel.

draws = 1024
shape = (draws, 257, 5, 5)  # 257 equal channels of 5 by 5 ones, to have many of them
counts = [1, 4, 16, 64, 256, 1024]
far = {}
for name, layer in layers.items():
    total, errors = torch.zeros(shape[1:]), []
    for n, noise in enumerate(layer(torch.ones(shape)), start=1):
        total += noise
        if n in counts:
            off = total / n - 1
            errors.append([off.square().mean().sqrt(), off.mean((1, 2)).square().mean().sqrt()])
    far[name] = torch.tensor(errors).T

# the deviation of one draw is √(p / (1 − p)); averaging over n draws divides it by √n, averaging
# over 25 pixels divides it by 5, if the pixels are drawn one by one
one = (p / (1 - p)) ** 0.5 / torch.tensor(counts).sqrt()
for value, _ in far.values():
    assert (value / one - 1).abs().max() < 0.1
element, plane = far.values()
assert (element[1] / one * 5 - 1).abs().max() < 0.1
torch.testing.assert_close(plane[1], plane[0])
assert abs(noise.square().mean() * (1 - p) - 1) < 0.1  # the mean square grows by 1 / (1 − p)

fig, ax = plt.subplots(figsize=(figures.WIDTH, 3.6))
ax.loglog(counts, element[0], "-o", color=figures.BLUE, label="Dropout: a value")
ax.loglog(counts, plane[0], "x", color="black", markersize=9, label="Dropout2d: a value")
ax.loglog(counts, plane[1], "--", color=figures.VERMILLION, label="Dropout2d: mean of a channel")
ax.loglog(counts, element[1], ":s", color=figures.GREEN, label="Dropout: mean of a channel")
ax.set_xticks(counts, [str(n) for n in counts])
ax.set_yticks([0.001, 0.01, 0.1, 1], ["0.001", "0.01", "0.1", "1"])
ax.minorticks_off()
ax.set(xlabel="draws that are averaged", title="How far the average of the outputs is from x = 1")
ax.legend()
figures.describe(
    fig,
    f"""The root mean square distance between x and the average over n draws, on two logarithmic
    axes. For a value it is {element[0][0]:.2f} after one draw and {element[0][-1]:.3f} after
    {draws}, with both layers. For the mean of a channel of 25 values it is the same with Dropout2d,
    and with Dropout a fifth: {element[1][0]:.2f} and {element[1][-1]:.4f}.""",
)
plt.show()

# %%
# All lines go down with the root of the number of draws, so the expectation is x. For one value the
# two layers are equally noisy. For the mean of a channel they are not: Dropout's 25 draws cancel to
# a fifth, Dropout2d's single draw stays.
#
# **Takeaways**
#
# * Dividing by 1 − p in training is why evaluation has nothing to do.
# * Neighbouring pixels tell nearly the same. Dropping single ones hides little; dropping a channel
#   hides a feature.
# * The expectation is kept, the size is not: the mean square grows by 1 / (1 − p), which a
#   BatchNorm behind it remembers from training and does not meet in evaluation.
