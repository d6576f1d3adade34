"""
How much of the gradient reaches the first step?
================================================

What a layer learns about its first input, it learns from the gradient that comes back to it. GRU
and LSTM are said to keep that gradient. Fresh from the constructor they lose it almost as fast as a
plain RNN; what helps is a gate that stands open.
"""

import matplotlib.pyplot as plt
import torch

from layerref import GRU, LSTM, RNN, figures

figures.style()
H_in, H, N, draws = 3, 32, 13, 7
lengths = [1, 6, *range(11, 102, 10)]

# %%
# One long sequence serves for all lengths: output L − 1 is what a sequence of L steps ends with. A
# random gradient is sent back from there, and we measure what is left of it at the first input. How
# much that is depends on the weights, so seven layers are drawn of each kind.


def reach(make):
    """Return ``(draws, lengths)``: the gradient at the first input, relative to length 1."""
    curves = []
    for seed in range(draws):
        torch.manual_seed(seed)
        layer = make().double()
        first, *rest = torch.randn(lengths[-1], N, H_in, dtype=torch.float64).split(1)
        first.requires_grad_()
        output, _ = layer(torch.cat([first, *rest]))
        sent = torch.randn(N, H, dtype=torch.float64)
        arrived = [torch.autograd.grad(output[L - 1], first, sent, retain_graph=True)[0].norm()
                   for L in lengths]  # fmt: skip
        curves.append(torch.stack(arrived) / arrived[0])
    return torch.stack(curves)


def lstm_with_forget_bias(bias):
    def make():
        lstm = LSTM(H_in, H)
        lstm.bias_ih_l0.data[H : 2 * H] = bias  # the second of four blocks is the forget gate's
        return lstm

    return make


biases = (0.0, 1.0, 2.0, 4.0)
by_bias = {bias: reach(lstm_with_forget_bias(bias)) for bias in biases}
curves = {
    "RNN": reach(lambda: RNN(H_in, H)),
    "GRU": reach(lambda: GRU(H_in, H)),
    "LSTM": reach(lambda: LSTM(H_in, H)),
    "LSTM, forget bias 4": by_bias[4.0],
}


def typical(curve):
    return curve.log().mean(0).exp()  # the geometric mean over draws


share = {name: typical(curve)[-1].item() for name, curve in curves.items()}
factor = {name: value ** (1 / (lengths[-1] - 1)) for name, value in share.items()}

# what the picture claims: fresh, all three lose a thousandfold by length 21 in every draw, and
# nearly everything by 101, the gated ones a little later; opened, the LSTM keeps it in every draw
for name in ("RNN", "GRU", "LSTM"):
    assert curves[name][:, lengths.index(21)].max() < 1e-3
    assert curves[name][:, -1].max() < 1e-17
assert factor["RNN"] < min(factor["GRU"], factor["LSTM"]) < 0.65
assert factor["RNN"] > 0.5
assert curves["RNN"][:, -1].max() < min(curves["GRU"][:, -1].min(), curves["LSTM"][:, -1].min())
assert by_bias[4.0].min() > 0.1
# a larger bias lets more through, and always more than the forget gate alone would
at = lengths.index(51)
left = {bias: curve[:, at] for bias, curve in by_bias.items()}
gate_alone = torch.tensor(biases, dtype=torch.float64).sigmoid() ** 50
middle = torch.stack([typical(curve)[at] for curve in by_bias.values()])
assert (middle.diff() > 0).all()
assert (middle > gate_alone).all()
assert 0.05 < typical(by_bias[1.0])[lengths.index(11)] < 0.2 and middle[1] < 1e-3

# %%

fig, (top, bottom) = plt.subplots(2, 1, figsize=(figures.WIDTH, 7), height_ratios=[3, 2])
for (name, curve), mark in zip(curves.items(), "os^D", strict=True):
    (line,) = top.semilogy(lengths, typical(curve), marker=mark, markersize=4,
                           label=f"{name}: × {factor[name]:.2f} a step")  # fmt: skip
    top.fill_between(lengths, curve.amin(0), curve.amax(0), color=line.get_color(), alpha=0.25)
top.axhline(1e-3, color="black", linewidth=0.8)
top.text(101, 1.6e-3, "a thousandth", ha="right", va="bottom", fontsize=9)
top.set(title="Share of the gradient that reaches the first step", xlabel="length of the sequence")
top.legend(loc="lower left")
bottom.semilogy(biases, middle, "-D", color=figures.PURPLE, markersize=4, label="what arrives")
bottom.semilogy(biases, gate_alone, ":x", color="black", label="σ(bias)⁵⁰, forget gate alone")
bottom.set(title="The LSTM after 51 steps", xlabel="bias of the forget gate")
bottom.set(xlim=(-0.4, 4.3), ylim=(1e-17, 1e3))
bottom.set_xticks(biases, [f"{b:g}\nσ = {torch.tensor(b).sigmoid():.2f}" for b in biases])
for b, value in zip(biases, middle, strict=True):
    bottom.annotate(f"{value:.0e}" if value < 0.01 else f"{value:.1g}", (b, value), (0, 7),
                    textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
bottom.legend(loc="lower right")
figures.describe(
    fig,
    f"""Share of the gradient that reaches the first of 1 to {lengths[-1]} steps, mean of {draws}
    draws on a logarithmic axis. Fresh layers fall on nearly straight lines: at {lengths[-1]} steps
    {share["RNN"]:.0e} is left for the RNN, {share["GRU"]:.0e} for the GRU, {share["LSTM"]:.0e} for
    the LSTM, a factor of {factor["RNN"]:.2f}, {factor["GRU"]:.2f} and {factor["LSTM"]:.2f} a step.
    With a forget bias of 4 the LSTM keeps {share["LSTM, forget bias 4"]:.1f}. Below, after 51 steps
    and over forget biases of 0, 1, 2 and 4: {", ".join(f"{value:.0e}" for value in middle)}, each
    more than the forget gate alone would leave.""",
)
plt.show()

# %%
# Lines are geometric means over seven draws, bands reach from the smallest to the largest. On this
# axis a straight line is a constant factor at each step. Below, the same LSTM with one bias moved:
# the forget gate starts at σ(bias).
#
# **Takeaways**
#
# * Fresh gates are near ½, and half of a half is soon nothing. By length 21 less than a thousandth
#   is left in all three kinds.
# * GRU and LSTM *can* keep the gradient: their gates open, by hand or by training. An RNN has none.
# * A forget bias of 1, the usual advice, keeps a tenth over ten steps, and next to nothing over
#   fifty.
# * The bottom curve lies above the gate's own: part of the gradient travels through h as well.
