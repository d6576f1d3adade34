"""
What do grouped and separable convolutions save?
================================================

A convolution that sees 3 × 3 pixels and mixes all channels at once pays for each combination of the
two. Groups mix fewer channels. A separable convolution sees first and mixes then, so that the costs
add up instead of multiplying.
"""

import matplotlib.pyplot as plt
import torch
from torch.utils.flop_counter import FlopCounterMode

from layerref import Conv2d, SeparableConv2d, figures, flops, output_shape, parameter_count

figures.style()

# %%
# From 64 to 48 channels on an image of 28 × 20 pixels. The rules answer without building a layer.
# To be sure, each layer is built as well: its weights are counted, and torch counts the operations
# of one run. What is read and written is added up from the shapes, for each step of the layer.

C_in, C_out, k, shape = 64, 48, 3, (1, 64, 28, 20)
common = {"in_channels": C_in, "out_channels": C_out, "kernel_size": k, "padding": 1, "bias": False}
choices = {
    "plain": (Conv2d, {}),
    "2 groups": (Conv2d, {"groups": 2}),
    "4 groups": (Conv2d, {"groups": 4}),
    "8 groups": (Conv2d, {"groups": 8}),
    "separable": (SeparableConv2d, {}),
}
weights, operations, moved = {}, {}, {}
for name, (layer, setting) in choices.items():
    setting = common | setting
    built, counter, touched = layer(**setting), FlopCounterMode(display=False), []
    for step in (m for m in built.modules() if isinstance(m, Conv2d)):
        step.register_forward_hook(
            lambda step, x, y, touched=touched: touched.extend((x[0], step.weight, y))
        )
    with counter, torch.no_grad():
        y = built(torch.zeros(shape))
    assert y.shape == output_shape(layer, shape, **setting)
    weights[name] = parameter_count(layer, **setting)
    assert weights[name] == sum(p.numel() for p in built.parameters())
    operations[name] = flops(layer, shape, **setting)
    assert operations[name] == counter.get_total_flops()
    moved[name] = sum(tensor.numel() for tensor in touched)

# what the picture claims: each weight works once for each pixel, a product and a sum
pixels = 28 * 20
assert all(operations[name] == 2 * pixels * weights[name] for name in choices)
assert [weights["plain"] // weights[f"{g} groups"] for g in (2, 4, 8)] == [2, 4, 8]
fewer = operations["plain"] / operations["separable"]
more = moved["separable"] / moved["plain"]
assert fewer > 7 and more > 1.5

# %%
# How much a separable convolution saves depends on the kernel and on the channels that come out,
# and on nothing else: it needs :math:`1/C_{out} + 1/k^2` of the weights.

channels, shares = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512], {}
for size in (3, 5, 7):
    for C in (32, 96):  # the channels that come in make no difference
        kwargs = [{"in_channels": C, "out_channels": out, "kernel_size": size, "bias": False}
                  for out in channels]  # fmt: skip
        share = [
            parameter_count(SeparableConv2d, **s) / parameter_count(Conv2d, **s) for s in kwargs
        ]
        torch.testing.assert_close(share, [1 / out + 1 / size**2 for out in channels])
    shares[size] = share
assert min(share[0] for share in shares.values()) > 1  # one channel out: nothing is saved

# %%

fig, axes = plt.subplots(3, 1, figsize=(figures.WIDTH, 7.2), height_ratios=[4, 4, 5])
fig.get_layout_engine().set(hspace=0.07)
names = list(choices)
for ax, amounts, title in (
    (axes[0], weights, "Weights (and operations on 28 × 20 pixels)"),
    (axes[1], moved, "Values read and written: input, weights, output of each step"),
):
    most = max(amounts.values())
    for i, name in enumerate(names):
        new = name == "separable"
        color, hatch = (figures.ORANGE, "///") if new else (figures.SKY, None)
        ax.barh(i, amounts[name], color=color, hatch=hatch, edgecolor="black", linewidth=0.8)
        label = f"{amounts[name]:,}"
        label += f" ({operations[name] / 1e6:.1f} million)" if ax is axes[0] else ""
        ax.text(amounts[name] + 0.02 * most, i, label, va="center", fontsize=9)
    ax.set(title=title, xlim=(0, 1.6 * most), ylim=(len(names) - 0.4, -0.6))
    ax.set_yticks(range(len(names)), names)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
for (size, share), marker in zip(shares.items(), "os^", strict=True):
    axes[2].loglog(channels, share, marker=marker, markersize=4, label=f"{size} × {size}")
axes[2].axhline(1, color="black", linewidth=0.8, linestyle="-")
axes[2].set(title="Weights of a separable convolution, as a share of plain",
            xlabel="channels that come out")  # fmt: skip
axes[2].set_xticks(channels[::3], [str(c) for c in channels[::3]])
axes[2].set_yticks([1, 0.1, 0.02], ["1", "1/10", "1/50"])
axes[2].minorticks_off()
axes[2].legend(title="kernel", alignment="left")
figures.describe(
    fig,
    f"""Bars of weights: {", ".join(f"{name} {weights[name]:,}" for name in names)}; the operations
    are {2 * pixels:,} times as many. Bars of values read and written: plain {moved["plain"]:,},
    8 groups {moved["8 groups"]:,}, separable {moved["separable"]:,}, the most of all. Below, the
    weights of separable against plain: from {shares[3][0]:.2f} with one channel out to
    {shares[3][-1]:.3f} with {channels[-1]} for kernels of 3 × 3, and to {shares[7][-1]:.3f} for
    7 × 7.""",
)
plt.show()

# %%
# Separable needs a little over an eighth of the weights and operations here. But it writes what the
# first step gives and reads it again, so more values move than in the plain convolution: bars of
# the second panel, counted as if each tensor is read or written once.
#
# **Takeaways**
#
# * Operations are 2 × pixels that come out × weights: zeros of the padding are multiplied, too.
# * G groups take one G-th, and the groups never meet. Separable mixes all channels.
# * The share tends to 1/k² with many channels: 1/9, 1/25, 1/49. With one channel out it is over 1.
# * Fewer operations are not as much less time. Where a machine waits for memory, the second panel
#   counts.
