"""
Is torch's GRU the GRU of the papers?
=====================================

Not quite. Many texts apply the reset gate to the old state *before* the matrix, torch applies it to
the product; and their update gate says how much is new, torch's how much stays. Weights that were
trained with one form and are run in the other give no error, only other numbers.
"""

import matplotlib.pyplot as plt
import torch

from layerref import GRU, figures

torch.manual_seed(0)
figures.style()
L, H_in = 31, 3

# %%
# A GRU's step with two switches. With both off it is torch's, and the first check below says so.


def states(gru, x, *, reset_first=False, z_is_new=False):
    """Run a one-layer GRU over ``(L, H_in)`` by hand and return all its states."""
    h, outputs = x.new_zeros(gru.hidden_size), []
    matrix, shift = gru.weight_hh_l0.chunk(3)[2], gru.bias_hh_l0.chunk(3)[2]  # W_hn and b_hn
    for t in range(len(x)):
        from_x = gru.weight_ih_l0 @ x[t] + gru.bias_ih_l0
        from_h = gru.weight_hh_l0 @ h + gru.bias_hh_l0
        (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3), from_h.chunk(3)
        r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
        n = (x_n + (matrix @ (r * h) + shift if reset_first else r * h_n)).tanh()
        h = (1 - z) * h + z * n if z_is_new else (1 - z) * n + z * h
        outputs.append(h)
    return torch.stack(outputs)


def fresh(H):
    return GRU(H_in, H).double().requires_grad_(False)


x = torch.randn(L, H_in, dtype=torch.float64)
gru = fresh(H=5)
torch.testing.assert_close(states(gru, x), gru(x)[0])  # the hand-written step is the layer's
forms = {
    "torch": states(gru, x),
    "reset before the product": states(gru, x, reset_first=True),
    "z is the share of the new": states(gru, x, z_is_new=True),
}
gap = {name: (h - forms["torch"]).abs().amax(1) for name, h in forms.items()}

# what the picture claims: the forms differ at every step, and by more than rounding; even at the
# first, where the state is still zero, as torch's gate multiplies the bias b_hn as well
reset, polarity = list(gap)[1:]
assert gap[reset].max() > 0.1 and gap[polarity].max() > 0.1
assert min(gap[reset].min(), gap[polarity].min()) > 0.01
# the polarity is a matter of signs, since 1 − σ(a) = σ(−a): such weights can be brought over
turned = fresh(H=5)
turned.load_state_dict(gru.state_dict())
for parameter in turned.parameters():
    parameter[5:10] *= -1  # the second of three blocks is the update gate's
torch.testing.assert_close(turned(x)[0], forms[polarity])

# %%
# With one number as state, the two places of the reset gate are one: r · (w h) is w · (r h). But
# torch's gate multiplies a bias too, so this bias has to be zero.

single, bias = fresh(H=1), 0.5
single.bias_hh_l0[2] = bias
with_bias = states(single, x), states(single, x, reset_first=True)
single.bias_hh_l0[2] = 0
without = states(single, x), states(single, x, reset_first=True)
torch.testing.assert_close(*without)
assert (with_bias[0] - with_bias[1]).abs().max() > 0.05

# %%

fig, axes = plt.subplots(3, 1, figsize=(figures.WIDTH, 7.8), sharex=True)
unit = int((forms[reset] - forms["torch"]).abs().amax(0).argmax())
for (name, h), line in zip(forms.items(), ("-", "--", ":"), strict=True):
    axes[0].plot(h[:, unit], line, label=name)
axes[0].set(title=f"H = 5: unit {unit} of the state, same weights, same input")
axes[1].plot(gap[reset], "--", color=figures.VERMILLION, label=reset)
axes[1].plot(gap[polarity], ":", color=figures.GREEN, label=polarity)
axes[1].set(title="Largest difference from torch over the five units", ylim=(0, None))
for (a, b), name, color in (with_bias, f"b_hn = {bias}", figures.PURPLE), (
    without, "b_hn = 0", figures.BLUE,
):  # fmt: skip
    axes[2].plot(
        (a - b).abs().flatten(), "--" if a is with_bias[0] else "-", color=color, label=name
    )
axes[2].set(title="H = 1: difference that the place of the reset gate makes", xlabel="step")
for ax in axes[:2]:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.04), ncols=2)
axes[2].legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=2)
figures.describe(
    fig,
    f"""One GRU of 5 units in three forms over {L} steps. With the reset gate before the product
    the state differs from torch's by up to {gap[reset].max():.2f}, with the update gate the other
    way round by up to {gap[polarity].max():.2f}. Below, a GRU of one unit: the place of the reset
    gate makes a difference of up to {(with_bias[0] - with_bias[1]).abs().max():.2f} with a bias
    b_hn of {bias}, and of {(without[0] - without[1]).abs().max():.0f} at every step without.""",
)
plt.show()

# %%
# Above, one unit in three forms; they differ from the first step on. In the middle, how far all
# units are apart. Below, a state of one number: the place of the gate does not matter, unless
# ``b_hn`` stands inside the bracket.
#
# **Takeaways**
#
# * torch computes :math:`n = \tanh(W_{in} x + b_{in} + r \odot (W_{hn} h + b_{hn}))`. So one
#   product with h serves all three blocks; resetting first takes two.
# * An update gate that means the share of the new is repaired by the sign of its block in all
#   parameters. For the reset gate there is no such repair: it takes another loop.
# * These are fresh layers. The difference is there before any training.
