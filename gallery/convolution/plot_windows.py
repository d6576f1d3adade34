"""
How does a convolution slide over its input?
============================================

Step through the windows yourself: each step shows the inputs under the kernel, the products and the
output that they add up to. Stride, padding and dilation change where the kernel is laid, never what
it does there.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Conv2d, ZeroPad2d, figures

figures.style()

# %%
# The kernel's weights are 1, 2, 3 and 4, so that one sees which weight meets which input. The
# window of an output is asked from the layer: the inputs on which this output depends.


def windows(x, **setting):
    """Return the steps of one convolution, one for each output."""
    conv = Conv2d(1, 1, kernel_size=2, bias=False, **setting)
    conv.weight.data = torch.arange(1.0, 5).view(1, 1, 2, 2)
    y = conv(x).detach()[0, 0]
    # padding is part of the picture, so it is done first, by the layer that pads
    p = conv.padding[0]
    padded = ZeroPad2d(p)(x)
    unpadded = Conv2d(1, 1, kernel_size=2, bias=False, stride=conv.stride, dilation=conv.dilation)
    unpadded.load_state_dict(conv.state_dict())
    torch.testing.assert_close(unpadded(padded).detach()[0, 0], y)
    window = figures.depends(unpadded, padded)[0, 0, :, :, 0, 0]
    weights, values = conv.weight.detach().flatten().tolist(), padded[0, 0]
    edge = torch.ones_like(values, dtype=torch.bool)
    edge[p : len(edge) - p, p : len(edge) - p] = False
    (height, width), (rows, columns) = values.shape, y.shape

    def draw(fig, step):
        i, j = divmod(step, columns)
        covered = values[window[i, j]].tolist()
        products = " + ".join(f"{w:g}·{v:g}" for w, v in zip(weights, covered, strict=True))
        assert sum(w * v for w, v in zip(weights, covered, strict=True)) == y[i, j]

        ax = figures.board(*size, fig)
        at, to, beneath = (0.4, 1.2), (width + 1, 1.2), (width + 1, rows + 2.6)
        figures.grid(ax, values, at, hatch=edge, title="input")
        figures.outline(ax, window[i, j], at)
        done = [[y[a, b].item() if a * columns + b <= step else None for b in range(columns)]
                for a in range(rows)]  # fmt: skip
        figures.grid(ax, done, to, title="output", fontsize=9)
        figures.outline(ax, torch.arange(y.numel()).view(y.shape) == step, to)
        figures.grid(ax, conv.weight.detach()[0, 0], beneath, title="kernel")
        return f"Output ({i}, {j}): {products} = {y[i, j]:g}."

    size = (width + max(columns, 2) + 1.4, max(height + 1.6, rows + 5))
    name = ", ".join(f"{key} {value}" for key, value in setting.items()) or "plain"
    return figures.Steps(draw, y.numel(), size, f"Convolution, {name}")


# %%
# Plain
# -----
# The kernel visits each place where it fits: three by three on a 4 by 4 input.

x = torch.arange(16.0).view(1, 1, 4, 4)  # (N, C, H, W)
plain = windows(x)
plain

# %%
# Stride 2
# --------
# It moves on by two. The last row and column of a 5 by 5 input are never covered.

larger = torch.arange(25.0).view(1, 1, 5, 5)
strided = windows(larger, stride=2)
strided

# %%
# Padding 1
# ---------
# A ring of zeros, hatched, lets the kernel start outside. The output becomes larger than the input.

padded = windows(x, padding=1)
padded

# %%
# Dilation 2
# ----------
# The four weights stand two apart, and the inputs in between are passed over.

dilated = windows(larger, dilation=2)
dilated

# %%
# On paper, all steps at once. Here are those of stride 2.

assert [s.count for s in (plain, strided, padded, dilated)] == [9, 4, 25, 9]
sheet = strided.contact_sheet(columns=2)
plt.show()

# %%
# **Takeaways**
#
# * The kernel is laid as it is: weight 1 meets the upper left input. Mathematics calls that
#   cross-correlation; its convolution would turn the kernel around.
# * One output costs four products, whatever the setting. What changes is the number of outputs: 9,
#   4, 25 and 9 here.
# * Each weight is used once for every output, so its gradient is a sum over all windows.
