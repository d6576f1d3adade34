"""
What do stride, padding and dilation do to a convolution?
=========================================================

Three numbers decide where a kernel is laid and how many results come out. On a ramp of integers,
with a kernel of ones, every result is a sum that can be checked by eye.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Conv2d, ZeroPad2d, figures, output_shape

figures.style()

# %%
# The input counts from 0 to 24. A kernel of ones adds up what it covers.

x = torch.arange(25.0).view(1, 1, 5, 5)  # (N, C, H, W)
settings = {
    "plain": {},
    "stride 2": {"stride": 2},
    "padding 1": {"padding": 1},
    "dilation 2": {"dilation": 2},
}

# %%
# A setting is drawn from the layer: its result, the window of one output (the inputs that this
# output depends on), and the numbers in the formula of the output size,
# :math:`\lfloor (H + 2p - d(k-1) - 1)/s \rfloor + 1`.

ax = figures.board(15, 33)
top, told = 1, []
for name, setting in settings.items():
    conv = Conv2d(1, 1, kernel_size=2, bias=False, **setting)
    torch.nn.init.ones_(conv.weight)
    y = conv(x).detach()[0, 0]

    # padding is part of the picture, so it is done first, by the layer that pads
    (s, _), (p, _), (d, _) = conv.stride, conv.padding, conv.dilation
    padded = ZeroPad2d(p)(x)
    unpadded = Conv2d(1, 1, kernel_size=2, bias=False, stride=s, dilation=d)
    unpadded.load_state_dict(conv.state_dict())
    torch.testing.assert_close(unpadded(padded).detach()[0, 0], y)

    size = (5 + 2 * p - d * (2 - 1) - 1) // s + 1
    shape = output_shape(Conv2d, x.shape, in_channels=1, out_channels=1, kernel_size=2, **setting)
    assert (1, 1, *y.shape) == shape == (1, 1, size, size)
    o = (1, 0)  # this output's window is outlined
    window = figures.depends(unpadded, padded)[0, 0, *o, 0, 0]
    assert window.sum() == 4
    assert padded[0, 0][window].sum() == y[o]

    ax.text(0.5, top, name, weight="bold")
    ax.text(4.5, top, f"⌊(5 + 2·{p} − {d}·(2 − 1) − 1) / {s}⌋ + 1 = {size}")
    at, to = (0.5, top + 1.2), (8.5, top + 1.2)
    edge = torch.ones_like(padded[0, 0], dtype=torch.bool)
    edge[p : p + 5, p : p + 5] = False
    figures.grid(ax, padded[0, 0], at, hatch=edge, title="input")
    figures.outline(ax, window, at)
    figures.grid(ax, y, to, title="output")
    figures.outline(ax, torch.arange(size * size).view(size, size) == size, to)
    terms = " + ".join(f"{v:g}" for v in padded[0, 0][window].tolist())
    ax.text(8.5, top + 1.9 + size, f"{terms} = {y[o]:g}")
    told.append(f"{name}: {size} by {size}, {terms} = {y[o]:g}")
    top += len(edge) + 2.6
figures.describe(
    ax.figure,
    f"""A 5 by 5 ramp of the integers 0 to 24, convolved with a 2 by 2 kernel of ones in four ways,
    with the window of the first output of the second row outlined. {"; ".join(told)}.""",
)
plt.show()

# %%
# Each row of the picture is one setting. The outlined inputs add up to the outlined output, with
# the sum beneath; hatched cells are padding. The formula on the right holds the numbers of the
# setting, and its result is the height and the width of the output.
#
# **Takeaways**
#
# * Stride 2 skips every second position, here also the last row and column of the input: the floor
#   in the formula drops what no whole window fits.
# * Padding 1 adds a ring of zeros, and outputs at the border are made of zeros in part.
# * Dilation 2 spreads the same four weights over a 3 by 3 area. It costs no parameter, and the
#   inputs in between count for nothing in this output.
