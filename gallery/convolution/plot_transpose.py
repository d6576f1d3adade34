"""
Why is it called a transposed convolution?
==========================================

A convolution is a matrix A, and the transposed convolution with the same weight is Aᵀ. It takes
results back to the places they came from, so it restores the size, but not the values.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Conv2d, ConvTranspose2d, figures, output_shape

torch.manual_seed(1)
figures.style()

# %%
# From an image of 3 × 4 pixels to one of 2 × 3, with the weights 1 to 4. Each column of a matrix is
# what comes out of the layer when one input value is 1 and all others are 0.


def matrix(layer, size):
    pixels = size[0] * size[1]
    columns = [layer(e.view(1, 1, *size)).detach().flatten() for e in torch.eye(pixels)]
    return torch.stack(columns, dim=1)


def pair(output_padding=0, **setting):
    """Return a convolution and the transposed one with the same weight."""
    conv = Conv2d(1, 1, kernel_size=2, bias=False, **setting)
    back = ConvTranspose2d(1, 1, 2, bias=False, output_padding=output_padding, **setting)
    conv.weight.data = torch.arange(1.0, 5).view(1, 1, 2, 2)
    back.load_state_dict(conv.state_dict())
    return conv, back


large, small = (3, 4), (2, 3)
conv, back = pair()
A, B = matrix(conv, large), matrix(back, small)
assert torch.equal(B, A.T)  # what the picture claims

# and with other settings; where the stride leaves a remainder, output_padding gives it back
remainder = {"stride": 2, "output_padding": (1, 0)}
for setting in ({"stride": 2}, {"padding": 1}, {"dilation": 2}, remainder):
    size = (5, 6) if setting is remainder else (4, 6)
    some_conv, some_back = pair(**setting)
    reduced = some_conv(torch.zeros(1, 1, *size)).shape
    kwargs = {"in_channels": 1, "out_channels": 1, "kernel_size": 2} | setting
    assert output_shape(ConvTranspose2d, reduced, **kwargs) == (1, 1, *size)
    assert torch.equal(matrix(some_back, reduced[2:]), matrix(some_conv, size).T)

# %%
# So the two obey the identity of transposes, ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ for any x and y. Here are small
# whole numbers, so that it can be checked by hand.

x = torch.randint(-2, 4, large).float()
y = torch.randint(-2, 4, small).float()
Ax, ATy = conv(x[None])[0].detach(), back(y[None])[0].detach()
left, right = (Ax * y).sum().item(), (x * ATy).sum().item()
assert left == right
probe = x[None].clone().requires_grad_()
conv(probe).backward(y[None])  # backward, a convolution multiplies with Aᵀ
assert torch.equal(probe.grad[0], ATy)
restored = back(Ax[None])[0].detach()
assert restored.shape == x.shape and not torch.equal(restored, x)  # the size, not the values

# %%

pixel = 1  # this pixel of the small image is followed through both layers
mark, window = torch.zeros(small, dtype=torch.bool), (A[pixel] != 0).view(large)
mark.view(-1)[pixel] = True
assert torch.equal(window, figures.depends(conv, x[None])[0, 0, 1, 0])
assert Ax.view(-1)[pixel] == A[pixel] @ x.flatten()

ax = figures.board(15, 26)


def signed(value):
    return f"{value:g}".replace("-", "−")


def draw_matrix(values, at, title, marked):
    colors = [[figures.SKY if v else None for v in row] for row in values.tolist()]
    cells = [[f"{v:g}" if v else "" for v in row] for row in values.tolist()]
    figures.grid(ax, cells, at, colors=colors)
    figures.outline(ax, marked, at)
    for j in range(len(cells[0])):
        ax.text(at[0] + j + 0.5, at[1] - 0.2, j, ha="center", fontsize=9)
    for i in range(len(cells)):
        ax.text(at[0] - 0.2, at[1] + i + 0.66, i, ha="right", fontsize=9)
    ax.text(at[0], at[1] - 1.1, title, weight="bold")


row = torch.arange(6)[:, None] == pixel
draw_matrix(A, (1.6, 2), "A, the matrix of Conv2d: 12 pixels to 6", row.expand(6, 12))
draw_matrix(B, (1.6, 10.6), "Aᵀ, of ConvTranspose2d", row.expand(6, 12).T)
images = {"x": (x, window), "Ax = conv(x)": (Ax, mark)}
images |= {"y": (y, mark), "Aᵀy = back(y)": (ATy, window)}
for (title, (values, marked)), top in zip(images.items(), (10.6, 15, 18.4, 21.8), strict=True):
    ax.text(9.6, top - 0.35, title, weight="bold")
    figures.grid(ax, [[signed(v) for v in row] for row in values.tolist()], (9.6, top))
    figures.outline(ax, marked, (9.6, top))
ax.text(1.6, 23.8, f"⟨Ax, y⟩ = {signed(left)}")
ax.text(1.6, 24.8, f"⟨x, Aᵀy⟩ = {signed(right)}")
weights = A[pixel][A[pixel] != 0].tolist()
terms = [f"{w:g}·{signed(v)}" for w, v in zip(weights, x[window].tolist(), strict=True)]
places = (A[pixel] != 0).nonzero().flatten().tolist()
figures.describe(
    ax.figure,
    f"""The matrix A of a 2 by 2 convolution, {A.shape[0]} rows by {A.shape[1]} columns with
    {len(weights)} weights in each row, and that of the transposed convolution, {B.shape[0]} by
    {B.shape[1]}, which is its transpose. Row {pixel} of A is outlined: weights
    {", ".join(f"{w:g}" for w in weights)} at pixels {", ".join(map(str, places))}. Applied to x it
    gives {" + ".join(terms)} = {signed(Ax.view(-1)[pixel].item())}. Both products, of Ax with y and
    of x with Aᵀy, are {signed(left)}.""",
)
plt.show()

# %%
# Row 1 of A *reads* a window: its weights stand at the marked pixels of x, and the sum is the
# marked pixel of Ax. Column 1 of Aᵀ holds the same numbers and *writes* that window: the marked
# pixel of y is spread over the marked pixels of Aᵀy, where its neighbours add theirs.
#
# **Takeaways**
#
# * The layer that goes back with the same weight is the same matrix, laid on its side. It does not
#   undo the convolution: AᵀAx has the size of x, but other numbers.
# * Aᵀ is also what sends gradients through a convolution. So a transposed convolution runs forward
#   what a convolution does in its backward pass.
# * With stride 2, images of 4 and of 5 rows both give 2. ``output_padding`` says which one to go
#   back to, and the identity holds for that.
