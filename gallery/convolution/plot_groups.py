"""
What do groups do to the matrix of a convolution?
=================================================

A convolution is linear, so it is a matrix, from all values of all channels to all values of all
channels. Groups keep only its diagonal blocks, and depthwise convolution keeps only one block for
each channel: channels no longer meet.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Conv2d, DepthwiseConv2d, SeparableConv2d, figures, output_shape

torch.manual_seed(0)
figures.style()

# %%
# Four channels, each a row of 3 pixels (an image of height 1), and kernels of 2 taps. So a channel
# comes out with 2 pixels. The weights are digits, so that each can be found in the matrix.

C, W, k = 4, 3, 2
layers = {
    "Conv2d(4, 4, (1, 2))": Conv2d(C, C, (1, k), bias=False),
    "Conv2d(4, 4, (1, 2), groups=2)": Conv2d(C, C, (1, k), groups=2, bias=False),
    "DepthwiseConv2d(4, (1, 2))": DepthwiseConv2d(C, (1, k), bias=False),
}
for layer in layers.values():
    layer.weight.data = torch.randint(1, 10, layer.weight.shape).float()

# %%
# The matrix, column by column: what comes out of the layer when one input value is 1 and all others
# are 0. Rows and columns are ordered by channel, then by pixel.


def matrix(layer, channels, width=W):
    basis = torch.eye(channels * width).view(-1, channels, 1, width)
    return layer(basis).detach().flatten(1).T


matrices = {name: matrix(layer, C) for name, layer in layers.items()}
x = torch.randn(5, C, 1, W)
for A, layer in zip(matrices.values(), layers.values(), strict=True):
    torch.testing.assert_close(x.flatten(1) @ A.T, layer(x).flatten(1))  # the matrix is the layer

    # each group is a small convolution of its own, and they stand on the diagonal
    groups, blocks = layer.groups, []
    for weight in layer.weight.detach().chunk(groups):
        part = Conv2d(C // groups, C // groups, (1, k), bias=False)
        part.weight.data = weight
        blocks.append(matrix(part, C // groups))
    torch.testing.assert_close(A, torch.block_diag(*blocks))
    kwargs = {"in_channels": C, "out_channels": C, "kernel_size": (1, k), "groups": groups}
    assert output_shape(Conv2d, x.shape, **kwargs) == (5, C, 1, len(A) // C)

filled = [A.view(C, len(A) // C, C, W).any(1).any(-1).sum().item() for A in matrices.values()]
assert filled == [16, 8, 4]  # blocks, of 16
assert [layer.weight.numel() for layer in layers.values()] == [32, 16, 8]

# a separable convolution is a product: the depthwise matrix, then one that mixes channels
separable = SeparableConv2d(C, C, (1, k), bias=False)
D = matrix(separable.depthwise, C)
P = matrix(separable.pointwise, C, W - k + 1)
torch.testing.assert_close(matrix(separable, C), P @ D)
mixing = separable.pointwise.weight.detach().view(C, C)
torch.testing.assert_close(P, torch.kron(mixing, torch.eye(W - k + 1)))
assert ((P @ D).abs() > 1e-6).sum() == (matrices["Conv2d(4, 4, (1, 2))"] != 0).sum()

# %%

rows = C * (W - k + 1)
ax = figures.board(15, 3 * (rows + 2.9) - 0.4)
told = []
for number, ((name, A), layer) in enumerate(zip(matrices.items(), layers.values(), strict=True)):
    x0, y0 = 2.2, number * (rows + 2.9) + 2
    weights, nonzero = layer.weight.numel(), int((A != 0).sum())
    assert nonzero == weights * (W - k + 1)  # each weight stands once for each pixel that comes out
    ax.text(0.4, y0 - 1.25, name, weight="bold")
    ax.text(14.2, y0 - 1.25, f"{weights} weights", ha="right")
    channel = torch.arange(len(A)) // (rows // C)  # of a row; its colour says to which it writes
    palette = (figures.BLUE, figures.ORANGE, figures.GREEN, figures.PURPLE)
    colors = [[palette[c] if v else None for v in row] for c, row in zip(channel, A, strict=True)]
    values = [[v or "" for v in row] for row in A.tolist()]
    figures.grid(ax, values, (x0, y0), colors=colors)
    for c in range(C):  # frames around the blocks from channel to channel
        ax.text(x0 + c * W + W / 2, y0 - 0.25, f"in {c}", ha="center", fontsize=9)
        ax.text(
            x0 - 0.2, y0 + (c + 0.5) * rows / C, f"out {c}", ha="right", va="center", fontsize=9
        )
    for c in range(C + 1):
        ax.plot([x0, x0 + C * W], [y0 + c * rows / C] * 2, color="black", ls="-")
        ax.plot([x0 + c * W] * 2, [y0, y0 + rows], color="black", ls="-")
    told.append(f"{name}: {weights} weights, {nonzero} of {A.numel()} cells are not zero")
figures.describe(
    ax.figure,
    f"""Three matrices of {rows} rows and {C * W} columns, in blocks from each of {C} input channels
    to each of {C} output channels. {"; ".join(told)}. The first fills {filled[0]} blocks, the
    second the {filled[1]} of its two groups, the third the {filled[2]} on the diagonal.""",
)
plt.show()

# %%
# A frame is the way from one channel in to one channel out. Inside, the two weights of a kernel
# stand once for each pixel that comes out, shifted by one. Empty cells are zero: no weight is
# stored for them. With two groups the first two channels never reach the last two, and depthwise
# each channel is on its own.
#
# **Takeaways**
#
# * G groups hold one G-th of the weights: 32, 16 and 8 here.
# * A stack of grouped convolutions stays block-diagonal. Something has to mix the channels.
# * ``SeparableConv2d`` does that with a second matrix, a 1 × 1 convolution: each of its blocks is
#   one number times the identity, and the product with the depthwise matrix has all 16 blocks.
