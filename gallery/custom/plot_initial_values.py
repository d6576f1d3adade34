"""
Why does a Linear layer start within ±1/√fan_in?
================================================

Each output is a sum over all inputs, so it grows with their number, unless the weights shrink. The
bound 1/√fan_in is what makes the size of the output independent of the width; it is not what keeps
it over many layers, as is often believed.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

from layerref import Linear, ReLU, figures

torch.manual_seed(0)
figures.style()

# %%
# Where the number comes from: PyTorch asks for Kaiming's values with a = √5, which is the same.

fan_in = 389
linear = Linear(fan_in, 307)
gain = nn.init.calculate_gain("leaky_relu", 5**0.5)
assert abs(gain * (3 / fan_in) ** 0.5 - fan_in**-0.5) < 1e-9
assert abs(nn.init.calculate_gain("relu") * 3**0.5 - 6**0.5) < 1e-9  # below, the bound for ReLU
assert 0.99 < linear.weight.abs().max() * fan_in**0.5 <= 1

# %%
# *Width*: one layer, inputs of variance 1, and weights within ±1/√fan_in or within ±0.1.


@torch.no_grad()
def within(linear, bound):
    linear.weight.uniform_(-bound, bound)
    return linear


widths = [10, 30, 100, 300, 1000, 3000]
own, constant = [], []
for width in widths:
    x, layer = torch.randn(211, width), Linear(width, 307, bias=False)
    own.append(layer(x).var().item())
    constant.append(within(layer, 0.1)(x).var().item())

# %%
# *Depth*: 20 layers of width 256 without activation, and bounds that are a multiple of 1/√fan_in.

N, n, depth = 101, 256, 20
multiples = {"½": 0.5, "1": 1.0, "√3": 3**0.5, "3": 3.0}
through = {}
for name, multiple in multiples.items():
    signal, through[name] = torch.randn(N, n), [1.0]
    for _ in range(depth):
        signal = within(Linear(n, n, bias=False), multiple / n**0.5)(signal).detach()
        through[name].append(signal.square().mean().item())

# %%
# *In practice*: layers as they are made, with biases, and a ReLU after each. We measure the size of
# the values (their mean square), and how much they differ between the 101 inputs.

signal, size, spread = torch.randn(N, n).double(), [1.0], [1.0]
for _ in range(depth):
    signal = ReLU()(Linear(n, n).double()(signal)).detach()
    size.append(signal.square().mean().item())
    spread.append(signal.var(0).mean().item())

# what the picture claims: a third at every width; a factor of multiple²/3 for each layer; in
# practice the biases keep the size up, and what differs between inputs is lost
assert all(abs(variance - 1 / 3) < 0.03 for variance in own)
assert all(abs(v / (w * 0.01 / 3) - 1) < 0.1 for v, w in zip(constant, widths, strict=True))
for name, multiple in multiples.items():
    assert abs((through[name][-1] ** (1 / depth)) / (multiple**2 / 3) - 1) < 0.05
assert size[-1] > 0.2 * size[5]
assert abs((spread[-1] / spread[4]) ** (1 / (depth - 4)) * 6 - 1) < 0.3

# %%

fig, axes = plt.subplots(3, 1, figsize=(figures.WIDTH, 8.6))
axes[0].loglog(widths, own, "-o", label="within ±1/√fan_in")
axes[0].loglog(widths, constant, "--s", label="within ±0.1")
axes[0].set(xlabel="fan_in", title="Width: variance of the output of one layer", ylim=(0.01, 30))
axes[0].annotate(f"{own[-1]:.2f}", (widths[-1], own[-1]), (-6, -14), textcoords="offset points")
axes[0].annotate(f"{constant[-1]:.1f}", (widths[-1], constant[-1]), (-28, 3),
                 textcoords="offset points")  # fmt: skip
axes[0].legend(loc="upper left")
for name, factor in {"1": "÷ 3", "½": "÷ 12", "√3": "· 1", "3": "· 3"}.items():
    axes[1].semilogy(through[name], label=f"±{name}/√fan_in: {factor}")
axes[1].legend(loc="lower left")
axes[1].set(
    xlim=(0, depth),
    xlabel="layers",
    title="Depth: mean square, for four bounds, and its factor a layer",
)
axes[2].semilogy(size, "-o", markersize=4, label="mean square")
axes[2].semilogy(spread, "--s", markersize=4, label="variance over the inputs")
axes[2].set(
    xlim=(0, depth), xlabel="layers", title="In practice: with biases, and ReLU after each layer"
)
axes[2].legend(loc="lower left")
for ax in axes[1:]:
    ax.set_xticks([0, 5, 10, 15, 20])
ends = "; ".join(f"{name}: {values[-1]:.0e}" for name, values in through.items())
figures.describe(
    fig,
    f"""Three charts on logarithmic axes. With weights within 1 over the root of fan_in the variance
    of one layer's output is {own[0]:.2f} at fan_in {widths[0]} and {own[-1]:.2f} at {widths[-1]};
    with weights within 0.1 it climbs from {constant[0]:.2f} to {constant[-1]:.1f}. After {depth}
    layers without activation the mean square is, for multiples of the bound, {ends}. With biases
    and ReLU it settles at {size[-1]:.0e}, while the variance over the inputs falls to
    {spread[-1]:.0e}.""",
)
plt.show()

# %%
# Above, the variance of a layer's output is a third at every width: fan_in terms, each with a
# weight of variance 1/(3 fan_in). In the middle, a third per layer, with the bound as it is; √3
# times that bound would keep the size. Below, what a new network does to its inputs: the size of
# the values settles, as every layer adds its biases, but in the end the inputs can hardly be told
# apart.
#
# **Takeaways**
#
# * 1/√fan_in answers to the width. It loses a factor of 3 at each layer, and of 6 with ReLU.
# * The bound that keeps the size is √3/√fan_in without activation and √6/√fan_in with ReLU. The
#   latter is ``nn.init.kaiming_uniform_(weight, nonlinearity="relu")``.
# * Look at the variance over inputs, not at the size: biases hide the loss.
# * In a deep network a norm or a residual path does the rest, and the start matters less.
