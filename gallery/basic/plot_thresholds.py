"""
Does Threshold clip its input?
==============================

It is often said that Threshold limits its input to a range. It does not limit, and there is no
range: it replaces what is not above one number by another number. What clips is Hardtanh.
"""

import matplotlib.pyplot as plt
import torch

from layerref import Hardtanh, ReLU, Threshold, figures

figures.style()

# %%
# Four layers. Values and gradients are asked from the layers, at points a hundredth apart.

layers = {
    "ReLU()": ReLU(),
    "Threshold(1, −1)": Threshold(1.0, -1.0),
    "Threshold(1, 1)": Threshold(1.0, 1.0),
    "Hardtanh(−1, 1)": Hardtanh(-1.0, 1.0),
}
x = torch.linspace(-3, 3, 601, dtype=torch.float64, requires_grad=True)
curves = {}
for name, layer in layers.items():
    y = layer(x)
    curves[name] = y.detach(), torch.autograd.grad(y.sum(), x)[0]

# what the picture claims: only Hardtanh has an upper limit, only Threshold(1, −1) jumps, and its
# gradient does not know
largest = {name: layer(torch.tensor([1e6])).item() for name, layer in layers.items()}
assert largest == dict.fromkeys(layers, 1e6) | {"Hardtanh(−1, 1)": 1}
jumps = {name: y.diff().abs().max().item() for name, (y, _) in curves.items()}
assert jumps["Threshold(1, −1)"] > 2
assert max(jump for name, jump in jumps.items() if name != "Threshold(1, −1)") < 0.011
y, gradient = curves["Threshold(1, −1)"]
assert set(gradient.tolist()) == {0, 1}
area, climb = (gradient[:-1] * 0.01).sum().item(), (y[-1] - y[0]).item()
assert abs(climb - area - 2) < 0.02  # the integral of the gradient misses the jump of 2
z = torch.linspace(-3, 3, 601)
assert torch.equal(ReLU()(z), Threshold(0.0, 0.0)(z))
assert torch.equal(Threshold(1.0, 1.0)(z), z.clamp(min=1))
assert torch.equal(Hardtanh(-1.0, 1.0)(z), z.clamp(-1, 1))

# %%

fig, axes = plt.subplots(3, 2, figsize=(figures.WIDTH, 7.4), height_ratios=[3, 3, 2])
for ax, (name, (y, gradient)) in zip(axes[:2].flat, curves.items(), strict=True):
    at = x.detach()
    cut = torch.where(y.diff().abs() > 1)[0] + 1  # a jump is drawn as a gap
    for part in torch.tensor_split(torch.arange(len(at)), cut.tolist()):
        ax.plot(at[part], y[part], "-", color=figures.BLUE, label="output")
    if len(cut):
        ax.plot(1, -1, "o", color=figures.BLUE)
        ax.plot(1, 1, "o", color=figures.BLUE, markerfacecolor="none")
        ax.annotate("jump of 2", (1, -0.5), (8, -3), textcoords="offset points", fontsize=9)
    ax.plot(at, gradient, "--", color=figures.VERMILLION, linewidth=1.2, label="gradient")
    ax.set(title=name, ylim=(-1.5, 3.2), xticks=[-3, -1, 0, 1, 3], yticks=[-1, 0, 1, 3])
    ax.grid()
handles = axes[0, 0].get_legend_handles_labels()
axes[0, 0].legend(*handles, loc="upper left")

# the same five numbers through all layers
for ax in axes[2]:
    ax.remove()
numbers = [-5.0, -0.5, 1.0, 1.5, 1000.0]
cells = [numbers, *(layer(torch.tensor(numbers)).tolist() for layer in layers.values())]
ax = fig.add_subplot(axes[2, 0].get_gridspec()[2, :])
ax.set(xlim=(0, 10), ylim=(5, -0.2))
ax.axis("off")
for i, (name, row) in enumerate(zip(["x", *layers], cells, strict=True)):
    ax.text(0, i + 0.5, name, weight="bold" if i == 0 else "normal")
    for k, value in enumerate(row):
        same = i == 0 or value == numbers[k]
        color = "black" if same else figures.VERMILLION
        ax.text(4.6 + 1.35 * k, i + 0.5, f"{value:g}".replace("-", "−"), ha="right", color=color,
                weight="normal" if same else "bold")  # fmt: skip
ax.axhline(0.75, color="black", linewidth=0.8)
told = "; ".join(
    f"{name}: {[round(v, 2) for v in row]}" for name, row in zip(layers, cells[1:], strict=True)
)
figures.describe(
    fig,
    f"""Outputs and gradients of four layers over x from −3 to 3. ReLU bends at 0. Threshold(1, −1)
    is −1 up to x = 1 and x above, with a jump of 2, and gradients 0 and 1. Threshold(1, 1) bends at
    1. Hardtanh(−1, 1) is flat outside −1 to 1. Below, {numbers} through each. {told}.""",
)
plt.show()

# %%
# The dot belongs to the function and the ring does not: at the threshold itself the value is
# replaced. In the table, what a layer changed is bold. The 1000 passes three layers untouched.
#
# **Takeaways**
#
# * Threshold is one-sided, and what it lets pass is unlimited. With ``value`` equal to
#   ``threshold`` it is a clamp from below, and with both 0 it is ReLU.
# * With another ``value`` the output jumps, and the gradient says nothing of it: it is 0 on the
#   left and 1 on the right. A step across the threshold changes the loss in a way no gradient
#   foresees.
# * Clipping on both sides is ``Hardtanh(min, max)``, or ``torch.clamp``.
