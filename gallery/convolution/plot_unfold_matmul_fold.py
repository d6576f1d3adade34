"""
Is a convolution one matrix product?
====================================

Yes: lay out every window as a column, multiply by the kernels as rows, and put the results back
into rows of pixels. Matrix products are what hardware does best, so convolutions often run so.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Conv2d, ConvTranspose2d, Fold, Unfold, figures, output_shape

torch.manual_seed(5)
figures.style()

# %%
# An image with two channels of 3 × 3 pixels, and a convolution with 2 × 2 kernels to three
# channels. All numbers are small and whole.

C_in, C_out, H, W, k = 2, 3, 3, 3, 2
x = torch.randint(0, 5, (1, C_in, H, W)).float()
conv = Conv2d(C_in, C_out, k, bias=False)
conv.weight.data = torch.randint(-1, 3, conv.weight.shape).float()

columns = Unfold(k)(x)  # (N, C_in·k·k, L): a column for each window
kernels = conv.weight.detach().flatten(1)  # (C_out, C_in·k·k): a row for each kernel
product = kernels @ columns  # (N, C_out, L)
size = output_shape(Conv2d, x.shape, in_channels=C_in, out_channels=C_out, kernel_size=k)[2:]
y = Fold(size, kernel_size=1)(product)  # windows of 1 × 1: each result becomes one pixel
assert torch.equal(y, conv(x))  # what the picture claims
assert torch.equal(y, product.view(1, C_out, *size))  # this Fold only gives the axes new sizes

# the way back: multiply with the kernels as columns, and fold windows of 2 × 2, which overlap
back = ConvTranspose2d(C_out, C_in, k, bias=False)
back.load_state_dict(conv.state_dict())
assert torch.equal(Fold((H, W), kernel_size=k)(kernels.T @ product), back(y))

# %%
# Step through the windows. Outlined: what one window covers, the column that it becomes, and the
# results, one for each kernel.

reach = figures.depends(conv, x)[0, 0, :, :, 0].flatten(0, 1)  # (L, C_in, H, W): each one's window
board = (14.4, 17.8)


def signed(value):
    return f"{value:g}".replace("-", "−")


def draw(fig, step):
    ax = figures.board(*board, fig)

    def show(values, at, title, marked=None):
        cells = [[signed(v) for v in row] for row in values.tolist()]
        figures.grid(ax, cells, at, title=title)
        if marked is not None:
            figures.outline(ax, marked, at)

    window, results = x[0][reach[step]], y[0, :, *divmod(step, size[1])]
    assert torch.equal(window, columns[0, :, step])
    assert torch.equal(kernels @ window, results)
    here = torch.arange(len(reach)) == step
    for c in range(C_in):
        show(x[0, c], (0.5 + 4.2 * c, 3), f"x, channel {c}", reach[step, c])
    show(columns[0], (9.8, 1.2), "Unfold(2)(x)", here.expand(columns.shape[1], -1))
    show(kernels, (0.5, 10.5), "kernels, one in each row")
    show(product[0], (9.8, 10.5), "product", here.expand(C_out, -1))
    for c in range(C_out):
        show(y[0, c], (0.5 + 4.65 * c, 15.2), f"y, channel {c}", here.view(size))
    # the border between what belongs to channel 0 and to channel 1
    ax.plot([9.8, 13.8], [5.2, 5.2], [4.5, 4.5], [10.5, 13.5], color="black", ls="-", linewidth=2.5)
    terms = zip(kernels[0].tolist(), window.tolist(), strict=True)
    terms = " + ".join(f"{signed(w)}·{signed(v)}" for w, v in terms).replace("+ −", "− ")
    others = [f"kernel {c} gives {signed(results[c].item())}" for c in range(1, C_out)]
    return f"Window {step}: {terms} = {signed(results[0].item())}; {', '.join(others)}."


steps = figures.Steps(draw, len(reach), board, "Convolution as unfold, multiply, fold")
steps

# %%
# On paper all windows are printed. One of them:

fig = plt.figure(figsize=steps.inches)
caption = draw(fig, 1)
assert caption == steps.captions[1]
figures.describe(
    fig,
    f"""An image of {C_in} channels, {H} by {W}; beneath it the {C_out} kernels as rows of
    {kernels.shape[1]} numbers; to the right the {len(reach)} windows as columns, and beneath them
    the product, {C_out} by {len(reach)}. At the bottom its rows, folded to {C_out} channels of
    {size[0]} by {size[1]}. {caption}""",
)
plt.show()

# %%
# Rows of the kernels meet columns of the windows, as in any matrix product, and what a row and a
# column make stands where they cross. The thick line divides channel 0 from channel 1: a column
# holds all channels of its window, and a kernel all weights for them.
#
# **Takeaways**
#
# * The last ``Fold`` has windows of one pixel, so nothing overlaps, and ``view`` does the same.
# * ``Fold`` with the kernel's own size does something else. After a product with the transposed
#   kernels it is the transposed convolution.
# * The price is memory: each pixel is copied into every window that covers it, up to k² of them.
