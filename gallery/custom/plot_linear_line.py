"""
Does a Linear layer, learning step by step, find the line of least squares?
===========================================================================

For a line there is a formula, so the answer of gradient descent can be checked to the last digit.
After that one trusts the same loop where no formula exists.
"""

from itertools import pairwise

import matplotlib.pyplot as plt
import torch

from layerref import Linear, figures

torch.manual_seed(0)
figures.style()

# %%
# Points around the line y = 0.7 x − 0.4, with noise. The layer starts from its random values.

N = 31
x = torch.rand(N, 1, dtype=torch.float64) * 4 - 1
y = 0.7 * x - 0.4 + 0.3 * torch.randn(N, 1, dtype=torch.float64)
linear = Linear(in_features=1, out_features=1).double()
start = (linear.weight.item(), linear.bias.item())

optimizer = torch.optim.SGD(linear.parameters(), lr=0.1)
losses = []
for _ in range(300):
    loss = (linear(x) - y).square().mean()
    losses.append(loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
learned = (linear.weight.item(), linear.bias.item())

# %%
# The formula: least squares on the columns x and 1.

columns = torch.cat([x, torch.ones_like(x)], dim=1)
weight, bias = torch.linalg.lstsq(columns, y).solution.flatten().tolist()
best = (weight * x + bias - y).square().mean().item()

torch.testing.assert_close(learned, (weight, bias), rtol=0, atol=1e-9)
shown = 100  # much later the difference is rounding
above = [loss - best for loss in losses[:shown]]
assert above[-1] < 1e-6
assert all(0 < later < earlier for earlier, later in pairwise(above))
slow, fast = torch.linalg.eigvalsh(columns.T @ columns / N).tolist()  # the two eigenvalues
assert abs(above[-1] / above[-2] - (1 - 2 * 0.1 * slow) ** 2) < 0.001

# %%


def line(weight, bias):
    return f"y = {weight:.3f} x {'+' if bias >= 0 else '−'} {abs(bias):.3f}"


fig, (top, bottom) = plt.subplots(2, 1, figsize=(figures.WIDTH, 6), height_ratios=[3, 2])
ends = torch.tensor([-1.0, 3.0])
top.plot(x, y, "o", color="black", markersize=4, label="points")
top.plot(ends, start[0] * ends + start[1], ":", color=figures.PURPLE, label="at the start")
top.plot(ends, learned[0] * ends + learned[1], "-", color=figures.BLUE, label="learned")
top.plot(ends, weight * ends + bias, "--", color=figures.VERMILLION, label="least squares")
top.set(xlabel="x", ylabel="y", title=f"learned: {line(*learned)}")
top.legend(loc="upper left")
bottom.semilogy(above, color=figures.BLUE)
bottom.set(xlabel="step", title=f"How far the loss is above the least possible, {best:.4f}")
bottom.grid(axis="y")
figures.describe(
    fig,
    f"""{N} points and three lines. The layer starts at {line(*start)}. After {len(losses)} steps it
    has learned {line(*learned)}, and the line of least squares, {line(weight, bias)}, lies on it.
    Below, the loss comes down to the least possible, {best:.4f}: from {above[0]:.2f} above it to
    {above[-1]:.0e} above it in {shown} steps, straight on a logarithmic axis but for the start.""",
)
plt.show()

# %%
# The layer starts at a random line and ends on the dashed one, which comes from the formula: weight
# and bias agree to nine digits. Below, the distance to the least possible loss soon shrinks by a
# constant factor at each step, a straight line on this axis.
#
# **Takeaways**
#
# * The loss does not go to zero. What remains is the noise, which no line explains.
# * How steep the lower curve ends is set by the learning rate and by the *smaller* eigenvalue of
#   the mean of :math:`(x, 1)^\top (x, 1)`. Inputs of mean 0 and variance 1 make both eigenvalues 1,
#   and no direction is slow.
# * ``Linear`` keeps its weight as ``(out_features, in_features)``, so it computes :math:`x W^\top +
#   b`.
