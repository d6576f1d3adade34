"""
How far apart are BatchNorm's train and eval when the batch is small?
=====================================================================

In training BatchNorm divides by the deviation of this batch, in evaluation by one it remembers. The
smaller the batch, the less the two have to do with each other, and a model may be good in one mode
and bad in the other.
"""

import matplotlib.pyplot as plt
import torch

from layerref import BatchNorm1d, GroupNorm, LayerNorm, figures

torch.manual_seed(0)
figures.style()

# %%
# Data of mean 4 and variance 9, in 1009 channels that are only there to have many repetitions.

C, mean, variance = 1009, 4.0, 9.0


def batch(N):
    return mean + variance**0.5 * torch.randn(N, C)


# %%
# *Catching up.* The running mean starts at 0 and takes a tenth of each new batch. We follow one
# channel, and the spread of all channels at the end.

steps = 60
running, spread = {}, {}
for N in (2, 32):
    norm = BatchNorm1d(C)
    running[N] = [0.0]
    for _ in range(steps):
        norm(batch(N))
        running[N].append(norm.running_mean[0].item())
    spread[N] = norm.running_mean.std().item()
expected = [mean * (1 - 0.9**t) for t in range(steps + 1)]

# %%
# *Two variances and two modes.* For each batch size, one layer that has seen 400 batches, with
# ``momentum=None``, the plain average. The variance that it divides by is not stored anywhere, but
# its output shows it: it is how much narrower y is than x.

sizes = [2, 3, 4, 8, 16, 32, 64, 128]
divided, stored, gap = [], [], []
for N in sizes:
    norm = BatchNorm1d(C, momentum=None)
    used = []
    for _ in range(400 if N < 64 else 50):
        x = batch(N)
        y = norm(x).detach()
        width = (x.amax(0) - x.amin(0)) / (y.amax(0) - y.amin(0))
        used.append(width.square().mean() - norm.eps)
    divided.append(torch.stack(used).mean().item())
    stored.append(norm.running_var.mean().item())
    gap.append((y - norm.eval()(x).detach()).square().mean().sqrt().item())  # the last batch

# what the picture claims: 9/10 of the way after 22 steps, on average; a small batch never settles;
# one variance is too small by 1/N and the other is right; and the gap goes with 1/√N
assert expected[21] < 0.9 * mean < expected[22]
for N in running:
    assert abs(spread[N] / (3 * (0.1 / 1.9 / N) ** 0.5) - 1) < 0.1
for N, used, kept, g in zip(sizes, divided, stored, gap, strict=True):
    assert abs(used / (variance * (N - 1) / N) - 1) < 0.01
    assert abs(kept / variance - 1) < 0.01
    assert abs(g / (1.5 / N) ** 0.5 - 1) < (0.1 if N > 4 else 0.3)
x = batch(2).double()
torch.testing.assert_close(BatchNorm1d(C, eps=1e-15).double()(x), (x - x.mean(0)).sign())
for norm in (GroupNorm(1, C).double(), LayerNorm(C).double()):
    torch.testing.assert_close(norm(x), norm.eval()(x), rtol=0, atol=0)

# %%

fig, (top, middle, bottom) = plt.subplots(3, 1, figsize=(figures.WIDTH, 8.4))
top.axhline(mean, color="black", linewidth=1)
top.plot(running[2], "-", color=figures.VERMILLION, label="N = 2")
top.plot(running[32], "--", color=figures.BLUE, label="N = 32")
top.plot(expected, ":", color="black", label="4 · (1 − 0.9ᵗ)")
top.set(title="Running mean of a channel whose mean is 4", xlabel="step t", xlim=(0, steps))
middle.axhline(variance, color="black", linewidth=1)
middle.plot(sizes, divided, "-o", color=figures.VERMILLION, label="divides by it, in training")
middle.plot(sizes, stored, "--s", color=figures.BLUE, label="stores it, for evaluation")
middle.set(title="Two variances of one layer; that of the data is 9", ylim=(0, 10.5))
for N, used in list(zip(sizes, divided, strict=True))[:3]:
    middle.annotate(f"{used:.1f}", (N, used), (5, -13), textcoords="offset points", fontsize=9)
bottom.loglog(sizes, [(1.5 / N) ** 0.5 for N in sizes], ":", color="black", label="√(1.5 / N)")
bottom.loglog(sizes, gap, "o", color=figures.VERMILLION, label="measured")
for N, g in list(zip(sizes, gap, strict=True))[::2]:
    bottom.annotate(f"{g:.2f}", (N, g), (5, 5), textcoords="offset points", fontsize=9)
bottom.set(title="How far apart are train and eval? (root mean square)", ylim=(0.08, 1.4))
bottom.set_yticks([0.1, 0.3, 1], ["0.1", "0.3", "1"])
bottom.minorticks_off()
for ax in (middle, bottom):
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(N) for N in sizes])
    ax.minorticks_off()
    ax.set_xlabel("batch size N")
for ax in (top, middle, bottom):
    ax.legend(loc="lower right" if ax is not bottom else "lower left")
figures.describe(
    fig,
    f"""Three charts. Above, the running mean of a channel of mean 4 climbs from 0, on average to
    {expected[22]:.2f} after 22 steps; at the end it varies by {spread[2]:.2f} with batches of 2 and
    by {spread[32]:.2f} with batches of 32. In the middle, the variance that training divides by is
    {divided[0]:.1f} at N = 2 and {divided[-1]:.1f} at N = {sizes[-1]}, the stored one
    {stored[0]:.1f} and {stored[-1]:.1f}, that of the data 9. Below, on two logarithmic axes, the
    outputs of train and eval differ by {gap[0]:.2f} at N = 2 and {gap[-1]:.2f} at N = {sizes[-1]},
    along the line √(1.5 / N).""",
)
plt.show()

# %%
# Above, both estimates climb at one speed, since a step counts the same whatever the batch holds.
# What differs is the noise that stays. In the middle, the variance that training divides by is too
# small by the factor (N − 1)/N, and the stored one is corrected for that. Below, the inputs are
# normal and outputs have size 1, so a gap of 0.3 is a third of the signal.
#
# **Takeaways**
#
# * With N = 2 and one position, training keeps only a sign: one sample becomes 1, the other −1.
#   With N = 1 it is refused.
# * What counts is the number of values for each channel. ``BatchNorm2d`` with 2 images of 8 by 8
#   pixels has 128, though neighbouring pixels tell less than independent samples.
# * Four times the batch halves the gap. More training does not: it is the batch that is noisy.
# * GroupNorm and LayerNorm have no gap at any size, as they keep no estimate.
